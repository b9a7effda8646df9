/**
 * The copies of long worlds on their way out: each lies in a file that loses its name as soon as it is
 * open, so that it is gone when its reader is, or the server. It bounds how many there are and knows
 * nothing of what is in them.
 */

import { MAX_SNAPSHOT_FILES } from "../../limits.ts";
import { INCOMING_FOLDER, tryRemove } from "../file/durable_fs.ts";
import { type Snapshot, StoreError } from "../store.ts";
import type { WorldFiles } from "./world_files.ts";

/** Bytes read at a time. */
const PIECE = 64 * 1024;

/** See the module. */
export class SnapshotFiles {
  readonly #data: string;
  readonly #files: Pick<WorldFiles, "copy">;
  readonly #most: number;
  #open = 0;
  #serial = 0;

  /**
   * @param data the data folder
   * @param files makes a copy, in the job's file if it is long
   * @param most files at once
   */
  constructor(data: string, files: Pick<WorldFiles, "copy">, most: number = MAX_SNAPSHOT_FILES) {
    this.#data = data;
    this.#files = files;
    this.#most = most;
  }

  /** Number of files that are still being read. */
  get openCount(): number {
    return this.#open;
  }

  /**
   * Has a copy made and gives it out.
   *
   * @param key signs the copy's chain anew
   * @throws {StoreError} `busy`, and what the copy rejects with
   */
  async create(name: string, key?: string): Promise<Snapshot | undefined> {
    if (this.#open >= this.#most) throw this.#busy();
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
    // Others may have had theirs made meanwhile.
    if (this.#open >= this.#most) {
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
      `Cannot copy the world: ${this.#open} long copies are being read and ${this.#most} are the most`,
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
        const piece = new Uint8Array(PIECE);
        const read = await file.read(piece);
        if (read !== null) return controller.enqueue(piece.subarray(0, read));
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

function once(act: () => void): () => void {
  let acted = false;
  return () => {
    if (acted) return;
    acted = true;
    act();
  };
}
