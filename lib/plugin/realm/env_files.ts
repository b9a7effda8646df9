/**
 * `env.files`: files inside the granted folders. The runtime's permission covers a path as it is
 * written and follows links out of a granted folder, so every path is resolved here first and refused
 * when it really lies elsewhere. What decides is captured before the plugin loads: patching
 * `String.prototype` must not move a wall.
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

/** Finds where a path really lies; rejects when that is outside the granted folders. */
export type ResolvePath = (path: unknown, write: boolean) => Promise<string>;

const PIECE = 64 * 1024;
/** Entries of a listing looked at together. */
const BATCH = 32;

/**
 * Makes the function that every access goes through.
 *
 * @param native the runtime, captured before the realm was stripped
 * @param folders what is granted
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
  const inside = (path: string, folder: string): boolean =>
    path === folder || starts(path, from(folder, -1) === "/" ? folder : folder + "/");
  const { NotFound } = native.errors;

  return async function resolve(path: unknown, write: boolean): Promise<string> {
    if (typeof path !== "string" || path.length > 4096) throw refused("a path is a short string");
    for (let i = 0; i < folders.length; i++) {
      const folder = folders[i]!;
      if (!inside(path, folder.path) || write && !folder.write) continue;
      const named = folder.realPath + from(path, folder.path.length);
      let real: string;
      try {
        real = await realPath(named);
      } catch (error) {
        await mustStay(named, folder.realPath);
        if (!write || !(error instanceof NotFound)) throw bare(error, path);
        const cut = last(named, "/");
        const name = from(named, cut + 1);
        if (name === "" || name === "." || name === "..") throw refused("it names no file");
        try {
          real = (await realPath(from(named, 0, cut) || "/")) + "/" + name;
        } catch (absent) {
          throw bare(absent, path);
        }
      }
      if (inside(real, folder.realPath)) return real;
      throw refused("it leads out of the granted folder");
    }
    throw refused(
      write ? "it lies in no folder granted for writing" : "it lies in no granted folder",
    );
  };

  /**
   * Looks at as much of a path as there is. What lies outside is refused alike whether it exists, and
   * a link to nothing would be followed on creation to wherever it points.
   */
  async function mustStay(named: string, folder: string): Promise<void> {
    for (let path = named; path.length > folder.length;) {
      const cut = last(path, "/");
      const name = from(path, cut + 1);
      path = from(path, 0, cut);
      let real: string;
      try {
        real = await realPath(path);
      } catch {
        continue; // it is not there either, and the folder above it is looked at
      }
      if (!inside(real, folder)) throw refused("it leads out of the granted folder");
      if (await isLink(`${real}/${name}`)) throw refused("it is a link to nothing");
      return;
    }
  }

  async function isLink(path: string): Promise<boolean> {
    try {
      return (await lstat(path)).isSymlink;
    } catch {
      return false; // nothing is there, or nothing that may be looked at: no link to be followed
    }
  }
}

/** Remembers which file a response stands for. */
export type OnFileResponse = (response: Response, file: FileReference) => void;

/** One line that changes when a file does. */
export function fileFingerprint({ size, modified, changed, id }: FileInfo): string {
  return `${id} ${size} ${modified} ${changed}`;
}

/**
 * Makes `env.files` on top of a {@link ResolvePath}.
 *
 * @param hand told of every response that `respond` makes
 */
export function createEnvFiles(
  native: typeof Deno,
  resolve: ResolvePath,
  hand: OnFileResponse = () => {},
): Files {
  const { readDir, lstat, stat, open, mkdir, remove, rename, chmod, SeekMode } = native;
  const encoder = new TextEncoder();

  async function stream(path: string, range?: FileRange): Promise<ReadableStream<Uint8Array>> {
    const { offset, length } = bounds(range);
    const file = await open(await resolve(path, false), { read: true }).catch((e) => {
      throw bare(e, path);
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
          const piece = new Uint8Array(Math.min(PIECE, left));
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
          throw bare(error, path);
        }
      },
      cancel: () => file.close(),
    }, { highWaterMark: 0 });
  }

  async function read(path: string, range?: FileRange): Promise<Uint8Array> {
    return await new Response(await stream(path, range)).bytes();
  }

  async function put(
    path: string,
    data: string | Uint8Array | ReadableStream<Uint8Array>,
    append: boolean,
  ): Promise<void> {
    const real = await resolve(path, true);
    const options = { write: true, create: true, append, truncate: !append };
    const file = await open(real, options).catch((e) => {
      throw bare(e, path);
    });
    try {
      await fill(file, data, path);
    } finally {
      file.close();
    }
  }

  async function fill(
    file: Deno.FsFile,
    data: string | Uint8Array | ReadableStream<Uint8Array>,
    path: string,
  ): Promise<void> {
    const source = data instanceof ReadableStream
      ? data
      : [typeof data === "string" ? encoder.encode(data) : data];
    for await (const piece of source) {
      if (!(piece instanceof Uint8Array)) throw new TypeError("Cannot write what is not bytes");
      for (let at = 0; at < piece.length;) {
        at += await file.write(piece.subarray(at)).catch((error) => {
          throw bare(error, path);
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
      throw bare(error, path);
    });
    if (before !== undefined && !before.isFile) throw refused("it is no file");
    const folder = real.slice(0, real.lastIndexOf("/"));
    const part = `${folder}/.elastik-${crypto.randomUUID()}.part`;
    // Nobody may read on the way what they may not read at the end.
    const mode = before === undefined ? 0o666 : 0o600;
    const file = await open(part, { write: true, createNew: true, mode }).catch((error) => {
      throw bare(error, path);
    });
    try {
      try {
        await fill(file, data, path);
        await file.syncData();
      } finally {
        file.close();
      }
      if (typeof before?.mode === "number") await chmod(part, before.mode & 0o777);
      await ready?.();
      await rename(part, real).catch((error) => {
        throw bare(error, path);
      });
    } catch (error) {
      // What cannot be removed either is a file of a name that nobody asks for.
      await remove(part).catch(() => undefined);
      throw error;
    }
  }

  function respond(path: string, answer: FileResponseOptions = {}): Response {
    const { offset, length } = bounds(answer);
    const { status = 200, headers = {}, seen } = answer;
    let source: ReadableStreamDefaultReader<Uint8Array> | undefined;
    // Read here only by a plugin that keeps the response for itself.
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        source ??= (await stream(path, answer)).getReader();
        const { done, value } = await source.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => source?.cancel(reason),
    }, { highWaterMark: 0 });
    const response = new Response(body, { status, headers });
    hand(response, {
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
      put(path, data, false),
    append: (path: string, data: string | Uint8Array | ReadableStream<Uint8Array>) =>
      put(path, data, true),
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
        for (let at = 0; at < names.length; at += BATCH) {
          const batch = names.slice(at, at + BATCH).map((name) => look(`${real}/${name}`, name));
          for (const one of batch) {
            const entry = await one;
            if (entry !== undefined) found[found.length] = entry;
          }
        }
      } catch (error) {
        throw bare(error, path);
      }
      return found;
    },
    async stat(path: string) {
      const real = await resolve(path, false);
      const found = await stat(real).catch((error) => {
        throw bare(error, path);
      });
      return toFileInfo(path.slice(path.lastIndexOf("/") + 1), found);
    },
    async mkdir(path: string) {
      await mkdir(await resolve(path, true)).catch((error) => {
        throw bare(error, path);
      });
    },
    async remove(path: string) {
      await remove(await resolve(path, true)).catch((error) => {
        throw bare(error, path);
      });
    },
  });

  async function look(path: string, name: string): Promise<FileInfo | undefined> {
    try {
      return toFileInfo(name, await lstat(path));
    } catch (error) {
      // It was removed between the two calls, so it is not there.
      if (error instanceof native.errors.NotFound) return undefined;
      throw error;
    }
  }
}

/** What is told of a file, in the realm's terms. */
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

function bounds(range: FileRange = {}): { offset: number; length: number } {
  const { offset = 0, length = Infinity } = range;
  if (!Number.isSafeInteger(offset) || offset < 0 || !(length >= 0)) {
    throw new RangeError("Cannot read this range: offset and length are numbers from 0 up");
  }
  return { offset, length };
}

function refused(found: string): Error {
  return new TypeError(`Cannot reach the file: ${found}`);
}

/** The runtime's messages hold real paths; the plugin gets the kind and the path it named itself. */
function bare(error: unknown, path: string): Error {
  const kind = error instanceof Error ? error.name : "Error";
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  const told = Object.assign(new Error(`Cannot reach ${path}: ${kind}`), { name: kind });
  return typeof code === "string" ? Object.assign(told, { code }) : told;
}
