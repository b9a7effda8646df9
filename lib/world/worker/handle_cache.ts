/**
 * The files a writer holds open: opened on demand, bounded, checkpointed off the way of any request,
 * and let go again with a note of what they look like from outside. It changes no world.
 */

import { pathExists, WORLD_FILE } from "../file/durable_fs.ts";
import { toFolderName } from "../name.ts";
import type { FileStamp } from "../store/worker_messages.ts";
import { type OpenOptions, WorldFile } from "../file/world_file.ts";

/** Bytes of log after which a world is checkpointed; spread so that worlds do not fall together. */
const CHECKPOINT_BYTES = 1024 * 1024;

/** A world whose handle was closed. */
export type ClosedWorld = FileStamp & { readonly name: string };

/** The open files of one writer, the least recently used first. */
export class HandleCache {
  readonly #open = new Map<string, WorldFile>();
  readonly #due = new Set<WorldFile>();
  #settled: ClosedWorld[] = [];

  /**
   * @param data the data folder
   * @param maxHandles most files that stay open
   */
  constructor(readonly data: string, readonly maxHandles: number, readonly options: OpenOptions) {}

  /** Whether a world's file is open now. */
  has(name: string): boolean {
    return this.#open.has(name);
  }

  /** The world's open file, opened now if it exists. */
  open(name: string): WorldFile | undefined {
    const open = this.#open.get(name);
    if (open !== undefined) {
      this.#open.delete(name);
      this.#open.set(name, open);
      return open;
    }
    const path = `${this.data}/${toFolderName(name)}/${WORLD_FILE}`;
    if (!pathExists(path)) return undefined;
    const file = new WorldFile(name, path, this.options);
    this.#open.set(name, file);
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= this.maxHandles) break;
      this.release(oldest);
    }
    return file;
  }

  /** Closes a world's file, which folds its log into it. */
  release(name: string): void {
    const file = this.#open.get(name);
    if (file === undefined) return;
    this.#open.delete(name);
    this.#due.delete(file);
    try {
      file.close();
      this.#settled.push({ name, ...readFileStamp(this.data, name) });
    } catch {
      // What was acknowledged is in the log; the next start finds the world unsettled and opens it.
    }
  }

  /** Closes a world's file because the world leaves its name; nothing is noted of it. */
  discard(name: string): void {
    this.release(name);
    this.#settled = this.#settled.filter((entry) => entry.name !== name);
  }

  /** Takes a world back to what is on disk after a failure. */
  rollBack(name: string): void {
    const file = this.#open.get(name);
    if (file === undefined) return;
    try {
      file.rollback();
    } catch {
      // Not even the old row can be read: the handle goes, and the next use opens a fresh one.
      this.release(name);
    }
  }

  /** Notes that a world was changed, so that its log is folded in once it has grown. */
  scheduleCheckpoint(file: WorldFile): void {
    if (file.walBytes > dueAt(file.name)) this.#due.add(file);
  }

  /**
   * Checkpoints one world whose log has grown.
   *
   * @returns whether more of them wait
   */
  checkpointOne(): boolean {
    for (const file of this.#due) {
      this.#due.delete(file);
      try {
        file.checkpoint();
      } catch {
        // The log still holds every commit; a full disk only keeps it from being folded in.
      }
      break;
    }
    return this.#due.size > 0;
  }

  /** Worlds whose handles were closed since the last call. */
  takeClosed(): readonly ClosedWorld[] {
    const taken = this.#settled;
    this.#settled = [];
    return taken;
  }

  /** Closes every file. */
  close(): void {
    for (const name of [...this.#open.keys()]) this.release(name);
  }
}

/** What a world's file looks like from outside now. */
export function readFileStamp(data: string, name: string): FileStamp {
  const { mtime, size } = Deno.statSync(`${data}/${toFolderName(name)}/${WORLD_FILE}`);
  return { mtime: mtime?.getTime() ?? 0, size };
}

function dueAt(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = (hash * 31 + name.charCodeAt(i)) >>> 0;
  return CHECKPOINT_BYTES + hash % CHECKPOINT_BYTES;
}
