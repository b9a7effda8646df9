/**
 * The jobs of a writer that move the folder of a world: removal, and both steps of a move. Each runs
 * alone, between the transactions of other jobs. Every job is one step after a crash: the ledger has what
 * `finishMoves` needs to complete or undo it.
 */

import { MAX_CACHE_ENTRY_BYTES } from "../../limits.ts";
import { latestTime, nextSecond } from "../change_time.ts";
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
import { type LastUse, type NameLedger, restoreKey } from "../file/name_ledger.ts";
import type { ImageBuilder } from "../file/new_world_image.ts";
import { readChainId } from "../file/read_chain.ts";
import * as sql from "../file/sql.ts";
import { WorldFile } from "../file/world_file.ts";
import { toFolderName } from "../name.ts";
import { preconditionFault } from "../precondition.ts";
import { StoreError } from "../store.ts";
import type {
  AdoptJob,
  ReleaseJob,
  RemoveJob,
  RestoreJob,
  WorkerSetup,
  WriteResult,
} from "../store/worker_messages.ts";
import type { TrashRecord } from "../trash.ts";
import { assertMovedContent } from "./content_rules.ts";
import type { HandleCache } from "./handle_cache.ts";
import { assertWithin, otherKey } from "./write_errors.ts";
import { assertInPlace, callerFields, currentOf, resultOf } from "./written_world.ts";

/** A job that moves a folder. */
export type MoveJob = RemoveJob | ReleaseJob | AdoptJob | RestoreJob;

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

  /** The time of the first version of a world whose name may have had a world before. */
  firstTime(last: LastUse | undefined): string {
    return latestTime(this.#clock.now(), nextSecond(last?.updatedAt ?? ""));
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
    const file = this.#openChecked(job, "delete");
    const trash = createTrashId(this.#clock.now());
    const { version, updatedAt } = file.row;
    const now = file.timeOf(this.#clock.now());
    file.requireSync(true);
    // First, so that a locked world costs no write of the ledger.
    file.begin();
    const record = toRecord(file, trash, now, by, restricted);
    this.#ledger.recordEnd(name, { version, updatedAt, trash }, record);
    file.markDeleted(now, { trash, ...callerFields(job) });
    file.commit();
    assertInPlace(file);
    const result = { ...resultOf(file), trash, trashBytes: record.bytes };
    try {
      this.#moveToTrash(name, trash);
    } catch {
      // Safe to ignore: the mark is on disk, so that no read returns the world, and the next write
      // of this name moves the folder first.
    }
    return result;
  }

  /**
   * Opens the world of a job and checks the job's precondition.
   *
   * @param verb what the caller wants to do, for the error message
   */
  #openChecked(job: RemoveJob | ReleaseJob, verb: string): WorldFile {
    const file = this.openFile(job.name);
    if (file === undefined) {
      throw new StoreError("absent", `Cannot ${verb} the world: it does not exist`, job.name);
    }
    const fault = preconditionFault(job.precondition, currentOf(file));
    if (fault !== undefined) throw new StoreError("precondition", fault, job.name);
    return file;
  }

  /** Closes a world, so that another writer can open it under its new name. */
  #release(job: ReleaseJob): WriteResult {
    const file = this.#openChecked(job, "move");
    if (file.hasOtherKey) throw otherKey(job.name, "move");
    assertWithin(job, file.row.len);
    file.assertUnlocked();
    const result = resultOf(file);
    this.#open.discard(job.name);
    return result;
  }

  /** Moves a world that another writer released to the name of the job. */
  #adopt(job: AdoptJob): WriteResult {
    const target = this.openFile(job.name);
    if (target !== undefined && !job.replace) {
      throw new StoreError(
        "precondition",
        "Cannot move the world: a world with the new name exists",
        job.name,
      );
    }
    if (target?.hasOtherKey) throw otherKey(job.name, "replace");
    target?.assertUnlocked();
    assertMovedContent(job.name, () => this.#openReleased(job.from));
    return target === undefined && !job.contentOnly
      ? this.#carry(job)
      : this.#moveContent(job, target);
  }

  /**
   * Renames the folder of a released world, and records the move in its chain. The ledger has the
   * move until both are on disk; after a crash between them, `finishMoves` renames the folder back.
   */
  #carry(job: AdoptJob): WriteResult {
    const { name, from, by, ext, source } = job;
    const { data } = this.#setup;
    const last = this.#ledger.lastUse(name);
    const version = Math.max(source.version, last?.version ?? 0) + 1;
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
      const now = file.timeOf(this.firstTime(last));
      file.recordMove(ext, now, { from: `/${from}`, to: `/${name}`, by });
      file.commit();
      file.requireSync(false);
      this.#ledger.endMove(from);
      return { ...resultOf(file), created: true };
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
      const version = Math.max(
        target?.row.version ?? 0,
        last?.version ?? 0,
        sourceVersion,
      ) + 1;
      const now = source.timeOf(this.#clock.now());
      const record = toRecord(source, trash, now, by, job.restricted ?? false);
      this.#ledger.beginMove(
        { from, to: name, carry: false, sourceVersion, version, by, trash },
        updatedAt,
        record,
      );
      source.requireSync(true);
      source.begin();
      source.note(
        "world_moved",
        { from: `/${from}`, to: `/${name}`, version: sourceVersion, by },
        now,
      );
      source.markDeleted(now, { trash, by });
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
    { name, from, by, ext, state, lower }: AdoptJob,
    source: WorldFile,
    target: WorldFile | undefined,
    version: number,
    last: LastUse | undefined,
  ): WriteResult {
    const { headers, version: from_version } = source.row;
    const body = source.body();
    const eventFields = { by, moved_from: `/${from}`, from_version };
    if (target !== undefined) {
      try {
        target.requireSync(true);
        target.begin();
        target.versionFloor = version - 1;
        const now = target.timeOf(this.#clock.now());
        target.replace(body, { ext, headers, state }, now, eventFields);
        target.commit();
        target.requireSync(false);
        return resultOf(target);
      } catch (thrown) {
        this.#open.rollBack(name);
        throw thrown;
      }
    }
    const { row, sha256, image, event } = this.#images.build({
      name,
      version,
      op: "put",
      body,
      sent: body,
      ext,
      headers,
      state,
      eventFields: lower === undefined ? eventFields : { ...eventFields, covers: "lower" },
    }, latestTime(this.firstTime(last), lower?.updatedAt ?? ""));
    const { data } = this.#setup;
    createWorldFolder(data, toFolderName(name), image, this.#parts.uniqueName());
    syncFolder(data);
    return { ...row, sha256, created: lower === undefined, first: true, events: [event] };
  }

  /**
   * Moves a world from the trash to its name, and records this in its chain. The ledger has the restore
   * until both are on disk; after a crash between them, `finishMoves` moves the folder back.
   */
  #restore(job: RestoreJob): WriteResult {
    const { name, from, by, ext, state, trash, lower, precondition } = job;
    const covers = lower === undefined ? {} : { covers: "lower" };
    const fault = preconditionFault(
      precondition,
      lower === undefined ? undefined : { version: 0, ...lower },
    );
    if (fault !== undefined) throw new StoreError("precondition", fault, name);
    if (this.openFile(name) !== undefined) {
      throw new StoreError(
        "precondition",
        "Cannot restore the world: a world with the name exists",
        name,
      );
    }
    const trashed = this.#checkTrashed(job);
    const [last, lastFrom] = [this.#ledger.lastUse(name), this.#ledger.lastUse(from)];
    const used = [job.floor, trashed.version, last?.version ?? 0, lastFrom?.version ?? 0];
    const version = Math.max(...used) + 1;
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
    let content: WriteResult["content"];
    try {
      moveFromTrash(data, folders);
      const file = this.openFile(name);
      if (file === undefined) throw notInTrash(name);
      file.requireSync(true);
      file.begin();
      file.versionFloor = version - 1;
      const now = file.timeOf(this.firstTime(last));
      const chain = readChainId((statement) => file.all(statement), from);
      const names = from === name ? undefined : { from: `/${from}`, to: `/${name}` };
      const eventFields = { trash, ...covers, ...callerFields(job) };
      file.recordRestore({ ext, state }, now, eventFields, names);
      file.commit();
      file.requireSync(false);
      const { len, headers } = file.row;
      if (len <= MAX_CACHE_ENTRY_BYTES) content = { body: file.body(), headers };
      result = withChain(resultOf(file), chain);
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
    const done = { ...result, created: lower === undefined, trashBytes: trashed.bytes };
    return content === undefined ? done : { ...done, content };
  }

  /** Checks that the world of a restore is in the trash and can be used; removes its mark. */
  #checkTrashed(job: RestoreJob): { version: number; bytes: number } {
    const { name, from, trash } = job;
    const folder = `${this.#setup.data}/${TRASH_FOLDER}/${trash}/${toFolderName(from)}`;
    const path = `${folder}/${WORLD_FILE}`;
    if (!pathExists(path)) throw notInTrash(name);
    assertMovedContent(name, () => new WorldFile(from, path, this.#open.options));
    const file = new WorldFile(from, path, this.#open.options);
    try {
      if (file.hasOtherKey) throw otherKey(from, "restore");
      assertWithin(job, file.row.len);
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

function notInTrash(name: string): StoreError {
  return new StoreError("absent", "Cannot restore the world: it is not in the trash", name);
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

/** Adds the id of the chain to the first event, because the name can have had another chain. */
function withChain(result: WriteResult, chain: string): WriteResult {
  const events = result.events.map((event, at) => at === 0 ? { ...event, chain } : event);
  return { ...result, events };
}
