/**
 * Copies of worlds for snapshots. A short copy is in memory. A long copy is a temporary file that
 * is unlinked after it is opened, so that it disappears when its stream ends or the process stops.
 * The number of long copies at the same time is limited.
 */

import { MAX_SNAPSHOT_FILES } from "../../limits.ts";
import { INCOMING_FOLDER, tryRemove } from "../file/durable_fs.ts";
import { type Snapshot, StoreError } from "../store.ts";
import type { WorldFiles } from "./world_files.ts";

/** Bytes that are read from a copy at a time. */
const CHUNK_BYTES = 64 * 1024;

/** Creates snapshots and limits the number of long ones. */
export class SnapshotFiles {
  readonly #data: string;
  readonly #files: Pick<WorldFiles, "copy">;
  readonly #maxFiles: number;
  #open = 0;
  #serial = 0;

  /**
   * @param data path of the data folder
   * @param files copies worlds, to a file if the copy is long
   * @param maxFiles maximum number of long copies that are being read
   */
  constructor(
    data: string,
    files: Pick<WorldFiles, "copy">,
    maxFiles: number = MAX_SNAPSHOT_FILES,
  ) {
    this.#data = data;
    this.#files = files;
    this.#maxFiles = maxFiles;
  }

  /** Number of long copies that are being read. */
  get openCount(): number {
    return this.#open;
  }

  /**
   * Creates a copy of a world.
   *
   * @param key signing key of the copy; if absent, the HMACs are kept
   * @returns `undefined` if the world has no file
   * @throws {StoreError} `busy` if the maximum number of long copies is reached, and errors of the
   * copy
   */
  async create(name: string, key?: string): Promise<Snapshot | undefined> {
    if (this.#open >= this.#maxFiles) throw this.#busy();
    const found = await this.#files.copy({
      kind: "snapshot",
      name,
      path: `${this.#data}/${INCOMING_FOLDER}/copy-${this.#serial++}.db`,
      ...(key === undefined ? {} : { key }),
    });
    if (found === undefined) return undefined;
    const { version } = found;
    if ("bytes" in found) return { version, length: found.bytes.length, body: found.bytes };
    const { path, length } = found;
    // Other copies can have been created since the first check.
    if (this.#open >= this.#maxFiles) {
      tryRemove(path);
      throw this.#busy();
    }
    this.#open += 1;
    const done = () => this.#open -= 1;
    try {
      return { version, length, body: contentOf(await openAndUnlink(path), done) };
    } catch (error) {
      done();
      throw error;
    }
  }

  #busy(): StoreError {
    return new StoreError(
      "busy",
      `Cannot copy the world: ${this.#open} long copies are being read; at most ${this.#maxFiles} are allowed`,
    );
  }
}

async function openAndUnlink(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { read: true });
  } finally {
    tryRemove(path);
  }
}

function contentOf(file: Deno.FsFile, done: () => void): ReadableStream<Uint8Array<ArrayBuffer>> {
  const end = once(() => {
    file.close();
    done();
  });
  return new ReadableStream({
    async pull(controller) {
      try {
        const chunk = new Uint8Array(CHUNK_BYTES);
        const read = await file.read(chunk);
        if (read !== null) return controller.enqueue(chunk.subarray(0, read));
        end();
        controller.close();
      } catch (error) {
        end();
        throw error;
      }
    },
    cancel: end,
  }, { highWaterMark: 0 });
}

function once(action: () => void): () => void {
  let hasRun = false;
  return () => {
    if (hasRun) return;
    hasRun = true;
    action();
  };
}
