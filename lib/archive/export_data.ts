/**
 * Exports a data folder as tar.gz, also while its server runs. Each world is a consistent snapshot.
 * Worlds are copied row by row, so the archive contains no deleted bytes. Tokens, locks, catalog
 * and trash are not exported. It only reads the data folder.
 */

import { DatabaseSync } from "node:sqlite";
import { createTarPacker } from "../deps/modern_tar.ts";
import { COLLECTIONS_FILE, WORLD_FILE } from "../world/file/durable_fs.ts";
import { copyWorld } from "../world/file/copy_world.ts";
import { KEY_FILE, RETIRED_KEYS_FILE } from "../world/file/signing_keys.ts";
import { ARCHIVE_ROOT } from "./archive_entry.ts";
import { setJournalFormat } from "../world/sqlite_header.ts";
import { openDataWorlds } from "./data_worlds.ts";

/** How a folder is exported. */
export interface ExportOptions {
  readonly data: string;
  /** Receives the archive. It is closed at the end, or aborted after an error. */
  readonly sink: WritableStream<Uint8Array<ArrayBuffer>>;
  /** Whether the signing key of the folder and the retired ones are included. */
  readonly withKey: boolean;
  /** Earlier versions of each world that are included. */
  readonly versions: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** The result of an export. */
export interface ExportResult {
  readonly worlds: number;
  /** A server held the folder during the export. */
  readonly isLive: boolean;
  /** The folder has a signing key, and the archive contains it. */
  readonly includesKey: boolean;
  /** The folder has retired keys, and the archive contains them. */
  readonly includesRetiredKeys: boolean;
  /** Worlds that could not be copied. */
  readonly damaged: readonly { readonly folder: string; readonly reason: string }[];
}

/**
 * Exports a data folder.
 *
 * @throws {Deno.errors.NotFound} if there is no such folder
 * @throws the reason of the signal if it was aborted, and any error of the sink
 */
export async function exportData(options: ExportOptions): Promise<ExportResult> {
  const { data, sink, signal } = options;
  const worlds = openDataWorlds(data);
  try {
    const { readable, controller } = createTarPacker();
    const written = readable.pipeThrough(new CompressionStream("gzip"))
      .pipeTo(sink, signal === undefined ? {} : { signal });
    written.catch(() => {}); // awaited below; avoids an unhandled rejection until then
    const pack = async (name: string, bytes: Uint8Array): Promise<void> => {
      const entry = controller.add({ name, size: bytes.length, mode: 0o600, type: "file" });
      const writer = entry.getWriter();
      if (bytes.length > 0) await writer.write(bytes);
      await writer.close();
    };
    let done = 0;
    let count = 0;
    const damaged: { folder: string; reason: string }[] = [];
    const [key, retired] = [KEY_FILE, RETIRED_KEYS_FILE].map((file) =>
      options.withKey ? readIfPresent(`${data}/${file}`) : undefined
    );
    try {
      for (
        const [file, bytes] of [
          [KEY_FILE, key],
          [RETIRED_KEYS_FILE, retired],
          [COLLECTIONS_FILE, readIfPresent(`${data}/${COLLECTIONS_FILE}`)],
        ] as const
      ) {
        if (bytes !== undefined) await pack(`${ARCHIVE_ROOT}/${file}`, bytes);
      }
      for (const folder of worlds.folders) {
        signal?.throwIfAborted();
        options.onProgress?.(done++, worlds.folders.length);
        const image = imageOf(folder, options.versions, worlds.read, damaged);
        if (image === undefined) continue;
        await pack(`${ARCHIVE_ROOT}/${folder}/${WORLD_FILE}`, image);
        count += 1;
      }
      controller.finalize();
    } catch (error) {
      controller.error(error);
      await written.catch(() => {}); // fails with the same error
      throw error;
    }
    await written;
    options.onProgress?.(done, worlds.folders.length);
    return {
      worlds: count,
      isLive: worlds.isLive,
      includesKey: key !== undefined,
      includesRetiredKeys: retired !== undefined,
      damaged,
    };
  } finally {
    worlds.close();
  }
}

function imageOf(
  folder: string,
  versions: number,
  readWorld: ReturnType<typeof openDataWorlds>["read"],
  damaged: { folder: string; reason: string }[],
): Uint8Array | undefined {
  try {
    return readWorld(folder, (from) => {
      const to = new DatabaseSync(":memory:");
      try {
        copyWorld(from, to, { versions });
        return toFileImage(to);
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

/** Serializes a database in memory as the file that a server would have written. */
export function toFileImage(db: DatabaseSync): Uint8Array<ArrayBuffer> {
  const image = new Uint8Array(db.serialize());
  setJournalFormat(image, "wal");
  return image;
}

function readIfPresent(path: string): Uint8Array | undefined {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
