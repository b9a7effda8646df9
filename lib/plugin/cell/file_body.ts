/**
 * A file that a plugin answers with, read by the server itself: its bytes cross no pipe. The name is a
 * stranger's and is resolved here as it is in the cell, against the folders that were approved; what
 * is opened must be a file, and the one the plugin saw when it wrote the headers.
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

/** The file is another than the one the plugin spoke of; asked again, it will speak of this one. */
export class FileChanged extends Error {
  override readonly name = "FileChanged";
}

/** Opens what a cell names, if it lies in the folders it was granted. */
export function createFileOpener(folders: readonly GrantedFolder[]): OpenFile {
  const resolve = createResolvePath(Deno, folders);
  const { stat, errors, SeekMode } = Deno;
  const native = { open: createOpenVerified(Deno), stat, errors, SeekMode };
  return (file, over) => openFileBody(native, resolve, file, over);
}

/** What of the runtime a file is opened with. */
type Native = Pick<typeof Deno, "stat" | "errors" | "SeekMode"> & { readonly open: OpenVerified };

/**
 * Opens a file as a body of exactly the length that was asked.
 *
 * @param resolve the guard of the granted folders
 * @param over called once, when the reader has everything or has gone away
 * @throws {FileChanged} it is gone, or not as it was
 * @throws {RpcError} it may not be sent, or cannot be read
 */
export async function openFileBody(
  native: Native,
  resolve: ResolvePath,
  handle: FileReference,
  over: () => void,
): Promise<FileBody> {
  const file = await openSeen(native, resolve, handle);
  try {
    const left = await lengthOf(file, handle);
    if (handle.offset > 0) await file.seek(handle.offset, native.SeekMode.Start);
    return bodyOf(file, left, over);
  } catch (error) {
    file.close();
    throw error;
  }
}

async function openSeen(
  { open, stat, errors }: Native,
  resolve: ResolvePath,
  { path }: FileReference,
): Promise<Deno.FsFile> {
  try {
    const real = await resolve(path, false);
    // To open a pipe that nobody writes to would hold a thread of the server for ever.
    if (!(await stat(real)).isFile) throw new TypeError("it is no file");
    return await open(real);
  } catch (error) {
    if (error instanceof FileReplaced) throw new FileChanged(error.message);
    if (hasCode(error, "ENOENT")) throw new FileChanged("it is gone");
    if (error instanceof errors.NotFound) throw new FileChanged("it is gone");
    if (error instanceof Error && error.name === "NotFound") throw new FileChanged("it is gone");
    throw new RpcError(`the file of its answer cannot be sent: ${wordsOf(error)}`);
  }
}

/** Bytes to be sent: of the open file, since its name may mean another one by now. */
async function lengthOf(
  file: Deno.FsFile,
  { offset, length, fingerprint: seen }: FileReference,
): Promise<number> {
  const found = toFileInfo("", await file.stat());
  if (found.kind !== "file") throw new RpcError("the file of its answer is none");
  if (seen !== "" && seen !== fileFingerprint(found)) throw new FileChanged("it changed");
  if (length === -1) return Math.max(0, found.size - offset);
  if (offset + length > found.size) throw new FileChanged("it is shorter than was said");
  return length;
}

function bodyOf(file: Deno.FsFile, length: number, over: () => void): FileBody {
  let left = length;
  let closed = false;
  let control: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  const close = (): void => {
    if (closed) return;
    closed = true;
    file.close();
    over();
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
        if (count === null) return fail(new Error("The file became shorter while it was sent"));
        left -= count;
        if (count > 0) {
          controller.enqueue(count === piece.length ? piece : piece.subarray(0, count));
        }
        if (left > 0) return;
        controller.close();
        close();
      } catch (error) {
        fail(new Error(`The file cannot be read on: ${wordsOf(error)}`));
      }
    },
    cancel: close,
    // The next piece is read while this one is sent: half as much again on one connection.
  }, { highWaterMark: 1 });
  return { stream, fail };
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function wordsOf(error: unknown): string {
  return error instanceof TypeError ? error.message : error instanceof Error ? error.name : "Error";
}
