/**
 * The open files of one writer: opened on demand, limited in number, least recently used closed
 * first. Logs that have grown are checkpointed between batches, and appended bytes are folded into
 * the rows some seconds later. For each closed file it records size and modification time for the
 * catalog. It never changes the content of a world.
 */

import { CHECKPOINT_BYTES } from "../../limits.ts";
import { shardOf } from "../../base/hash.ts";
import { pathExists, WORLD_FILE } from "../file/durable_fs.ts";
import type { NameLedger } from "../file/name_ledger.ts";
import { toFolderName } from "../name.ts";
import type { FileStamp } from "../change/write_job.ts";
import { FoldSchedule } from "./fold_schedule.ts";
import { openFailure } from "../file/open_failure.ts";
import { type OpenOptions, WorldFile } from "../file/world_file.ts";

/** A world whose file was closed, with the stamp of the file. */
export type ClosedWorld = FileStamp & { readonly name: string };

/** The open files of one writer. */
export class HandleCache {
  readonly #open = new Map<string, WorldFile>();
  readonly #scheduled = new Set<WorldFile>();
  readonly #folds = new FoldSchedule<WorldFile>();
  #closed: ClosedWorld[] = [];

  /**
   * @param data path of the data folder
   * @param maxHandles maximum number of open files
   * @param options options of the opened files
   * @param ledger the versions that names have used
   * @param monotonic returns the time of a monotonic clock in milliseconds
   */
  constructor(
    readonly data: string,
    readonly maxHandles: number,
    readonly options: OpenOptions,
    readonly ledger: Pick<NameLedger, "lastUse">,
    readonly monotonic: () => number,
  ) {}

  /** Returns the file of a world if it is open. */
  peek(name: string): WorldFile | undefined {
    return this.#open.get(name);
  }

  /**
   * Returns the open file of a world, opening it if necessary; `undefined` if it does not exist.
   */
  open(name: string): WorldFile | undefined {
    const open = this.#open.get(name);
    if (open?.isInPlace()) {
      this.#open.delete(name);
      this.#open.set(name, open);
      return open;
    }
    // Its folder was moved or replaced outside the server. SQLite compares the inode when it closes
    // a file, and removes no log of another file.
    if (open !== undefined) this.discard(name);
    const path = `${this.data}/${toFolderName(name)}/${WORLD_FILE}`;
    if (!pathExists(path)) return undefined;
    const file = this.#openFile(name, path);
    try {
      // A world that was moved here, or whose folder was moved back from the trash.
      file.versionFloor = this.ledger.lastUse(name)?.version ?? 0;
    } catch (error) {
      file.close();
      throw error;
    }
    this.#open.set(name, file);
    // Of a server that was stopped before it folded them.
    this.scheduleFold(file);
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= this.maxHandles) break;
      this.release(oldest);
    }
    return file;
  }

  #openFile(name: string, path: string): WorldFile {
    try {
      return new WorldFile(name, path, this.options);
    } catch (error) {
      throw openFailure(path, error);
    }
  }

  /**
   * Folds and closes a world's file, which writes its log into it, and records the stamp of the file.
   */
  release(name: string): void {
    try {
      this.#open.get(name)?.fold();
    } catch {
      // Safe to ignore: the pieces remain in the file, and every read joins them.
    }
    this.#close(name);
  }

  #close(name: string): void {
    const file = this.#open.get(name);
    if (file === undefined) return;
    this.#open.delete(name);
    this.#scheduled.delete(file);
    this.#folds.remove(file);
    const { hasPieces } = file;
    try {
      file.close();
      // Without a stamp the next start opens the world and folds it.
      if (!hasPieces) this.#closed.push({ name, ...readFileStamp(this.data, name) });
    } catch {
      // Safe to ignore: acknowledged changes are in the log, and without a stamp the next start
      // opens the world.
    }
  }

  /** Closes a world's file without recording a stamp, because the world is moved or deleted. */
  discard(name: string): void {
    this.release(name);
    this.#closed = this.#closed.filter((entry) => entry.name !== name);
  }

  /** Rolls a world back to its state on disk after a failure. */
  rollBack(name: string): void {
    const file = this.#open.get(name);
    if (file === undefined) return;
    try {
      file.rollback();
    } catch {
      // The row cannot be read either: close the file; the next use opens it again.
      this.#close(name);
    }
  }

  /** Schedules a checkpoint of a changed world if its log has grown beyond the limit. */
  scheduleCheckpoint(file: WorldFile): void {
    if (file.walBytes > checkpointBytesOf(file.name)) this.#scheduled.add(file);
  }

  /**
   * Checkpoints one scheduled world.
   *
   * @returns whether more worlds are scheduled
   */
  checkpointOne(): boolean {
    for (const file of this.#scheduled) {
      this.#scheduled.delete(file);
      try {
        file.checkpoint();
      } catch {
        // Safe to ignore: all commits remain in the log. The usual cause is a full disk.
      }
      break;
    }
    return this.#scheduled.size > 0;
  }

  /** Schedules the fold of a world that has appended bytes outside its row. */
  scheduleFold(file: WorldFile): void {
    // Most worlds have none, and no entry that would have to be removed.
    if (file.hasPieces || this.#folds.size > 0) this.#folds.record(file, this.monotonic());
  }

  /** Time at which a world must be folded, of the monotonic clock; undefined if no world must. */
  get foldDueAt(): number | undefined {
    return this.#folds.dueAt;
  }

  /** Number of worlds that must be folded. */
  get unfolded(): number {
    return this.#folds.size;
  }

  /**
   * Folds one world that is due.
   *
   * @returns whether there was one
   */
  foldOne(): boolean {
    const started = this.monotonic();
    const file = this.#folds.next(started);
    if (file === undefined) return false;
    try {
      file.fold();
      this.#folds.recordFold(file, this.monotonic() - started);
      this.scheduleCheckpoint(file);
    } catch {
      // Safe to ignore: the pieces remain in the file, and every read joins them. Usual causes are a
      // full disk and another process that has locked the file.
      if (file.isOpen) this.#folds.recordFailure(file, this.monotonic());
      else this.#close(file.name);
    }
    return true;
  }

  /** Returns the worlds whose files were closed since the last call. */
  takeClosed(): readonly ClosedWorld[] {
    const closed = this.#closed;
    this.#closed = [];
    return closed;
  }

  /** Closes all files. */
  close(): void {
    for (const name of [...this.#open.keys()]) this.release(name);
  }
}

/** Reads size and modification time of a world's file. */
export function readFileStamp(data: string, name: string): FileStamp {
  const { mtime, size } = Deno.statSync(`${data}/${toFolderName(name)}/${WORLD_FILE}`);
  return { mtime: mtime?.getTime() ?? 0, size };
}

function checkpointBytesOf(name: string): number {
  return CHECKPOINT_BYTES + shardOf(name, CHECKPOINT_BYTES);
}
