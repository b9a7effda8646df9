/**
 * `env.files`: access to files in the granted folders. Deno checks a permission against the path as
 * it is written and then follows symlinks, also out of a granted folder. So every path is resolved
 * here first, and refused if its real path is outside. The check must not call anything that the
 * plugin can patch, such as `String.prototype`: these functions are captured before the plugin is
 * loaded.
 */

import type { GrantedFolder } from "../wire/cell_init.ts";
import type {
  FileInfo,
  FileRange,
  FileReference,
  FileResponseOptions,
  Files,
  ReplaceOptions,
} from "../wire/file_types.ts";

export type { FileInfo, FileReference, Files } from "../wire/file_types.ts";

/**
 * Resolves a path with all symlinks, and rejects if the result is outside the granted folders.
 *
 * @param path path as the plugin passed it; not trusted to be a string
 * @param write whether the folder must be granted for writing; then the last segment may not exist
 * yet
 * @throws {TypeError} the path is outside, or invalid
 * @throws {Error} with the name of the system's error, for example `NotFound`
 */
export type ResolvePath = (path: unknown, write: boolean) => Promise<string>;

/** Bytes that one read requests from a file. */
const READ_BYTES = 64 * 1024;
/** Longest path in characters. */
const MAX_PATH_CHARS = 4096;
/** Entries of a listing that are stated concurrently. */
const STAT_BATCH = 32;

/**
 * Creates the function that checks every path.
 *
 * @param native the `Deno` object, captured before the lockdown removes it
 * @param folders granted folders; the first one that contains the path and fits decides
 */
export function createResolvePath(
  native: typeof Deno,
  folders: readonly GrantedFolder[],
): ResolvePath {
  const { realPath, lstat } = native;
  const { apply } = Reflect;
  const { startsWith, slice, lastIndexOf } = String.prototype;
  const starts = (text: string, start: string): boolean => apply(startsWith, text, [start]);
  const from = (text: string, at: number, to?: number): string => apply(slice, text, [at, to]);
  const last = (text: string, sought: string): number => apply(lastIndexOf, text, [sought]);
  const isInside = (path: string, folder: string): boolean =>
    path === folder || starts(path, from(folder, -1) === "/" ? folder : folder + "/");
  const { NotFound } = native.errors;

  return async function resolve(path: unknown, write: boolean): Promise<string> {
    if (typeof path !== "string" || path.length > MAX_PATH_CHARS) {
      throw createAccessError(`the path is not a string of at most ${MAX_PATH_CHARS} characters`);
    }
    for (let i = 0; i < folders.length; i++) {
      const folder = folders[i]!;
      if (!isInside(path, folder.path) || write && !folder.write) continue;
      const named = folder.realPath + from(path, folder.path.length);
      let real: string;
      try {
        real = await realPath(named);
      } catch (error) {
        await assertInside(named, folder.realPath);
        if (!write || !(error instanceof NotFound)) throw toPluginError(error, path);
        const cut = last(named, "/");
        const name = from(named, cut + 1);
        if (name === "" || name === "." || name === "..") {
          throw createAccessError("the path does not name a file");
        }
        try {
          real = (await realPath(from(named, 0, cut) || "/")) + "/" + name;
        } catch (absent) {
          throw toPluginError(absent, path);
        }
      }
      if (isInside(real, folder.realPath)) return real;
      throw createAccessError("its real path is outside the granted folder");
    }
    throw createAccessError(
      write ? "it is not in a folder granted for writing" : "it is not in a granted folder",
    );
  };

  /**
   * Checks the existing part of a path that does not resolve. A path outside gets the same refusal
   * whether it exists or not. A dangling symlink is refused, because creating a file would follow
   * it.
   */
  async function assertInside(named: string, folder: string): Promise<void> {
    for (let path = named; path.length > folder.length;) {
      const cut = last(path, "/");
      const name = from(path, cut + 1);
      path = from(path, 0, cut);
      let real: string;
      try {
        real = await realPath(path);
      } catch {
        continue; // this ancestor does not exist either; check the one above
      }
      if (!isInside(real, folder)) {
        throw createAccessError("its real path is outside the granted folder");
      }
      if (await isLink(`${real}/${name}`)) throw createAccessError("it is a dangling symlink");
      return;
    }
  }

  async function isLink(path: string): Promise<boolean> {
    try {
      return (await lstat(path)).isSymlink;
    } catch {
      return false; // nothing exists there, or it cannot be read: no symlink would be followed
    }
  }
}

/** Called for each response of `respond`, with the file that is its body. */
export type OnFileResponse = (response: Response, file: FileReference) => void;

/** Returns a text that differs if the file was replaced or changed. */
export function fileFingerprint({ size, modified, changed, id }: FileInfo): string {
  return `${id} ${size} ${modified} ${changed}`;
}

/**
 * Creates `env.files`.
 *
 * @param native the `Deno` object, captured before the lockdown removes it
 * @param resolve the check that every path passes
 * @param onFileResponse called for each response that `respond` makes
 */
export function createEnvFiles(
  native: typeof Deno,
  resolve: ResolvePath,
  onFileResponse: OnFileResponse = () => {},
): Files {
  const { readDir, lstat, stat, open, mkdir, remove, rename, chmod, SeekMode } = native;
  const encoder = new TextEncoder();

  async function stream(path: string, range?: FileRange): Promise<ReadableStream<Uint8Array>> {
    const { offset, length } = parseRange(range);
    const file = await open(await resolve(path, false), { read: true }).catch((e) => {
      throw toPluginError(e, path);
    });
    let left = length;
    try {
      if (offset > 0) await file.seek(offset, SeekMode.Start);
    } catch (error) {
      file.close();
      throw error;
    }
    return new ReadableStream<Uint8Array>({
      async pull(controller) {
        try {
          const piece = new Uint8Array(Math.min(READ_BYTES, left));
          const count = left === 0 ? null : await file.read(piece);
          if (count === null) {
            file.close();
            controller.close();
            return;
          }
          left -= count;
          controller.enqueue(count === piece.length ? piece : piece.subarray(0, count));
        } catch (error) {
          file.close();
          throw toPluginError(error, path);
        }
      },
      cancel: () => file.close(),
    }, { highWaterMark: 0 });
  }

  async function read(path: string, range?: FileRange): Promise<Uint8Array> {
    return await new Response(await stream(path, range)).bytes();
  }

  async function writeFile(
    path: string,
    data: string | Uint8Array | ReadableStream<Uint8Array>,
    append: boolean,
  ): Promise<void> {
    const real = await resolve(path, true);
    const options = { write: true, create: true, append, truncate: !append };
    const file = await open(real, options).catch((e) => {
      throw toPluginError(e, path);
    });
    try {
      await writeAll(file, data, path);
    } finally {
      file.close();
    }
  }

  async function writeAll(
    file: Deno.FsFile,
    data: string | Uint8Array | ReadableStream<Uint8Array>,
    path: string,
  ): Promise<void> {
    const source = data instanceof ReadableStream
      ? data
      : [typeof data === "string" ? encoder.encode(data) : data];
    for await (const piece of source) {
      if (!(piece instanceof Uint8Array)) {
        throw new TypeError("Cannot write a value that is not a Uint8Array");
      }
      for (let at = 0; at < piece.length;) {
        at += await file.write(piece.subarray(at)).catch((error) => {
          throw toPluginError(error, path);
        });
      }
    }
  }

  async function replace(
    path: string,
    data: string | Uint8Array | ReadableStream<Uint8Array>,
    { ready }: ReplaceOptions = {},
  ): Promise<void> {
    const real = await resolve(path, true);
    const before = await stat(real).catch((error) => {
      if (error instanceof native.errors.NotFound) return undefined;
      throw toPluginError(error, path);
    });
    if (before !== undefined && !before.isFile) throw createAccessError("it is not a file");
    const folder = real.slice(0, real.lastIndexOf("/"));
    const part = `${folder}/.elastik-${crypto.randomUUID()}.part`;
    // Until `chmod`, the new file must not be readable by more users than the old one.
    const mode = before === undefined ? 0o666 : 0o600;
    const file = await open(part, { write: true, createNew: true, mode }).catch((error) => {
      throw toPluginError(error, path);
    });
    try {
      try {
        await writeAll(file, data, path);
        await file.syncData();
      } finally {
        file.close();
      }
      if (typeof before?.mode === "number") await chmod(part, before.mode & 0o777);
      await ready?.();
      await rename(part, real).catch((error) => {
        throw toPluginError(error, path);
      });
    } catch (error) {
      // The caller gets the first error. A part file that stays has a name that no request uses.
      await remove(part).catch(() => undefined);
      throw error;
    }
  }

  function respond(path: string, options: FileResponseOptions = {}): Response {
    const { offset, length } = parseRange(options);
    const { status = 200, headers = {}, seen } = options;
    let source: ReadableStreamDefaultReader<Uint8Array> | undefined;
    // The server reads the file itself. This stream is read only if the plugin uses the response.
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        source ??= (await stream(path, options)).getReader();
        const { done, value } = await source.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => source?.cancel(reason),
    }, { highWaterMark: 0 });
    const response = new Response(body, { status, headers });
    onFileResponse(response, {
      path,
      offset,
      length: length === Infinity ? -1 : length,
      fingerprint: seen === undefined ? "" : fileFingerprint(seen),
    });
    return response;
  }

  return Object.freeze({
    read,
    stream,
    text: async (path: string) => new TextDecoder().decode(await read(path)),
    write: (path: string, data: string | Uint8Array | ReadableStream<Uint8Array>) =>
      writeFile(path, data, false),
    append: (path: string, data: string | Uint8Array | ReadableStream<Uint8Array>) =>
      writeFile(path, data, true),
    replace,
    respond,
    async list(path: string, { most = Infinity }: { readonly most?: number } = {}) {
      const real = await resolve(path, false);
      const found: FileInfo[] = [];
      try {
        const names: string[] = [];
        if (most > 0) {
          for await (const { name } of readDir(real)) {
            names[names.length] = name;
            if (names.length >= most) break;
          }
        }
        for (let at = 0; at < names.length; at += STAT_BATCH) {
          const batch = names.slice(at, at + STAT_BATCH).map((name) =>
            readEntry(`${real}/${name}`, name)
          );
          for (const pending of batch) {
            const entry = await pending;
            if (entry !== undefined) found[found.length] = entry;
          }
        }
      } catch (error) {
        throw toPluginError(error, path);
      }
      return found;
    },
    async stat(path: string) {
      const real = await resolve(path, false);
      const found = await stat(real).catch((error) => {
        throw toPluginError(error, path);
      });
      return toFileInfo(path.slice(path.lastIndexOf("/") + 1), found);
    },
    async mkdir(path: string) {
      await mkdir(await resolve(path, true)).catch((error) => {
        throw toPluginError(error, path);
      });
    },
    async remove(path: string) {
      await remove(await resolve(path, true)).catch((error) => {
        throw toPluginError(error, path);
      });
    },
  });

  async function readEntry(path: string, name: string): Promise<FileInfo | undefined> {
    try {
      return toFileInfo(name, await lstat(path));
    } catch (error) {
      // The entry was removed between `readDir` and `lstat`.
      if (error instanceof native.errors.NotFound) return undefined;
      throw error;
    }
  }
}

/** Converts the result of `Deno.stat` to the {@link FileInfo} that a plugin gets. */
export function toFileInfo(name: string, found: Deno.FileInfo): FileInfo {
  const kind = found.isSymlink
    ? "link"
    : found.isDirectory
    ? "folder"
    : found.isFile
    ? "file"
    : "other";
  return {
    name,
    kind,
    size: found.size,
    modified: found.mtime?.getTime() ?? null,
    changed: found.ctime?.getTime() ?? null,
    id: found.ino === null ? null : `${found.dev}:${found.ino}`,
  };
}

function parseRange(range: FileRange = {}): { offset: number; length: number } {
  const { offset = 0, length = Infinity } = range;
  if (!Number.isSafeInteger(offset) || offset < 0 || !(length >= 0)) {
    throw new RangeError("Cannot read this range: offset and length must be 0 or more");
  }
  return { offset, length };
}

function createAccessError(found: string): Error {
  return new TypeError(`Cannot access the file: ${found}`);
}

/**
 * Replaces a system error. Deno's message contains real paths; the plugin gets kind, code and its
 * own path.
 */
function toPluginError(error: unknown, path: string): Error {
  const kind = error instanceof Error ? error.name : "Error";
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  const replacement = Object.assign(new Error(`Cannot access ${path}: ${kind}`), { name: kind });
  return typeof code === "string" ? Object.assign(replacement, { code }) : replacement;
}
