/**
 * The writer of one shard of the worlds: the only code that changes their files. Queued changes of
 * one world are applied in one transaction, each change with its event. Their replies are returned
 * only after the commit. Messages, caches and HTTP are not handled here.
 */

import { concatBytes } from "../../base/concat_bytes.ts";
import { latestTime, nextSecond } from "../change_time.ts";
import { type ChainSigner, createChainSigner } from "../event_chain.ts";
import {
  createTrashBin,
  createTrashId,
  createWorldFolder,
  moveToTrash,
  pathExists,
  removeTrashBin,
  renameWorldFolder,
  syncFolder,
  TRASH_FOLDER,
  WORLD_FILE,
} from "../file/durable_fs.ts";
import { type LastUse, NameLedger } from "../file/name_ledger.ts";
import { handlesFailure } from "../file/open_failure.ts";
import { toStoreError } from "../sqlite_errors.ts";
import { toFolderName } from "../name.ts";
import { type ClosedWorld, HandleCache, readFileStamp } from "./handle_cache.ts";
import { type CurrentVersion, preconditionFault } from "../precondition.ts";
import type {
  AdoptJob,
  ReleaseJob,
  RemoveJob,
  Reply,
  WorkerSetup,
  WriteJob,
  WriteResult,
} from "../store/worker_messages.ts";
import { failAfterLocked } from "./lock_retry.ts";
import * as sql from "../file/sql.ts";
import { StoreError } from "../store.ts";
import { otherKey, removedOutside, tooLarge } from "./write_errors.ts";
import { ImageBuilder } from "../file/new_world_image.ts";
import { WorldFile } from "../file/world_file.ts";

/** Source of the time of changes and of unique names. */
export interface WriterClock {
  /** Returns the current time in RFC 3339 form, UTC with milliseconds. */
  now(): string;
}

/** Jobs that move a world's folder; each runs alone, between the transactions of other jobs. */
type MoveJob = RemoveJob | ReleaseJob | AdoptJob;
/** Jobs that change a world in its folder; several share one transaction. */
type ChangeJob = Exclude<WriteJob, MoveJob>;

/** Result of a created world that is not synced to disk yet. */
interface CreatedWorld {
  readonly id: number;
  readonly value: WriteResult;
}

/** Applies changes to the worlds of one shard. */
export class Writer {
  readonly #open: HandleCache;
  readonly #images: ImageBuilder;
  readonly #ledger: NameLedger;
  readonly #sign: ChainSigner;
  #serial = 0;

  constructor(readonly setup: WorkerSetup, readonly clock: WriterClock) {
    this.#sign = createChainSigner(setup.key);
    this.#images = new ImageBuilder(this.#sign);
    this.#ledger = new NameLedger(setup.data);
    this.#open = new HandleCache(setup.data, setup.handles, this.#options(), this.#ledger);
  }

  /**
   * Runs a batch of jobs; jobs of one world run in the given order.
   *
   * @returns one reply per job. If one world fails, jobs of other worlds still succeed
   */
  apply(jobs: readonly WriteJob[]): Reply[] {
    const byWorld = new Map<string, WriteJob[]>();
    for (const job of jobs) {
      const queued = byWorld.get(job.name);
      if (queued === undefined) byWorld.set(job.name, [job]);
      else queued.push(job);
    }
    const replies: Reply[] = [];
    const created: CreatedWorld[] = [];
    for (const [name, queued] of byWorld) this.#applyTo(name, queued, replies, created);
    this.#syncCreated(created, replies);
    return replies;
  }

  /** Returns the worlds whose files were closed since the last call. */
  takeClosed(): readonly ClosedWorld[] {
    return this.#open.takeClosed();
  }

  /**
   * Checkpoints one world whose log has grown; called between batches.
   *
   * @returns whether more worlds are scheduled
   */
  checkpointOne(): boolean {
    return this.#open.checkpointOne();
  }

  /** Closes all files, which writes their logs into them. */
  close(): void {
    this.#open.close();
    this.#images.close();
    this.#ledger.close();
  }

  #applyTo(
    name: string,
    jobs: readonly WriteJob[],
    replies: Reply[],
    created: CreatedWorld[],
  ): void {
    let changes: ChangeJob[] = [];
    const first = replies.length;
    for (const [i, job] of jobs.entries()) {
      if (!isMove(job)) {
        changes.push(job);
        continue;
      }
      this.#applyChanges(name, changes, replies, created);
      changes = [];
      if (failAfterLocked(jobs.slice(i), replies, first)) return;
      // The store's cache needs the replies of one world in the order of its changes.
      this.#syncCreated(created.splice(0), replies);
      try {
        replies.push({ id: job.id, value: this.#move(job) });
      } catch (thrown) {
        this.#open.rollBack(name);
        replies.push(this.#toErrorReply(job, thrown));
      }
      if (failAfterLocked(jobs.slice(i + 1), replies, first)) return;
    }
    this.#applyChanges(name, changes, replies, created);
  }

  /** Applies changes of one world in one transaction; creates the world first if necessary. */
  #applyChanges(name: string, jobs: ChangeJob[], replies: Reply[], created: CreatedWorld[]): void {
    const queue = [...jobs];
    let file: WorldFile | undefined;
    try {
      while (queue.length > 0 && (file = this.#openFile(name)) === undefined) {
        const job = queue.shift();
        if (job === undefined) break;
        try {
          created.push({ id: job.id, value: this.#create(job) });
        } catch (thrown) {
          replies.push(this.#toErrorReply(job, thrown));
        }
        // The next jobs are answered after their commit, so the new folder must be synced before.
        if (queue.length > 0) this.#syncCreated(created.splice(0), replies);
      }
      if (file !== undefined && queue.length > 0) replies.push(...this.#transact(file, queue));
    } catch (thrown) {
      this.#open.rollBack(name);
      for (const job of queue) replies.push(this.#toErrorReply(job, thrown));
    }
  }

  /** Applies jobs in one transaction; throws if none of them was applied. */
  #transact(file: WorldFile, jobs: readonly ChangeJob[]): Reply[] {
    const replies: Reply[] = [];
    let changed = false;
    for (const job of jobs) {
      const fault = this.#fault(job, file);
      if (fault !== undefined) {
        replies.push(this.#toErrorReply(job, fault));
        continue;
      }
      if (!changed) file.begin();
      changed = true;
      replies.push({ id: job.id, value: this.#change(job, file) });
    }
    if (changed) {
      file.commit();
      assertInPlace(file);
    }
    this.#open.scheduleCheckpoint(file);
    return replies;
  }

  /** Returns why a job cannot change this world, or `undefined`; called before the change. */
  #fault(job: ChangeJob, file: WorldFile): StoreError | undefined {
    const fault = preconditionFault(job.precondition, currentOf(file));
    if (fault !== undefined) return new StoreError("precondition", fault, job.name);
    if (file.hasOtherKey) return otherKey(job.name, "change");
    const len = file.row.len + (job.kind === "append" ? job.body.length : 0);
    if (job.kind === "append" && len > this.setup.maxWorldBytes) {
      return tooLarge(job.name, len, this.setup.maxWorldBytes);
    }
    return undefined;
  }

  #change(job: ChangeJob, file: WorldFile): WriteResult {
    const now = file.timeOf(this.clock.now());
    switch (job.kind) {
      case "put":
        file.replace(
          job.body,
          { ext: job.ext, headers: JSON.stringify(job.meta), state: job.state },
          now,
          { by: job.by, ...job.eventFields },
        );
        break;
      case "append":
        file.append(job.body, job.state, now, { by: job.by });
        break;
      case "transition":
        file.transition(job.to, now, { by: job.by, ...job.eventFields });
        break;
      case "note":
        file.note(job.type, { ...job.payload, by: job.by }, now);
        break;
    }
    return resultOf(file);
  }

  #create(job: ChangeJob): WriteResult {
    if (job.kind === "transition" || job.kind === "note") {
      throw new StoreError("absent", "Cannot change the world: it does not exist", job.name);
    }
    const { lower } = job;
    const fault = preconditionFault(
      job.precondition,
      lower === undefined ? undefined : { version: 0, ...lower },
    );
    if (fault !== undefined) throw new StoreError("precondition", fault, job.name);
    const appendBase = job.kind === "append" ? lower : undefined;
    const body = appendBase === undefined ? job.body : concatBytes([appendBase.body, job.body]);
    if (job.kind === "append" && body.length > this.setup.maxWorldBytes) {
      throw tooLarge(job.name, body.length, this.setup.maxWorldBytes);
    }
    const eventFields = {
      by: job.by,
      ...(lower === undefined ? {} : { covers: "lower" }),
      ...(job.kind === "put" ? job.eventFields : {}),
    };
    const last = this.#ledger.lastUse(job.name);
    const { known = 0 } = job;
    if (job.kind === "append" && known > (last?.version ?? 0)) throw removedOutside(job.name);
    const { row, sha256, image, event } = this.#images.build({
      version: Math.max(last?.version ?? 0, known) + 1,
      op: job.kind,
      body,
      sent: job.body,
      ext: appendBase?.ext ?? job.ext,
      headers: JSON.stringify(job.kind === "put" ? job.meta : appendBase?.meta ?? []),
      state: job.state,
      eventFields,
    }, latestTime(this.#firstTime(last), lower?.updatedAt ?? ""));
    const folder = toFolderName(job.name);
    createWorldFolder(this.setup.data, folder, image, this.#uniqueName());
    const { version, ext, state, updatedAt, len } = row;
    const fileStamp = readFileStamp(this.setup.data, job.name);
    const created = lower === undefined;
    const more = { sha256, created, first: true, fileStamp, events: [event] };
    return { version, ext, state, updatedAt, len, ...more };
  }

  /** The time of the first version of a world whose name may have had a world before. */
  #firstTime(last: LastUse | undefined): string {
    return latestTime(this.clock.now(), nextSecond(last?.updatedAt ?? ""));
  }

  #move(job: MoveJob): WriteResult {
    switch (job.kind) {
      case "remove":
        return this.#remove(job);
      case "release":
        return this.#release(job);
      case "adopt":
        return this.#adopt(job);
    }
  }

  #remove(job: RemoveJob): WriteResult {
    const { name, by } = job;
    const file = this.#openChecked(job, "delete");
    const trash = createTrashId(this.clock.now());
    const { version, updatedAt } = file.row;
    const now = file.timeOf(this.clock.now());
    file.requireSync(true);
    // First, so that a locked world costs no write of the ledger.
    file.begin();
    this.#ledger.recordEnd(name, { version, updatedAt, trash });
    file.markDeleted(now, { trash, by });
    file.commit();
    assertInPlace(file);
    const result = { ...resultOf(file), trash };
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
    const file = this.#openFile(job.name);
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
    file.assertUnlocked();
    const result = resultOf(file);
    this.#open.discard(job.name);
    return result;
  }

  /** Moves a world that another writer released to the name of the job. */
  #adopt(job: AdoptJob): WriteResult {
    const target = this.#openFile(job.name);
    if (target !== undefined && !job.replace) {
      throw new StoreError(
        "precondition",
        "Cannot move the world: a world with the new name exists",
        job.name,
      );
    }
    if (target?.hasOtherKey) throw otherKey(job.name, "replace");
    target?.assertUnlocked();
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
    const { data } = this.setup;
    const last = this.#ledger.lastUse(name);
    const version = Math.max(source.version, last?.version ?? 0) + 1;
    const sourceVersion = source.version;
    this.#ledger.beginMove(
      { from, to: name, carry: true, sourceVersion, version, by, trash: "" },
      source.updatedAt,
    );
    try {
      renameWorldFolder(data, toFolderName(from), toFolderName(name), this.#uniqueName());
      const file = this.#openFile(name);
      if (file === undefined) {
        throw new StoreError("absent", "Cannot move the world: it does not exist", from);
      }
      file.requireSync(true);
      file.begin();
      const now = file.timeOf(this.#firstTime(last));
      file.recordMove(ext, now, { from: `/${from}`, to: `/${name}`, by });
      file.commit();
      file.requireSync(false);
      this.#ledger.endMove(from);
      return { ...resultOf(file), created: true };
    } catch (thrown) {
      this.#open.rollBack(name);
      this.#open.discard(name);
      if (!pathExists(`${data}/${toFolderName(from)}`)) {
        renameWorldFolder(data, toFolderName(name), toFolderName(from), this.#uniqueName());
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
    const trash = createTrashId(this.clock.now());
    try {
      const { version: sourceVersion, updatedAt } = source.row;
      const last = this.#ledger.lastUse(name);
      const version = Math.max(
        target?.row.version ?? 0,
        last?.version ?? 0,
        sourceVersion,
      ) + 1;
      this.#ledger.beginMove(
        { from, to: name, carry: false, sourceVersion, version, by, trash },
        updatedAt,
      );
      source.requireSync(true);
      source.begin();
      const now = source.timeOf(this.clock.now());
      source.note(
        "world_moved",
        { from: `/${from}`, to: `/${name}`, version: sourceVersion, by },
        now,
      );
      source.markDeleted(now, { trash, by });
      // Before the target is written, because a full disk can refuse it.
      createTrashBin(this.setup.data, trash);
      const result = this.#writeMoved(job, source, target, version, last);
      const isMarked = tryCommit(source);
      const sourceEvents = isMarked ? source.takeEvents() : [];
      source.close();
      try {
        this.#moveToTrash(from, trash);
      } catch (error) {
        // Safe to ignore if the world is marked as deleted: the next write of its name moves it.
        isHalf = !isMarked && pathExists(`${this.setup.data}/${toFolderName(from)}`);
        if (isHalf) throw error;
      }
      return { ...result, trash, sourceEvents };
    } catch (thrown) {
      if (!isHalf) removeTrashBin(this.setup.data, trash);
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
        const now = target.timeOf(this.clock.now());
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
      version,
      op: "put",
      body,
      sent: body,
      ext,
      headers,
      state,
      eventFields: lower === undefined ? eventFields : { ...eventFields, covers: "lower" },
    }, latestTime(this.#firstTime(last), lower?.updatedAt ?? ""));
    const { data } = this.setup;
    createWorldFolder(data, toFolderName(name), image, this.#uniqueName());
    syncFolder(data);
    return { ...row, sha256, created: lower === undefined, first: true, events: [event] };
  }

  /** Opens a world of another writer, which has closed it; the caller closes it. */
  #openReleased(name: string): WorldFile {
    const path = `${this.setup.data}/${toFolderName(name)}/${WORLD_FILE}`;
    if (!pathExists(path)) {
      throw new StoreError("absent", "Cannot move the world: it does not exist", name);
    }
    return new WorldFile(name, path, this.#options());
  }

  /**
   * Moves a world that is marked as deleted to the trash.
   *
   * @param id id of its trash entry
   */
  #moveToTrash(name: string, id: string): void {
    this.#open.discard(name);
    const folder = toFolderName(name);
    const isUsed = id === "" || pathExists(`${this.setup.data}/${TRASH_FOLDER}/${id}/${folder}`);
    const free = isUsed ? createTrashId(this.clock.now()) : id;
    const path = moveToTrash(this.setup.data, folder, free);
    // Remove the mark, so that an operator can restore the world by moving its folder back.
    const trashed = new WorldFile(name, `${path}/${WORLD_FILE}`, this.#options());
    try {
      trashed.exec(sql.CLEAR_DELETED);
    } finally {
      trashed.close();
    }
  }

  /**
   * Opens the file of a world; `undefined` if it does not exist. Moves a deleted world to the trash.
   */
  #openFile(name: string): WorldFile | undefined {
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

  /** Makes new folders durable with one sync, then adds the replies for them. */
  #syncCreated(created: readonly CreatedWorld[], replies: Reply[]): void {
    if (created.length === 0) return;
    try {
      syncFolder(this.setup.data);
      replies.push(...created);
    } catch (thrown) {
      const { code, message } = toStoreError(thrown, "");
      for (const { id } of created) replies.push({ id, error: { code, message } });
    }
  }

  #toErrorReply(job: WriteJob, thrown: unknown): Reply {
    const { code, message } = toStoreError(handlesFailure(this.setup.data, thrown), job.name);
    return { id: job.id, error: { code, message, world: job.name } };
  }

  #options() {
    const { sync, history } = this.setup;
    return { sign: this.#sign, sync, history };
  }

  #uniqueName(): string {
    const stamp = this.clock.now().replaceAll(/[-:.]/g, "");
    return `${stamp}-${this.setup.shard}-${this.#serial++}`;
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

/** Throws if the folder of a world was moved or replaced while its changes were committed. */
function assertInPlace(file: WorldFile): void {
  if (file.isInPlace()) return;
  throw new StoreError("in-use", "Cannot use the world: its file was moved or replaced", file.name);
}

function isMove(job: WriteJob): job is MoveJob {
  return job.kind === "remove" || job.kind === "release" || job.kind === "adopt";
}

function resultOf(file: WorldFile): WriteResult {
  const { version, ext, state, updatedAt, len } = file.row;
  const events = file.takeEvents();
  return { version, ext, state, updatedAt, len, sha256: file.sha256, created: false, events };
}

function currentOf(file: WorldFile): CurrentVersion {
  return {
    version: file.row.version,
    updatedAt: file.row.updatedAt,
    get sha256() {
      return file.sha256;
    },
  };
}
