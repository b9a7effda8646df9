/**
 * Opens the file of a plugin's response in the server, so that its bytes do not cross the pipe. The
 * path is untrusted: it is resolved here against the approved folders, as in the cell. The server
 * must send a regular file only, and only the one from which the plugin made the headers.
 */

import { FILE_CHUNK_BYTES } from "../../limits.ts";
import { type FileBody, type OpenFile, RpcError } from "../wire/rpc_calls.ts";
import type { GrantedFolder } from "../wire/cell_init.ts";
import { createOpenVerified, FileReplaced, type OpenVerified } from "./open_verified.ts";
import {
  createResolvePath,
  fileFingerprint,
  type FileReference,
  type ResolvePath,
  toFileInfo,
} from "../realm/env_files.ts";

/**
 * The file differs from the one that the plugin described. The request can be sent to the plugin
 * again.
 */
export class FileChanged extends Error {
  override readonly name = "FileChanged";
}

/**
 * Creates the function that opens files for a cell.
 *
 * @param folders the folders that were granted to the cell
 */
export function createFileOpener(folders: readonly GrantedFolder[]): OpenFile {
  const resolve = createResolvePath(Deno, folders);
  const { stat, errors, SeekMode } = Deno;
  const native = { open: createOpenVerified(Deno), stat, errors, SeekMode };
  return (file, onEnd) => openFileBody(native, resolve, file, onEnd);
}

/** The used part of Deno. */
type Native = Pick<typeof Deno, "stat" | "errors" | "SeekMode"> & { readonly open: OpenVerified };

/**
 * Opens a file as a body of exactly the requested length.
 *
 * @param resolve the check of the granted folders
 * @param handle path, range and fingerprint from the plugin
 * @param onEnd called once, when the body has been read, cancelled or failed
 * @throws {FileChanged} the file does not exist any more, or differs from the fingerprint
 * @throws {RpcError} the file is outside the granted folders, is not a file, or cannot be read
 */
export async function openFileBody(
  native: Native,
  resolve: ResolvePath,
  handle: FileReference,
  onEnd: () => void,
): Promise<FileBody> {
  const file = await openResolved(native, resolve, handle);
  try {
    const left = await lengthOf(file, handle);
    if (handle.offset > 0) await file.seek(handle.offset, native.SeekMode.Start);
    return createBody(file, left, onEnd);
  } catch (error) {
    file.close();
    throw error;
  }
}

async function openResolved(
  { open, stat, errors }: Native,
  resolve: ResolvePath,
  { path }: FileReference,
): Promise<Deno.FsFile> {
  try {
    const real = await resolve(path, false);
    // Opening a pipe without a writer would block a thread of the server for ever.
    if (!(await stat(real)).isFile) throw new TypeError("it is not a file");
    return await open(real);
  } catch (error) {
    if (error instanceof FileReplaced) throw new FileChanged(error.message);
    if (hasCode(error, "ENOENT")) throw new FileChanged("it does not exist any more");
    if (error instanceof errors.NotFound) throw new FileChanged("it does not exist any more");
    if (error instanceof Error && error.name === "NotFound") {
      throw new FileChanged("it does not exist any more");
    }
    throw new RpcError(`Cannot send the file of its response: ${errorText(error)}`);
  }
}

/**
 * Returns the number of bytes to send. It uses the open file, because the path may name another
 * one.
 */
async function lengthOf(
  file: Deno.FsFile,
  { offset, length, fingerprint }: FileReference,
): Promise<number> {
  const found = toFileInfo("", await file.stat());
  if (found.kind !== "file") {
    throw new RpcError("Cannot send the file of its response: it is not a file");
  }
  if (fingerprint !== "" && fingerprint !== fileFingerprint(found)) {
    throw new FileChanged("it changed");
  }
  if (length === -1) return Math.max(0, found.size - offset);
  if (offset + length > found.size) throw new FileChanged("it is shorter than the range");
  return length;
}

function createBody(file: Deno.FsFile, length: number, onEnd: () => void): FileBody {
  let left = length;
  let taken = 0;
  let closed = false;
  let control: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  const close = (): void => {
    if (closed) return;
    closed = true;
    file.close();
    onEnd();
  };
  const fail = (reason: unknown): void => {
    if (closed) return;
    control?.error(reason);
    close();
  };
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => void (control = controller),
    async pull(controller) {
      try {
        const piece = new Uint8Array(Math.min(FILE_CHUNK_BYTES, left));
        const count = left === 0 ? 0 : await file.read(piece);
        if (closed) return;
        if (count === null) {
          return fail(new RpcError("Cannot send the rest of the file: it became shorter"));
        }
        left -= count;
        if (count > 0) {
          taken++;
          controller.enqueue(count === piece.length ? piece : piece.subarray(0, count));
        }
        if (left > 0) return;
        controller.close();
        close();
      } catch (error) {
        fail(new RpcError(`Cannot read the rest of the file: ${errorText(error)}`));
      }
    },
    cancel: close,
    // Reads the next piece while this one is sent: 1.5 times the throughput of one connection.
  }, { highWaterMark: 1 });
  return {
    stream,
    fail,
    get taken() {
      return taken;
    },
    get hasUnread() {
      return !closed;
    },
  };
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function errorText(error: unknown): string {
  return error instanceof TypeError ? error.message : error instanceof Error ? error.name : "Error";
}
