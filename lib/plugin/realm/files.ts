/**
 * `env.files`: files inside the granted folders. The runtime's permission covers a path as it is
 * written and follows links out of a granted folder, so every path is resolved here first and refused
 * when it really lies elsewhere. What decides is captured before the plugin loads: patching
 * `String.prototype` must not move a wall.
 */

import type { Folder } from "../init.ts";

/** What a listing or `stat` says of one entry. */
export interface FileInfo {
  readonly name: string;
  readonly kind: "file" | "folder" | "link" | "other";
  /** Bytes. */
  readonly size: number;
  /** Unix milliseconds, or null when the system does not say. */
  readonly modified: number | null;
}

/** A part of a file. */
export interface FileRange {
  readonly offset?: number;
  readonly length?: number;
}

/** `env.files`. Paths are absolute; every verb rejects outside the granted folders. */
export interface Files {
  read(path: string, range?: FileRange): Promise<Uint8Array>;
  text(path: string): Promise<string>;
  stream(path: string, range?: FileRange): Promise<ReadableStream<Uint8Array>>;
  write(path: string, data: string | Uint8Array | ReadableStream<Uint8Array>): Promise<void>;
  append(path: string, data: string | Uint8Array | ReadableStream<Uint8Array>): Promise<void>;
  list(path: string): Promise<FileInfo[]>;
  stat(path: string): Promise<FileInfo>;
  mkdir(path: string): Promise<void>;
  /** Removes a file or an empty folder. */
  remove(path: string): Promise<void>;
}

/** Finds where a path really lies; rejects when that is outside the granted folders. */
export type Resolve = (path: unknown, write: boolean) => Promise<string>;

const PIECE = 64 * 1024;

/**
 * Makes the function that every access goes through.
 *
 * @param native the runtime, captured before the realm was stripped
 * @param folders what is granted
 */
export function makeResolve(native: typeof Deno, folders: readonly Folder[]): Resolve {
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
      const named = folder.real + from(path, folder.path.length);
      let real: string;
      try {
        real = await realPath(named);
      } catch (error) {
        if (!write || !(error instanceof NotFound)) throw bare(error, path);
        const cut = last(named, "/");
        const name = from(named, cut + 1);
        if (name === "" || name === "." || name === "..") throw refused("it names no file");
        try {
          real = (await realPath(from(named, 0, cut) || "/")) + "/" + name;
        } catch (absent) {
          throw bare(absent, path);
        }
        // A dangling link would be followed on creation to wherever it points.
        if (await exists(real)) throw refused("it is a link to nothing");
      }
      if (inside(real, folder.real)) return real;
      throw refused("it leads out of the granted folder");
    }
    throw refused(
      write ? "it lies in no folder granted for writing" : "it lies in no granted folder",
    );
  };

  async function exists(path: string): Promise<boolean> {
    try {
      await lstat(path);
      return true;
    } catch (error) {
      if (error instanceof NotFound) return false;
      throw error;
    }
  }
}

/** Makes `env.files` on top of a {@link Resolve}. */
export function makeFiles(native: typeof Deno, resolve: Resolve): Files {
  const { readDir, lstat, stat, open, mkdir, remove, SeekMode } = native;
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
      const source = data instanceof ReadableStream
        ? data
        : [typeof data === "string" ? encoder.encode(data) : data];
      for await (const piece of source) {
        if (!(piece instanceof Uint8Array)) throw new TypeError("Cannot write what is not bytes");
        for (let at = 0; at < piece.length;) at += await file.write(piece.subarray(at));
      }
    } finally {
      file.close();
    }
  }

  return Object.freeze({
    read,
    stream,
    text: async (path: string) => new TextDecoder().decode(await read(path)),
    write: (path: string, data: string | Uint8Array | ReadableStream<Uint8Array>) =>
      put(path, data, false),
    append: (path: string, data: string | Uint8Array | ReadableStream<Uint8Array>) =>
      put(path, data, true),
    async list(path: string) {
      const real = await resolve(path, false);
      const found: FileInfo[] = [];
      try {
        for await (const { name } of readDir(real)) {
          try {
            found[found.length] = info(name, await lstat(`${real}/${name}`));
          } catch (error) {
            // It was removed between the two calls, so it is not there.
            if (!(error instanceof native.errors.NotFound)) throw error;
          }
        }
      } catch (error) {
        throw bare(error, path);
      }
      return found;
    },
    async stat(path: string) {
      const real = await resolve(path, false);
      return info(path.slice(path.lastIndexOf("/") + 1), await stat(real));
    },
    async mkdir(path: string) {
      await mkdir(await resolve(path, true));
    },
    async remove(path: string) {
      await remove(await resolve(path, true));
    },
  });
}

function info(name: string, found: Deno.FileInfo): FileInfo {
  const kind = found.isSymlink
    ? "link"
    : found.isDirectory
    ? "folder"
    : found.isFile
    ? "file"
    : "other";
  return { name, kind, size: found.size, modified: found.mtime?.getTime() ?? null };
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
  return Object.assign(new Error(`Cannot reach ${path}: ${kind}`), { name: kind });
}
