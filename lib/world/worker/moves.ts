/**
 * The jobs of a writer that move the folder of a world: removal, and both steps of a move. Each runs
 * alone, between the transactions of other jobs. Every job is one step after a crash: the ledger has what
 * `finishMoves` needs to complete or undo it.
 */

import { assertContent, hasContentRule } from "../change/content_rules.ts";
import type { LastUse } from "../change/create_world.ts";
import * as steps from "../change/move_world.ts";
import { notInTrash } from "../change/write_errors.ts";
import { resultOf } from "../change/written_world.ts";
import type { RemoveJob, RestoreJob, WriteResult } from "../change/write_job.ts";
import {
  createTrashBin,
  createTrashId,
  createWorldFolder,
  moveFromTrash,
  moveToTrash,
  pathExists,
  removeTrashBin,
  renameWorldFolder,
  syncFolder,
  TRASH_FOLDER,
  WORLD_FILE,
} from "../file/durable_fs.ts";
import { type NameLedger, restoreKey } from "../file/name_ledger.ts";
import type { ImageBuilder } from "../file/new_world_image.ts";
import { readChainId } from "../file/read_chain.ts";
import * as sql from "../file/sql.ts";
import { WorldFile } from "../file/world_file.ts";
import { toFolderName } from "../name.ts";
import { StoreError } from "../store.ts";
import type { AdoptJob, Queued, ReleaseJob, WorkerSetup } from "../store/worker_messages.ts";
import type { TrashRecord } from "../trash.ts";
import type { HandleCache } from "./handle_cache.ts";

/** A job that moves a folder. */
export type MoveJob = Queued<RemoveJob | ReleaseJob | AdoptJob | RestoreJob>;

/** Source of the time of changes and of unique names. */
export interface WriterClock {
  /** Returns the current time in RFC 3339 form, UTC with milliseconds. */
  now(): string;
  /** Returns the time of a monotonic clock in milliseconds. */
  monotonic(): number;
}

/** What {@link WorldMoves} shares with its writer. */
export interface WriterParts {
  readonly setup: Pick<WorkerSetup, "data">;
  readonly clock: WriterClock;
  readonly open: HandleCache;
  readonly images: ImageBuilder;
  readonly ledger: NameLedger;
  /** Returns a name that no other folder has. */
  readonly uniqueName: () => string;
}

/** Moves the folders of the worlds of one shard. */
export class WorldMoves {
  readonly #parts: WriterParts;
  readonly #setup: WriterParts["setup"];
  readonly #clock: WriterClock;
  readonly #open: HandleCache;
  readonly #images: ImageBuilder;
  readonly #ledger: NameLedger;

  constructor(parts: WriterParts) {
    this.#parts = parts;
    const { setup, clock, open, images, ledger } = parts;
    this.#setup = setup;
    this.#clock = clock;
    this.#open = open;
    this.#images = images;
    this.#ledger = ledger;
  }

  /**
   * Runs one job.
   *
   * @throws {StoreError} and what SQLite throws; the caller rolls the world of the job back
   */
  run(job: MoveJob): WriteResult {
    switch (job.kind) {
      case "remove":
        return this.#remove(job);
      case "release":
        return this.#release(job);
      case "adopt":
        return this.#adopt(job);
      case "restore":
        return this.#restore(job);
    }
  }

  #remove(job: RemoveJob): WriteResult {
    const { name, by, restricted = false } = job;
    const file = steps.assertSource(job, this.openFile(name), "delete");
    const trash = createTrashId(this.#clock.now());
    const { version, updatedAt } = file.row;
    const now = file.timeOf(this.#clock.now());
    file.requireSync(true);
    // First, so that a locked world costs no write of the ledger.
    file.begin();
    const record = toRecord(file, trash, now, by, restricted);
    this.#ledger.recordEnd(name, { version, updatedAt, trash }, record);
    steps.removeWorld(job, file, trash, now);
    file.commit();
    file.assertInPlace();
    const result = { ...resultOf(file), trash, trashBytes: record.bytes };
    try {
      this.#moveToTrash(name, trash);
    } catch {
      // Safe to ignore: the mark is on disk, so that no read returns the world, and the next write
      // of this name moves the folder first.
    }
    return result;
  }

  /** Closes a world, so that another writer can open it under its new name. */
  #release(job: ReleaseJob): WriteResult {
    const file = steps.assertMovable(job, this.openFile(job.name));
    file.assertUnlocked();
    const result = resultOf(file);
    this.#open.discard(job.name);
    return result;
  }

  /** Moves a world that another writer released to the name of the job. */
  #adopt(job: AdoptJob): WriteResult {
    const target = this.openFile(job.name);
    steps.assertTarget(job, target);
    target?.assertUnlocked();
    if (hasContentRule(job.name)) {
      const source = this.#openReleased(job.from);
      assertBodyAndClose(job.name, source);
    }
    return steps.movesChain(job, target) ? this.#carry(job) : this.#moveContent(job, target);
  }

  /**
   * Renames the folder of a released world, and records the move in its chain. The ledger has the
   * move until both are on disk; after a crash between them, `finishMoves` renames the folder back.
   */
  #carry(job: AdoptJob): WriteResult {
    const { name, from, by, source } = job;
    const { data } = this.#setup;
    const last = this.#ledger.lastUse(name);
    const version = steps.movedVersion(source.version, undefined, last);
    const sourceVersion = source.version;
    this.#ledger.beginMove(
      { from, to: name, carry: true, sourceVersion, version, by, trash: "" },
      source.updatedAt,
    );
    try {
      renameWorldFolder(data, toFolderName(from), toFolderName(name), this.#parts.uniqueName());
      const file = this.openFile(name);
      if (file === undefined) {
        throw new StoreError("absent", "Cannot move the world: it does not exist", from);
      }
      file.requireSync(true);
      file.begin();
      const result = steps.carryWorld(job, file, version, last, this.#clock.now());
      file.commit();
      file.requireSync(false);
      this.#ledger.endMove(from);
      return result;
    } catch (thrown) {
      this.#open.rollBack(name);
      this.#open.discard(name);
      if (!pathExists(`${data}/${toFolderName(from)}`)) {
        renameWorldFolder(data, toFolderName(name), toFolderName(from), this.#parts.uniqueName());
      }
      this.#ledger.endMove(from);
      throw thrown;
    }
  }

  /**
   * Writes the bytes of a released world as the next version of the target, and moves the released
   * world to the trash. The ledger has the move until both are on disk; after a crash between them,
   * `finishMoves` completes it. When the target is on disk, the move is done: a full disk then costs
   * the last events of the world in the trash, and never leaves both worlds.
   *
   * @param target the world that is replaced; undefined if it does not exist
   */
  #moveContent(job: AdoptJob, target: WorldFile | undefined): WriteResult {
    const { name, from, by } = job;
    const source = this.#openReleased(from);
    /** Whether the target is written and the source is in its place; the next start moves it. */
    let isHalf = false;
    const trash = createTrashId(this.#clock.now());
    try {
      const { version: sourceVersion, updatedAt } = source.row;
      const last = this.#ledger.lastUse(name);
      const version = steps.movedVersion(sourceVersion, target?.row.version, last);
      const now = source.timeOf(this.#clock.now());
      const record = toRecord(source, trash, now, by, job.restricted ?? false);
      this.#ledger.beginMove(
        { from, to: name, carry: false, sourceVersion, version, by, trash },
        updatedAt,
        record,
      );
      source.requireSync(true);
      source.begin();
      steps.leaveContent(job, source, trash, now);
      // Before the target is written, because a full disk can refuse it.
      createTrashBin(this.#setup.data, trash);
      const result = this.#writeMoved(job, source, target, version, last);
      const isMarked = tryCommit(source);
      const sourceEvents = isMarked ? source.takeEvents() : [];
      source.close();
      try {
        this.#moveToTrash(from, trash);
      } catch (error) {
        // Safe to ignore if the world is marked as deleted: the next write of its name moves it.
        isHalf = !isMarked && pathExists(`${this.#setup.data}/${toFolderName(from)}`);
        if (isHalf) throw error;
      }
      return { ...result, trash, trashBytes: record.bytes, sourceEvents };
    } catch (thrown) {
      if (!isHalf) removeTrashBin(this.#setup.data, trash);
      throw thrown;
    } finally {
      if (source.isOpen) source.close();
      if (!isHalf) this.#ledger.endMove(from);
    }
  }

  /** Writes the bytes of a source to the target of its move, with the event, and syncs them. */
  #writeMoved(
    job: AdoptJob,
    source: WorldFile,
    target: WorldFile | undefined,
    version: number,
    last: LastUse | undefined,
  ): WriteResult {
    const { name } = job;
    const now = this.#clock.now();
    if (target !== undefined) {
      try {
        target.requireSync(true);
        target.begin();
        const result = steps.replaceWithContent(job, source, target, version, now);
        target.commit();
        target.requireSync(false);
        return result;
      } catch (thrown) {
        this.#open.rollBack(name);
        throw thrown;
      }
    }
    const { world, now: time, created } = steps.planMovedWorld(job, source, version, last, now);
    const { row, sha256, image, event } = this.#images.build(world, time);
    const { data } = this.#setup;
    createWorldFolder(data, toFolderName(name), image, this.#parts.uniqueName());
    syncFolder(data);
    return { ...row, sha256, created, first: true, events: [event] };
  }

  /**
   * Moves a world from the trash to its name, and records this in its chain. The ledger has the restore
   * until both are on disk; after a crash between them, `finishMoves` moves the folder back.
   */
  #restore(job: RestoreJob): WriteResult {
    const { name, from, by, trash } = job;
    steps.assertRestorable(job, () => this.openFile(name) !== undefined);
    const trashed = this.#checkTrashed(job);
    const [last, lastFrom] = [this.#ledger.lastUse(name), this.#ledger.lastUse(from)];
    const version = steps.restoredVersion(job, trashed.version, last, lastFrom);
    const { data } = this.#setup;
    const source = restoreKey(trash, from);
    const sourceVersion = trashed.version;
    this.#ledger.beginMove(
      { from: source, to: name, carry: false, restore: true, sourceVersion, version, by, trash },
      "",
    );
    const serial = this.#parts.uniqueName();
    const folders = { id: trash, trashed: toFolderName(from), folder: toFolderName(name), serial };
    let result: WriteResult;
    try {
      moveFromTrash(data, folders);
      const file = this.openFile(name);
      if (file === undefined) throw notInTrash(name);
      file.requireSync(true);
      file.begin();
      const chain = readChainId((statement) => file.all(statement), from);
      const restored = steps.restoreDeleted(job, file, version, last, this.#clock.now());
      file.commit();
      file.requireSync(false);
      result = steps.withChain(restored, chain);
    } catch (thrown) {
      this.#open.rollBack(name);
      this.#open.discard(name);
      const isMoved = !pathExists(`${data}/${TRASH_FOLDER}/${trash}/${folders.trashed}`);
      if (isMoved && pathExists(`${data}/${folders.folder}`)) {
        moveFromTrash(data, { ...folders, back: true });
      }
      this.#ledger.endMove(source);
      throw thrown;
    }
    this.#ledger.endMove(source);
    try {
      this.#ledger.withoutSync(() => this.#ledger.trash.drop(trash, from));
    } catch {
      // Safe to ignore: a row without its folder is not shown.
    }
    removeTrashBin(data, trash);
    return { ...result, trashBytes: trashed.bytes };
  }

  /** Checks that the world of a restore is in the trash and can be used; removes its mark. */
  #checkTrashed(job: RestoreJob): { version: number; bytes: number } {
    const { name, from, trash } = job;
    const folder = `${this.#setup.data}/${TRASH_FOLDER}/${trash}/${toFolderName(from)}`;
    const path = `${folder}/${WORLD_FILE}`;
    if (!pathExists(path)) throw notInTrash(name);
    if (hasContentRule(name)) {
      assertBodyAndClose(name, new WorldFile(from, path, this.#open.options));
    }
    const file = new WorldFile(from, path, this.#open.options);
    try {
      steps.assertRestored(job, file);
      // The server stopped after it moved the world here.
      file.exec(sql.CLEAR_DELETED);
      return { version: file.row.version, bytes: file.fileBytes };
    } finally {
      file.close();
    }
  }

  /** Opens a world of another writer, which has closed it; the caller closes it. */
  #openReleased(name: string): WorldFile {
    const path = `${this.#setup.data}/${toFolderName(name)}/${WORLD_FILE}`;
    if (!pathExists(path)) {
      throw new StoreError("absent", "Cannot move the world: it does not exist", name);
    }
    return new WorldFile(name, path, this.#open.options);
  }

  /**
   * Moves a world that is marked as deleted to the trash.
   *
   * @param id id of its trash entry
   */
  #moveToTrash(name: string, id: string): void {
    this.#open.discard(name);
    const folder = toFolderName(name);
    const isUsed = id === "" || pathExists(`${this.#setup.data}/${TRASH_FOLDER}/${id}/${folder}`);
    const free = isUsed ? createTrashId(this.#clock.now()) : id;
    const path = moveToTrash(this.#setup.data, folder, free);
    // Remove the mark, so that an operator can restore the world by moving its folder back.
    const trashed = new WorldFile(name, `${path}/${WORLD_FILE}`, this.#open.options);
    try {
      trashed.exec(sql.CLEAR_DELETED);
    } finally {
      trashed.close();
    }
  }

  /**
   * Opens the file of a world; `undefined` if it does not exist. Moves a deleted world to the trash.
   */
  openFile(name: string): WorldFile | undefined {
    const open = this.#open.peek(name);
    const file = this.#open.open(name);
    if (file === open || Number(file?.get(sql.SELECT_DELETED_MARK)?.user_version) !== 1) {
      return file;
    }
    // The server stopped between the deletion and the move to the trash.
    const { version, updatedAt } = file?.row ?? { version: 0, updatedAt: "" };
    const trash = this.#ledger.lastUse(name)?.trash ?? "";
    this.#ledger.recordEnd(name, { version, updatedAt, trash });
    this.#moveToTrash(name, trash);
    return undefined;
  }
}

/** Commits a transaction; returns false if that fails, as on a full disk. */
function tryCommit(file: WorldFile): boolean {
  try {
    file.commit();
    return true;
  } catch {
    return false;
  }
}

/** Checks the content of a file for the world that gets it, and closes the file. */
function assertBodyAndClose(name: string, file: WorldFile): void {
  try {
    assertContent(name, file.body());
  } finally {
    file.close();
  }
}

/** The row of the trash for a world that moves there. */
function toRecord(
  file: WorldFile,
  id: string,
  deletedAt: string,
  by: string,
  restricted: boolean,
): TrashRecord {
  const { row: { version, ext }, fileBytes: bytes, name } = file;
  return { id, name, version, deletedAt, by, ext, bytes, restricted };
}
