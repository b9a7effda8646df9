/**
 * A data folder as one tar.gz, each world whole and of one moment, while its server runs or not. Worlds
 * are copied row by row, so that no byte that was let go travels along; tokens, locks, catalog and trash
 * stay behind. It only reads.
 */

import { DatabaseSync } from "node:sqlite";
import { createTarPacker } from "../deps/modern_tar.ts";
import { COLLECTIONS_FILE, WORLD_FILE } from "../world/file/durable_fs.ts";
import { copyWorld } from "../world/file/copy_world.ts";
import { KEY_FILE, TOP } from "./archive_entry.ts";
import { openDataWorlds } from "./data_worlds.ts";

/** Header's write and read format versions; 2 says write-ahead log (SQLite §1.3). */
const FORMAT_OFFSETS = [18, 19] as const;

/** How a folder is exported. */
export interface ExportOptions {
  readonly data: string;
  /** Takes the archive; it is closed, or aborted when something fails. */
  readonly sink: WritableStream<Uint8Array<ArrayBuffer>>;
  /** Whether the folder's signing key goes along. */
  readonly withKey: boolean;
  /** Earlier versions a world that go along. */
  readonly versions: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** What went in. */
export interface Exported {
  readonly worlds: number;
  /** A server held the folder meanwhile. */
  readonly live: boolean;
  /** The signing key lies in the folder, and is in the archive. */
  readonly key: boolean;
  /** Worlds that could not be copied. */
  readonly damaged: readonly { readonly folder: string; readonly reason: string }[];
}

/**
 * Exports.
 *
 * @throws {Deno.errors.NotFound} when there is no such folder, the signal's reason, and what the sink throws
 */
export async function exportData(options: ExportOptions): Promise<Exported> {
  const { data, sink, signal } = options;
  const worlds = openDataWorlds(data);
  try {
    const { readable, controller } = createTarPacker();
    const written = readable.pipeThrough(new CompressionStream("gzip"))
      .pipeTo(sink, signal === undefined ? {} : { signal });
    written.catch(() => {}); // it is awaited below, and until then nobody need hear of it
    const pack = async (name: string, bytes: Uint8Array): Promise<void> => {
      const entry = controller.add({ name, size: bytes.length, mode: 0o600, type: "file" });
      const writer = entry.getWriter();
      if (bytes.length > 0) await writer.write(bytes);
      await writer.close();
    };
    let done = 0;
    let count = 0;
    const damaged: { folder: string; reason: string }[] = [];
    const key = options.withKey ? readIfThere(`${data}/${KEY_FILE}`) : undefined;
    try {
      for (
        const [file, bytes] of [
          [KEY_FILE, key],
          [COLLECTIONS_FILE, readIfThere(`${data}/${COLLECTIONS_FILE}`)],
        ] as const
      ) {
        if (bytes !== undefined) await pack(`${TOP}/${file}`, bytes);
      }
      for (const folder of worlds.folders) {
        signal?.throwIfAborted();
        options.onProgress?.(done++, worlds.folders.length);
        const image = imageOf(folder, options.versions, worlds.look, damaged);
        if (image === undefined) continue;
        await pack(`${TOP}/${folder}/${WORLD_FILE}`, image);
        count += 1;
      }
      controller.finalize();
    } catch (error) {
      controller.error(error);
      await written.catch(() => {}); // it says the same
      throw error;
    }
    await written;
    options.onProgress?.(done, worlds.folders.length);
    return { worlds: count, live: worlds.live, key: key !== undefined, damaged };
  } finally {
    worlds.close();
  }
}

function imageOf(
  folder: string,
  versions: number,
  look: ReturnType<typeof openDataWorlds>["look"],
  damaged: { folder: string; reason: string }[],
): Uint8Array | undefined {
  try {
    return look(folder, (from) => {
      const to = new DatabaseSync(":memory:");
      try {
        copyWorld(from, to, { versions });
        return fileImage(to);
      } finally {
        to.close();
      }
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    damaged.push({ folder, reason });
    return undefined;
  }
}

/** A database in memory as the file that a machine would have made of it. */
export function fileImage(db: DatabaseSync): Uint8Array<ArrayBuffer> {
  const image = new Uint8Array(db.serialize());
  for (const offset of FORMAT_OFFSETS) image[offset] = 2;
  return image;
}

function readIfThere(path: string): Uint8Array | undefined {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
