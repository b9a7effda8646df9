/**
 * The writer of one shard of the worlds: the only code that changes their files. Queued changes of
 * one world are applied in one transaction, each change with its event. Their replies are returned
 * only after the commit. Messages, caches and HTTP are not handled here.
 */

import { concatBytes } from "../../base/concat_bytes.ts";
import { type ChainSigner, createChainSigner } from "../event_chain.ts";
import {
  createWorldFolder,
  moveToTrash,
  renameWorldFolder,
  syncFolder,
  WORLD_FILE,
} from "../file/durable_fs.ts";
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
import { isLockedReply } from "./lock_retry.ts";
import * as sql from "../file/sql.ts";
import { StoreError } from "../store.ts";
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
  readonly #sign: ChainSigner;
  #serial = 0;

  constructor(readonly setup: WorkerSetup, readonly clock: WriterClock) {
    this.#sign = createChainSigner(setup.key);
    this.#images = new ImageBuilder(this.#sign);
    this.#open = new HandleCache(setup.data, setup.handles, this.#options());
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
        replies.push(toErrorReply(job, thrown));
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
          replies.push(toErrorReply(job, thrown));
        }
        // The next jobs are answered after their commit, so the new folder must be synced before.
        if (queue.length > 0) this.#syncCreated(created.splice(0), replies);
      }
      if (file !== undefined && queue.length > 0) replies.push(...this.#transact(file, queue));
    } catch (thrown) {
      this.#open.rollBack(name);
      for (const job of queue) replies.push(toErrorReply(job, thrown));
    }
  }

  /** Applies jobs in one transaction; throws if none of them was applied. */
  #transact(file: WorldFile, jobs: readonly ChangeJob[]): Reply[] {
    const replies: Reply[] = [];
    let changed = false;
    for (const job of jobs) {
      const fault = this.#fault(job, file);
      if (fault !== undefined) {
        replies.push(toErrorReply(job, fault));
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
    const len = file.row.len + (job.kind === "append" ? job.body.length : 0);
    if (job.kind === "append" && len > this.setup.maxWorldBytes) {
      return tooLarge(job.name, len, this.setup.maxWorldBytes);
    }
    return undefined;
  }

  #change(job: ChangeJob, file: WorldFile): WriteResult {
    const now = this.clock.now();
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
    const { row, sha256, image } = this.#images.build({
      op: job.kind,
      body,
      sent: job.body,
      ext: appendBase?.ext ?? job.ext,
      headers: JSON.stringify(job.kind === "put" ? job.meta : appendBase?.meta ?? []),
      state: job.state,
      eventFields,
    }, this.clock.now());
    const folder = toFolderName(job.name);
    createWorldFolder(this.setup.data, folder, image, this.#uniqueName());
    const { version, ext, state, updatedAt, len } = row;
    const fileStamp = readFileStamp(this.setup.data, job.name);
    const created = lower === undefined;
    return { version, ext, state, updatedAt, len, sha256, created, fileStamp };
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
    const file = this.#openChecked(job, "delete");
    const { version } = file.row;
    const result = { ...resultOf(file), updatedAt: this.clock.now() };
    file.begin();
    file.note(
      "world_deleted",
      { version, body_sha256: file.sha256, by: job.by },
      result.updatedAt,
    );
    file.exec(sql.MARK_DELETED);
    file.commit();
    assertInPlace(file);
    try {
      this.#moveToTrash(job.name);
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
    const result = resultOf(this.#openChecked(job, "move"));
    this.#open.discard(job.name);
    return result;
  }

  /** Renames the folder of a world that another writer released, and records the move. */
  #adopt(job: AdoptJob): WriteResult {
    const { name, from, by, ext } = job;
    if (this.#openFile(name) !== undefined) {
      throw new StoreError(
        "precondition",
        "Cannot move the world: a world with the new name exists",
        name,
      );
    }
    const { data } = this.setup;
    renameWorldFolder(data, toFolderName(from), toFolderName(name), this.#uniqueName());
    try {
      const file = this.#openFile(name);
      if (file === undefined) {
        throw new StoreError("absent", "Cannot move the world: it does not exist", from);
      }
      file.begin();
      file.recordMove(ext, this.clock.now(), { from: `/${from}`, to: `/${name}`, by });
      file.commit();
      return resultOf(file);
    } catch (thrown) {
      this.#open.rollBack(name);
      this.#open.discard(name);
      renameWorldFolder(data, toFolderName(name), toFolderName(from), this.#uniqueName());
      throw thrown;
    }
  }

  /** Moves a world that is marked as deleted to the trash. */
  #moveToTrash(name: string): void {
    this.#open.discard(name);
    const path = moveToTrash(this.setup.data, toFolderName(name), this.#uniqueName());
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
    this.#moveToTrash(name);
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

  #options() {
    const { sync, history } = this.setup;
    return { sign: this.#sign, sync, history };
  }

  #uniqueName(): string {
    const stamp = this.clock.now().replaceAll(/[-:.]/g, "");
    return `${stamp}-${this.setup.shard}-${this.#serial++}`;
  }
}

/**
 * Fails the remaining jobs of a world if an earlier one found it locked: the jobs of a world are
 * tried again together, in their order.
 *
 * @param first index of the first reply to a job of this world
 */
function failAfterLocked(jobs: readonly WriteJob[], replies: Reply[], first: number): boolean {
  const locked = replies.slice(first).find(isLockedReply);
  if (locked === undefined) return false;
  for (const { id } of jobs) replies.push({ ...locked, id });
  return true;
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
  return { version, ext, state, updatedAt, len, sha256: file.sha256, created: false };
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

function toErrorReply(job: WriteJob, thrown: unknown): Reply {
  const { code, message } = toStoreError(thrown, job.name);
  return { id: job.id, error: { code, message } };
}

function tooLarge(name: string, bytes: number, max: number): StoreError {
  return new StoreError(
    "too-large",
    `the world would have ${bytes} bytes; at most ${max} are allowed`,
    name,
  );
}
