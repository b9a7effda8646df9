/**
 * The writer of one shard of the worlds: the only code that changes their files. Queued changes of
 * one world are applied in one transaction, each change with its event. Their replies are returned
 * only after the commit. Messages, caches and HTTP are not handled here.
 */

import { makeChange, prepareChange } from "../change/change_world.ts";
import { type Creation, planCreation } from "../change/create_world.ts";
import { resultOf } from "../change/written_world.ts";
import type { WriteResult } from "../change/write_job.ts";
import { type ChainSigner, createChainSigner } from "../event_chain.ts";
import { createWorldFolder, syncFolder } from "../file/durable_fs.ts";
import { NameLedger } from "../file/name_ledger.ts";
import { handlesFailure } from "../file/open_failure.ts";
import { toStoreError } from "../sqlite_errors.ts";
import { toFolderName } from "../name.ts";
import { type ClosedWorld, HandleCache, readFileStamp } from "./handle_cache.ts";
import type { Reply, WorkerSetup, WriteJob } from "../store/worker_messages.ts";
import { failAfterLocked } from "./lock_retry.ts";
import { type MoveJob, WorldMoves, type WriterClock } from "./moves.ts";
import { StoreError } from "../store.ts";
import { ImageBuilder } from "../file/new_world_image.ts";
import type { WorldFile } from "../file/world_file.ts";

/** Jobs that change a world in its folder; several share one transaction. */
type FolderJob = Exclude<WriteJob, MoveJob>;

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
    let changes: FolderJob[] = [];
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
  #applyChanges(name: string, jobs: FolderJob[], replies: Reply[], created: CreatedWorld[]): void {
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
  #transact(file: WorldFile, jobs: readonly FolderJob[]): Reply[] {
    const replies: Reply[] = [];
    let changed = false;
    for (const queued of jobs) {
      // The world was scheduled for its fold when its file was opened.
      const job = queued.kind === "fold"
        ? undefined
        : prepareChange(queued, file, this.setup.maxWorldBytes);
      if (job instanceof StoreError) {
        replies.push(this.#toErrorReply(queued, job));
        continue;
      }
      if (job === undefined || queued.kind === "fold") {
        replies.push({ id: queued.id, value: resultOf(file) });
        continue;
      }
      if (!changed) file.begin();
      changed = true;
      replies.push({ id: queued.id, value: makeChange(job, queued, file, this.clock.now()) });
    }
    if (changed) {
      file.commit();
      file.assertInPlace();
    }
    this.#open.scheduleCheckpoint(file);
    this.#open.scheduleFold(file);
    return replies;
  }

  #create(job: FolderJob): WriteResult {
    if (job.kind === "fold") {
      throw new StoreError("absent", "Cannot change the world: it does not exist", job.name);
    }
    const plan = planCreation(job, {
      maxWorldBytes: this.setup.maxWorldBytes,
      lastUse: (name) => this.#ledger.lastUse(name),
      now: () => this.clock.now(),
    });
    return "world" in plan ? this.#writeFirst(plan) : plan;
  }

  #writeFirst({ world, now, resultOf }: Creation): WriteResult {
    const { image, event, ...first } = this.#images.build(world, now);
    createWorldFolder(this.setup.data, toFolderName(world.name), image, this.#uniqueName());
    const fileStamp = readFileStamp(this.setup.data, world.name);
    return { ...resultOf(first, [event]), fileStamp };
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
