/**
 * The writer of one share of the worlds: it alone changes their files. What is queued for a world
 * becomes one transaction, every change together with its event, and is answered only after the
 * commit. It knows nothing of messages, caches or HTTP.
 */

import { createSeal, type Seal } from "./event_chain.ts";
import { exists, placeWorld, syncFolder, trashFolder, WORLD_FILE } from "./disk.ts";
import { storeFailure } from "./failure.ts";
import { folderOf } from "./name.ts";
import { type Current, preconditionFault } from "./precondition.ts";
import type { RemoveJob, Reply, Settled, WorkerSetup, WriteJob, WriteResult } from "./protocol.ts";
import * as sql from "./sql.ts";
import { StoreError } from "./store.ts";
import { ImageMaker } from "./world_image.ts";
import { WorldFile } from "./world_file.ts";

/** Bytes of log after which a world is checkpointed; spread so that worlds do not fall together. */
const CHECKPOINT_BYTES = 1024 * 1024;

/** Where the writer gets the time and unique names from. */
export interface WriterClock {
  /** RFC 3339 UTC with milliseconds. */
  now(): string;
}

type ChangeJob = Exclude<WriteJob, RemoveJob>;

interface Staged {
  readonly id: number;
  readonly value: WriteResult;
}

/** Applies changes to the worlds of one shard. */
export class Writer {
  readonly #open = new Map<string, WorldFile>();
  readonly #images: ImageMaker;
  readonly #seal: Seal;
  readonly #due = new Set<WorldFile>();
  #settled: (Settled & { name: string })[] = [];
  #serial = 0;

  constructor(readonly setup: WorkerSetup, readonly clock: WriterClock) {
    this.#seal = createSeal(setup.key);
    this.#images = new ImageMaker(this.#seal);
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
  takeSettled(): readonly (Settled & { name: string })[] {
    const taken = this.#settled;
    this.#settled = [];
    return taken;
  }

  /**
   * Checkpoints one world whose log has grown, off the way of any request.
   *
   * @returns whether more of them wait
   */
  maintain(): boolean {
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

  /** Closes every file, which folds its log into it. */
  close(): void {
    for (const name of [...this.#open.keys()]) this.#release(name);
    this.#images.close();
  }

  #applyTo(name: string, jobs: readonly WriteJob[], replies: Reply[], births: Staged[]): void {
    let run: ChangeJob[] = [];
    for (const job of jobs) {
      if (job.kind !== "remove") {
        run.push(job);
        continue;
      }
      this.#applyRun(name, run, replies, births);
      run = [];
      // Answers of one world keep the order of its changes: whoever holds it in memory leans on that.
      this.#announce(births.splice(0), replies);
      try {
        replies.push({ id: job.id, value: this.#remove(job) });
      } catch (thrown) {
        this.#abandon(name);
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
      this.#abandon(name);
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
    if (file.logBytes > dueAt(file.name)) this.#due.add(file);
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

  /** Takes a world back to what is on disk after a failure. */
  #abandon(name: string): void {
    const file = this.#open.get(name);
    if (file === undefined) return;
    try {
      file.rollback();
    } catch {
      // Not even the old row can be read: the handle goes, and the next use opens a fresh one.
      this.#release(name);
    }
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
    const { version, ext, state, updatedAt, len } = file.row;
    return { version, ext, state, updatedAt, len, sha256: file.sha256, created: false };
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
    const body = over === undefined ? job.body : concat(over.body, job.body);
    if (job.kind === "append" && body.length > this.setup.maxWorldBytes) {
      throw tooLarge(job.name, body.length, this.setup.maxWorldBytes);
    }
    const facts = {
      by: job.by,
      ...(below === undefined ? {} : { covers: "lower" }),
      ...(job.kind === "put" ? job.facts : {}),
    };
    const { row, sha256, image } = this.#images.make({
      op: job.kind,
      body,
      sent: job.body,
      ext: over?.ext ?? job.ext,
      headers: JSON.stringify(job.kind === "put" ? job.meta : over?.meta ?? []),
      state: job.state,
      facts,
    }, this.clock.now());
    const folder = folderOf(job.name);
    placeWorld(this.setup.data, folder, image, this.#unique());
    const { version, ext, state, updatedAt, len } = row;
    const settled = this.#stat(folder);
    const created = below === undefined;
    return { version, ext, state, updatedAt, len, sha256, created, settled };
  }

  #remove(job: RemoveJob): WriteResult {
    const file = this.#opened(job.name);
    if (file === undefined) {
      throw new StoreError("absent", "Cannot delete the world: nothing is here", job.name);
    }
    const fault = preconditionFault(job.precondition, currentOf(file));
    if (fault !== undefined) throw new StoreError("precondition", fault, job.name);
    const { version, ext, state, len } = file.row;
    const sha256 = file.sha256;
    const updatedAt = this.clock.now();
    file.begin();
    file.note("world_deleted", { version, body_sha256: sha256, by: job.by }, updatedAt);
    file.exec(sql.MARK_LEAVING);
    file.commit();
    try {
      this.#leave(job.name);
    } catch {
      // The mark is on disk: nobody reads the world any more, and its next change moves it first.
    }
    return { version, ext, sha256, state, updatedAt, len, created: false };
  }

  /** Takes a world whose deletion is on its chain to the trash. */
  #leave(name: string): void {
    this.#release(name);
    this.#settled = this.#settled.filter((entry) => entry.name !== name);
    const path = trashFolder(this.setup.data, folderOf(name), this.#unique());
    // In the trash it is an ordinary world again, so that a hand can move it back.
    const trashed = new WorldFile(name, `${path}/${WORLD_FILE}`, this.#options());
    try {
      trashed.exec(sql.CLEAR_LEAVING);
    } finally {
      trashed.close();
    }
  }

  /** The world's open file, opened now if it exists. */
  #opened(name: string): WorldFile | undefined {
    const open = this.#open.get(name);
    if (open !== undefined) {
      this.#open.delete(name);
      this.#open.set(name, open);
      return open;
    }
    const path = `${this.setup.data}/${folderOf(name)}/${WORLD_FILE}`;
    if (!exists(path)) return undefined;
    const file = new WorldFile(name, path, this.#options());
    this.#open.set(name, file);
    if (Number(file.get(sql.IS_LEAVING)?.user_version) === 1) {
      this.#leave(name);
      return undefined;
    }
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= this.setup.handles) break;
      this.#release(oldest);
    }
    return file;
  }

  #release(name: string): void {
    const file = this.#open.get(name);
    if (file === undefined) return;
    this.#open.delete(name);
    this.#due.delete(file);
    try {
      file.close();
      this.#settled.push({ name, ...this.#stat(folderOf(name)) });
    } catch {
      // What was acknowledged is in the log; the next start finds the world unsettled and opens it.
    }
  }

  /** Makes the batch's new folders durable with one sync, then answers for them. */
  #announce(births: readonly Staged[], replies: Reply[]): void {
    if (births.length === 0) return;
    try {
      syncFolder(this.setup.data);
      replies.push(...births);
    } catch (thrown) {
      const { code, message } = storeFailure(thrown, "");
      for (const { id } of births) replies.push({ id, error: { code, message } });
    }
  }

  #options() {
    const { sync, history } = this.setup;
    return { seal: this.#seal, sync, history };
  }

  #stat(folder: string): Settled {
    const { mtime, size } = Deno.statSync(`${this.setup.data}/${folder}/${WORLD_FILE}`);
    return { mtime: mtime?.getTime() ?? 0, size };
  }

  #unique(): string {
    const stamp = this.clock.now().replaceAll(/[-:.]/g, "");
    return `${stamp}-${this.setup.shard}-${this.#serial++}`;
  }
}

function currentOf(file: WorldFile): Current {
  return {
    version: file.row.version,
    updatedAt: file.row.updatedAt,
    get sha256() {
      return file.sha256;
    },
  };
}

function refusal(job: WriteJob, thrown: unknown): Reply {
  const { code, message } = storeFailure(thrown, job.name);
  return { id: job.id, error: { code, message } };
}

function tooLarge(name: string, bytes: number, most: number): StoreError {
  return new StoreError(
    "too-large",
    `the world would hold ${bytes} bytes and ${most} is the most`,
    name,
  );
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}

function dueAt(name: string): number {
  let hash = 0;
  for (let i = 0; i < name.length; i++) hash = (hash * 31 + name.charCodeAt(i)) >>> 0;
  return CHECKPOINT_BYTES + hash % CHECKPOINT_BYTES;
}
