/**
 * The writer of one share of the worlds: it alone changes their files. What is queued for a world
 * becomes one transaction, every change together with its event, and is answered only after the
 * commit. It knows nothing of messages, caches or HTTP.
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
import * as sql from "../file/sql.ts";
import { StoreError } from "../store.ts";
import { ImageBuilder } from "../file/new_world_image.ts";
import { WorldFile } from "../file/world_file.ts";

/** Where the writer gets the time and unique names from. */
export interface WriterClock {
  /** RFC 3339 UTC with milliseconds. */
  now(): string;
}

/** Jobs that put a world's folder somewhere else; each stands between the runs of the others. */
type JourneyJob = RemoveJob | ReleaseJob | AdoptJob;
type ChangeJob = Exclude<WriteJob, JourneyJob>;

interface Staged {
  readonly id: number;
  readonly value: WriteResult;
}

/** Applies changes to the worlds of one shard. */
export class Writer {
  readonly #open: HandleCache;
  readonly #images: ImageBuilder;
  readonly #seal: ChainSigner;
  #serial = 0;

  constructor(readonly setup: WorkerSetup, readonly clock: WriterClock) {
    this.#seal = createChainSigner(setup.key);
    this.#images = new ImageBuilder(this.#seal);
    this.#open = new HandleCache(setup.data, setup.handles, this.#options());
  }

  /**
   * Does a batch of jobs, those of one world in the order given.
   *
   * @returns one reply a job; a failed world fails alone
   */
  apply(jobs: readonly WriteJob[]): Reply[] {
    const byWorld = new Map<string, WriteJob[]>();
    for (const job of jobs) {
      const queued = byWorld.get(job.name);
      if (queued === undefined) byWorld.set(job.name, [job]);
      else queued.push(job);
    }
    const replies: Reply[] = [];
    const births: Staged[] = [];
    for (const [name, queued] of byWorld) this.#applyTo(name, queued, replies, births);
    this.#announce(births, replies);
    return replies;
  }

  /** Worlds whose handles were closed since the last call. */
  takeClosed(): readonly ClosedWorld[] {
    return this.#open.takeClosed();
  }

  /**
   * Checkpoints one world whose log has grown, off the way of any request.
   *
   * @returns whether more of them wait
   */
  checkpointOne(): boolean {
    return this.#open.checkpointOne();
  }

  /** Closes every file, which folds its log into it. */
  close(): void {
    this.#open.close();
    this.#images.close();
  }

  #applyTo(name: string, jobs: readonly WriteJob[], replies: Reply[], births: Staged[]): void {
    let run: ChangeJob[] = [];
    for (const job of jobs) {
      if (!isJourney(job)) {
        run.push(job);
        continue;
      }
      this.#applyRun(name, run, replies, births);
      run = [];
      // Answers of one world keep the order of its changes: whoever holds it in memory leans on that.
      this.#announce(births.splice(0), replies);
      try {
        replies.push({ id: job.id, value: this.#travel(job) });
      } catch (thrown) {
        this.#open.rollBack(name);
        replies.push(refusal(job, thrown));
      }
    }
    this.#applyRun(name, run, replies, births);
  }

  /** Commits changes of one world together, creating the world first where there is none. */
  #applyRun(name: string, jobs: ChangeJob[], replies: Reply[], births: Staged[]): void {
    const queue = [...jobs];
    let file: WorldFile | undefined;
    try {
      while (queue.length > 0 && (file = this.#opened(name)) === undefined) {
        const job = queue.shift();
        if (job === undefined) break;
        try {
          births.push({ id: job.id, value: this.#create(job) });
        } catch (thrown) {
          replies.push(refusal(job, thrown));
        }
        // What follows is answered at its commit, so the folder it stands in must be safe first.
        if (queue.length > 0) this.#announce(births.splice(0), replies);
      }
      if (file !== undefined && queue.length > 0) replies.push(...this.#transact(file, queue));
    } catch (thrown) {
      this.#open.rollBack(name);
      for (const job of queue) replies.push(refusal(job, thrown));
    }
  }

  /** One transaction; throws when nothing of it happened. */
  #transact(file: WorldFile, jobs: readonly ChangeJob[]): Reply[] {
    const replies: Reply[] = [];
    let changed = false;
    for (const job of jobs) {
      const fault = this.#fault(job, file);
      if (fault !== undefined) {
        replies.push(refusal(job, fault));
        continue;
      }
      if (!changed) file.begin();
      changed = true;
      replies.push({ id: job.id, value: this.#change(job, file) });
    }
    if (changed) file.commit();
    this.#open.scheduleCheckpoint(file);
    return replies;
  }

  /** Why a job may not change this world, before anything was changed. */
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
          { by: job.by, ...job.facts },
        );
        break;
      case "append":
        file.append(job.body, job.state, now, { by: job.by });
        break;
      case "transition":
        file.transition(job.to, now, { by: job.by, ...job.facts });
        break;
      case "note":
        file.note(job.type, { ...job.payload, by: job.by }, now);
        break;
    }
    return resultOf(file);
  }

  #create(job: ChangeJob): WriteResult {
    if (job.kind === "transition" || job.kind === "note") {
      throw new StoreError("absent", "Cannot change the world: nothing is here", job.name);
    }
    const { below } = job;
    const fault = preconditionFault(
      job.precondition,
      below === undefined ? undefined : { version: 0, ...below },
    );
    if (fault !== undefined) throw new StoreError("precondition", fault, job.name);
    const over = job.kind === "append" ? below : undefined;
    const body = over === undefined ? job.body : concatBytes([over.body, job.body]);
    if (job.kind === "append" && body.length > this.setup.maxWorldBytes) {
      throw tooLarge(job.name, body.length, this.setup.maxWorldBytes);
    }
    const facts = {
      by: job.by,
      ...(below === undefined ? {} : { covers: "lower" }),
      ...(job.kind === "put" ? job.facts : {}),
    };
    const { row, sha256, image } = this.#images.build({
      op: job.kind,
      body,
      sent: job.body,
      ext: over?.ext ?? job.ext,
      headers: JSON.stringify(job.kind === "put" ? job.meta : over?.meta ?? []),
      state: job.state,
      facts,
    }, this.clock.now());
    const folder = toFolderName(job.name);
    createWorldFolder(this.setup.data, folder, image, this.#unique());
    const { version, ext, state, updatedAt, len } = row;
    const settled = readFileStamp(this.setup.data, job.name);
    const created = below === undefined;
    return { version, ext, state, updatedAt, len, sha256, created, fileStamp: settled };
  }

  #travel(job: JourneyJob): WriteResult {
    switch (job.kind) {
      case "remove":
        return this.#remove(job);
      case "release":
        return this.#letGo(job);
      case "adopt":
        return this.#adopt(job);
    }
  }

  #remove(job: RemoveJob): WriteResult {
    const file = this.#claimed(job, "delete");
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
    try {
      this.#leave(job.name);
    } catch {
      // The mark is on disk: nobody reads the world any more, and its next change moves it first.
    }
    return result;
  }

  /** The world a job is about, as its caller claims to have seen it. */
  #claimed(job: RemoveJob | ReleaseJob, act: string): WorldFile {
    const file = this.#opened(job.name);
    if (file === undefined) {
      throw new StoreError("absent", `Cannot ${act} the world: nothing is here`, job.name);
    }
    const fault = preconditionFault(job.precondition, currentOf(file));
    if (fault !== undefined) throw new StoreError("precondition", fault, job.name);
    return file;
  }

  /** Closes a world so that another writer can take it under its new name. */
  #letGo(job: ReleaseJob): WriteResult {
    const result = resultOf(this.#claimed(job, "move"));
    this.#open.discard(job.name);
    return result;
  }

  /** Takes a world that another writer let go: folder, history, chain and all. */
  #adopt(job: AdoptJob): WriteResult {
    const { name, from, by, ext } = job;
    if (this.#opened(name) !== undefined) {
      throw new StoreError("precondition", "something is there already", name);
    }
    const { data } = this.setup;
    renameWorldFolder(data, toFolderName(from), toFolderName(name), this.#unique());
    try {
      const file = this.#opened(name);
      if (file === undefined) throw new StoreError("absent", "nothing was there to move", from);
      file.begin();
      file.recordMove(ext, this.clock.now(), { from: `/${from}`, to: `/${name}`, by });
      file.commit();
      return resultOf(file);
    } catch (thrown) {
      this.#open.rollBack(name);
      this.#open.discard(name);
      renameWorldFolder(data, toFolderName(name), toFolderName(from), this.#unique());
      throw thrown;
    }
  }

  /** Takes a world whose deletion is on its chain to the trash. */
  #leave(name: string): void {
    this.#open.discard(name);
    const path = moveToTrash(this.setup.data, toFolderName(name), this.#unique());
    // In the trash it is an ordinary world again, so that a hand can move it back.
    const trashed = new WorldFile(name, `${path}/${WORLD_FILE}`, this.#options());
    try {
      trashed.exec(sql.CLEAR_DELETED);
    } finally {
      trashed.close();
    }
  }

  /** The world's open file, opened now if it exists; one that should be in the trash goes there. */
  #opened(name: string): WorldFile | undefined {
    const known = this.#open.has(name);
    const file = this.#open.open(name);
    if (known || Number(file?.get(sql.SELECT_DELETED_MARK)?.user_version) !== 1) return file;
    this.#leave(name);
    return undefined;
  }

  /** Makes the batch's new folders durable with one sync, then answers for them. */
  #announce(births: readonly Staged[], replies: Reply[]): void {
    if (births.length === 0) return;
    try {
      syncFolder(this.setup.data);
      replies.push(...births);
    } catch (thrown) {
      const { code, message } = toStoreError(thrown, "");
      for (const { id } of births) replies.push({ id, error: { code, message } });
    }
  }

  #options() {
    const { sync, history } = this.setup;
    return { seal: this.#seal, sync, history };
  }

  #unique(): string {
    const stamp = this.clock.now().replaceAll(/[-:.]/g, "");
    return `${stamp}-${this.setup.shard}-${this.#serial++}`;
  }
}

function isJourney(job: WriteJob): job is JourneyJob {
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

function refusal(job: WriteJob, thrown: unknown): Reply {
  const { code, message } = toStoreError(thrown, job.name);
  return { id: job.id, error: { code, message } };
}

function tooLarge(name: string, bytes: number, most: number): StoreError {
  return new StoreError(
    "too-large",
    `the world would hold ${bytes} bytes and ${most} is the most`,
    name,
  );
}
