/**
 * The writer of one shard of the worlds: the only code that changes their files. Queued changes of
 * one world are applied in one transaction, each change with its event. Their replies are returned
 * only after the commit. Messages, caches and HTTP are not handled here.
 */

import { concatBytes } from "../../base/concat_bytes.ts";
import { latestTime } from "../change_time.ts";
import { type ChainSigner, createChainSigner } from "../event_chain.ts";
import { createWorldFolder, syncFolder } from "../file/durable_fs.ts";
import { type LastUse, NameLedger } from "../file/name_ledger.ts";
import { handlesFailure } from "../file/open_failure.ts";
import { toStoreError } from "../sqlite_errors.ts";
import { toFolderName } from "../name.ts";
import { type ClosedWorld, HandleCache, readFileStamp } from "./handle_cache.ts";
import { preconditionFault } from "../precondition.ts";
import type {
  AppendJob,
  FoldJob,
  PatchJob,
  PutJob,
  Reply,
  WorkerSetup,
  WriteJob,
  WriteResult,
} from "../store/worker_messages.ts";
import { failAfterLocked } from "./lock_retry.ts";
import { type MoveJob, WorldMoves, type WriterClock } from "./moves.ts";
import { StoreError } from "../store.ts";
import { assertContent, contentErrorOf } from "./content_rules.ts";
import { assertWithin, otherKey, overLimit, removedOutside, tooLarge } from "./write_errors.ts";
import { ImageBuilder } from "../file/new_world_image.ts";
import type { WorldFile } from "../file/world_file.ts";
import { type PatchBase, resolvePatch } from "./resolve_patch.ts";
import {
  assertInPlace,
  callerFields,
  currentOf,
  patchBaseOf,
  resultOf,
  withPatched,
} from "./written_world.ts";

/** Jobs that change a world in its folder; several share one transaction. */
type ChangeJob = Exclude<WriteJob, MoveJob>;
/** A change whose result does not depend on the world. */
type DirectJob = Exclude<ChangeJob, PatchJob | FoldJob>;

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
  readonly #moves: WorldMoves;
  #serial = 0;

  constructor(readonly setup: WorkerSetup, readonly clock: WriterClock) {
    this.#sign = createChainSigner(setup.key, setup.retiredKeys);
    this.#images = new ImageBuilder(this.#sign);
    this.#ledger = new NameLedger(setup.data);
    this.#open = new HandleCache(
      setup.data,
      setup.handles,
      this.#options(),
      this.#ledger,
      () => clock.monotonic(),
    );
    this.#moves = new WorldMoves({
      setup,
      clock,
      open: this.#open,
      images: this.#images,
      ledger: this.#ledger,
      uniqueName: () => this.#uniqueName(),
    });
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

  /** Number of worlds with appended bytes that are not in their rows yet. */
  get unfolded(): number {
    return this.#open.unfolded;
  }

  /** Time at which one of them is due, of the monotonic clock; undefined if there are none. */
  get foldDueAt(): number | undefined {
    return this.#open.foldDueAt;
  }

  /**
   * Folds one world that is due; called between batches.
   *
   * @returns whether there was one
   */
  foldOne(): boolean {
    return this.#open.foldOne();
  }

  /** Folds and closes all files, which writes their logs into them. */
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
        replies.push({ id: job.id, value: this.#moves.run(job) });
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
      while (queue.length > 0 && (file = this.#moves.openFile(name)) === undefined) {
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
    for (const queued of jobs) {
      const job = this.#prepare(queued, file);
      if (job instanceof StoreError) {
        replies.push(this.#toErrorReply(queued, job));
        continue;
      }
      if (job === undefined) {
        replies.push({ id: queued.id, value: resultOf(file) });
        continue;
      }
      if (!changed) file.begin();
      changed = true;
      const value = this.#change(job, file);
      const isPatch = queued.kind === "patch" && job.kind === "put";
      replies.push({ id: job.id, value: isPatch ? withPatched(value, job) : value });
    }
    if (changed) {
      file.commit();
      assertInPlace(file);
    }
    this.#open.scheduleCheckpoint(file);
    this.#open.scheduleFold(file);
    return replies;
  }

  /**
   * Checks a job, and applies the edit of a patch to the world as it is now.
   *
   * @returns the change; undefined if the job changes nothing; else why the world is not changed
   */
  #prepare(job: ChangeJob, file: WorldFile): DirectJob | StoreError | undefined {
    // The world was scheduled when its file was opened.
    if (job.kind === "fold") return undefined;
    const fault = this.#fault(job, file);
    if (fault !== undefined) return fault;
    if (job.kind !== "patch") return job;
    try {
      const put = resolvePatch(job, patchBaseOf(file), this.setup.maxWorldBytes);
      if (put === undefined) return undefined;
      assertWithin(put, put.body.length);
      return contentErrorOf(put, file) ?? put;
    } catch (error) {
      if (error instanceof StoreError) return error;
      throw error;
    }
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
    if (job.kind === "append" && len > (job.maxBytes ?? len)) return overLimit(job.name, len);
    return contentErrorOf(job, file);
  }

  #change(job: DirectJob, file: WorldFile): WriteResult {
    const now = file.timeOf(this.clock.now());
    switch (job.kind) {
      case "put":
        file.replace(
          job.body,
          { ext: job.ext, headers: JSON.stringify(job.meta), state: job.state },
          now,
          { ...callerFields(job), ...job.eventFields },
        );
        break;
      case "append":
        file.append(
          job.body,
          job.state,
          now,
          // A repeated request gets the extension again.
          job.idem === undefined ? { by: job.by } : { ext: file.row.ext, ...callerFields(job) },
        );
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

  #create(queued: ChangeJob): WriteResult {
    const { name, lower, known = 0 } = queued;
    const isCreating = queued.kind === "put" || queued.kind === "append";
    if (!isCreating && (queued.kind !== "patch" || lower === undefined)) {
      throw new StoreError("absent", "Cannot change the world: it does not exist", name);
    }
    const fault = preconditionFault(
      queued.precondition,
      lower === undefined ? undefined : { version: 0, ...lower },
    );
    if (fault !== undefined) throw new StoreError("precondition", fault, name);
    const last = this.#ledger.lastUse(name);
    // What such a change would add to is gone.
    if (queued.kind !== "put" && known > (last?.version ?? 0)) throw removedOutside(name);
    if (isCreating) return this.#createWith(queued, last);
    if (queued.kind !== "patch" || lower === undefined) throw removedOutside(name);
    const base: PatchBase = { version: 0, ...lower };
    const put = resolvePatch(queued, base, this.setup.maxWorldBytes);
    if (put !== undefined) return withPatched(this.#createWith(put, last), put);
    const { body: { length: len }, ext, sha256, updatedAt } = lower;
    return { version: 0, ext, sha256, state: "", updatedAt, len, created: false, events: [] };
  }

  #createWith(job: PutJob | AppendJob, last: LastUse | undefined): WriteResult {
    const { lower, known = 0 } = job;
    const appendBase = job.kind === "append" ? lower : undefined;
    const body = appendBase === undefined ? job.body : concatBytes([appendBase.body, job.body]);
    if (job.kind === "append" && body.length > this.setup.maxWorldBytes) {
      throw tooLarge(job.name, body.length, this.setup.maxWorldBytes);
    }
    assertWithin(job, body.length);
    assertContent(job.name, body);
    const eventFields = {
      ...callerFields(job),
      ...(lower === undefined ? {} : { covers: "lower" }),
      ...(job.kind === "put" ? job.eventFields : {}),
    };
    const { row, sha256, image, event } = this.#images.build({
      name: job.name,
      version: Math.max(last?.version ?? 0, known) + 1,
      op: job.kind,
      body,
      sent: job.body,
      ext: appendBase?.ext ?? job.ext,
      headers: JSON.stringify(job.kind === "put" ? job.meta : appendBase?.meta ?? []),
      state: job.state,
      eventFields,
    }, latestTime(this.#moves.firstTime(last), lower?.updatedAt ?? ""));
    const folder = toFolderName(job.name);
    createWorldFolder(this.setup.data, folder, image, this.#uniqueName());
    const { version, ext, state, updatedAt, len } = row;
    const fileStamp = readFileStamp(this.setup.data, job.name);
    const created = lower === undefined;
    const more = { sha256, created, first: true, fileStamp, events: [event] };
    return { version, ext, state, updatedAt, len, ...more };
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
    const error = toStoreError(handlesFailure(this.setup.data, thrown), job.name);
    const { code, message, bytes } = error;
    const needed = bytes === undefined ? {} : { bytes };
    return { id: job.id, error: { code, message, world: job.name, ...needed } };
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

const MOVES: ReadonlySet<WriteJob["kind"]> = new Set(["remove", "release", "adopt", "restore"]);

function isMove(job: WriteJob): job is MoveJob {
  return MOVES.has(job.kind);
}
