/**
 * The change index of a running store. It passes each committed event to the Worker that writes the
 * index, in the order in which the store published them, and tells followers of a change when its
 * cursor is on disk. The index is derived data: what it lacks after a crash is read from the chains in
 * the background, and a world is never refused a change because of the index.
 */

import {
  CHANGE_HEADS_PER_CHECK,
  INDEX_BATCH_PAUSE_MS,
  INDEX_RETRY_MS,
  INDEX_WAIT_MS,
  MAX_INDEX_BATCH,
  MAX_INDEX_WAITING,
  MAX_INDEX_WAITING_BYTES,
} from "../../limits.ts";
import { CursorCodec, type CursorPosition, NO_RUN } from "../change_cursor.ts";
import {
  type ChainEvents,
  type ChainHead,
  type ChangePage,
  type ChangeQuery,
  type CommittedEvent,
  GAP,
  type IndexEntry,
  type KeyedEvent,
} from "../changes.ts";
import { packEntry } from "../packed_entry.ts";
import { type Change, type Published, StoreError } from "../store.ts";
import { bytesOf, LazyPublished, withoutBody } from "./published_change.ts";
import { ChainCompletion, isEnd } from "./chain_completion.ts";
import { toIndexEntry } from "./index_entry.ts";
import { KeyedEvents } from "./keyed_events.ts";
import type { WithoutId, WorkerClient } from "./worker_client.ts";
import type { IndexJob, JobResults } from "./worker_messages.ts";

/** What a {@link ChangeIndex} needs. */
export interface ChangeIndexOptions {
  /** The signing key of the server, which hides the positions in cursors. */
  readonly key: string;
  /** The Worker of the index. */
  readonly worker: Pick<WorkerClient, "run">;
  /** Reads events of a world after an id; undefined if the world has no file. */
  readonly readChain: (name: string, after: number) => Promise<ChainEvents | undefined>;
  /** Whether only T3 can read a world. */
  readonly isRestricted: (name: string) => boolean;
  /** Called when the cursor of recorded events is on disk, in their order. */
  readonly onPublished: (published: Published) => void;
  /** Writes a line for the operator. */
  readonly log: (line: string) => void;
}

/** Events that wait for the index, and the change that made them. */
interface Waiting {
  readonly name: string;
  /** Id of the last event; 0 without events. */
  readonly last: number;
  /** The entry, packed if its caller is known. */
  readonly entry: IndexEntry | string;
  readonly change: Change | undefined;
  /** The idempotency key of the change. */
  readonly key: string | undefined;
}

/** The change index of one store. */
export class ChangeIndex {
  readonly #options: ChangeIndexOptions;
  readonly #ready = Promise.withResolvers<void>();
  #waiting: Waiting[] = [];
  /** Events with an idempotency key that are not in the index yet. */
  readonly #keyed = new KeyedEvents();
  /** Ends when the index has the events from before the start. */
  #work: Promise<void> = Promise.resolve();
  /** Bytes of the bodies in the changes that wait. */
  #waitingBytes = 0;
  /** Names with events that did not fit in there, the last change of each, and the idempotency keys. */
  readonly #behind = new Map<string, { change: Change | undefined; keys: string[] }>();
  /** The entry that was refused last. */
  #refused: Waiting | undefined;
  /** Names of worlds that could not be read, and will be tried again, and their idempotency keys. */
  readonly #unread = new Map<string, readonly string[]>();
  /** Why the index could not be written, as it was logged. */
  #writeFault = "";
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #isReady = false;
  /** Whether the index was compared with all chains: an event can be taken for one of another chain before. */
  #isChecked = false;
  #isWriting = false;
  /** Whether the store is closing: what is recorded is still written, the rest at the next start. */
  #isStopping = false;
  /** Ends each pause. */
  readonly #pauses = new Set<() => void>();
  readonly #completion: ChainCompletion;
  readonly #codec: CursorCodec;
  #runId = NO_RUN;
  #position: CursorPosition = { seq: 0, run: NO_RUN };
  /** When the last batch was written, by `performance.now()`. */
  #writtenAt = -Infinity;
  #settled = Promise.withResolvers<void>();
  #tried = Promise.withResolvers<void>();

  constructor(options: ChangeIndexOptions) {
    this.#options = options;
    this.#codec = new CursorCodec(options.key);
    const { readChain, isRestricted, log } = options;
    this.#completion = new ChainCompletion({
      run: (job) => this.#run(job),
      readChain,
      isRestricted,
      onAppended: (name, seq) => this.#publish(name, seq),
      isStopping: () => this.#isStopping,
      log,
    });
    // A store that is closed before the index is open fails no promise that is not awaited.
    this.#ready.promise.catch(() => {});
  }

  /** What waits for the index: changes, and names whose events are read from their chains again. */
  get waiting(): { readonly changes: number; readonly bytes: number; readonly names: number } {
    const { length: changes } = this.#waiting;
    return { changes, bytes: this.#waitingBytes, names: this.#behind.size };
  }

  /**
   * Opens the index and completes it: creates it if it is missing, else adds the events that it lacks.
   *
   * @param heads the newest events of the worlds that the catalog knows
   * @param unindexed names of the other worlds; {@link ChangeIndex.check} gets each when it is known
   */
  start(heads: readonly ChainHead[], unindexed: readonly string[]): Promise<void> {
    return this.#track(this.#startAgain(heads, unindexed));
  }

  async #startAgain(heads: readonly ChainHead[], unindexed: readonly string[]): Promise<void> {
    for (let fault = "";;) {
      try {
        return await this.#start(heads, unindexed);
      } catch (error) {
        if (this.#isStopping || isEnd(error)) throw error;
        const found = describe(error);
        const line = `cannot complete the index of changes, trying again: ${found}`;
        if (found !== fault) this.#options.log(line);
        fault = found;
        await this.#pause(INDEX_RETRY_MS);
      }
    }
  }

  async #start(heads: readonly ChainHead[], unindexed: readonly string[]): Promise<void> {
    const { isComplete, run, position } = await this.#run<"openIndex">({ kind: "openIndex" });
    this.#runId = run;
    const names = [...heads.map(({ name }) => name), ...unindexed];
    if (isComplete) {
      this.#position = position;
      this.#isReady = true;
      this.#ready.resolve();
      await this.#completion.completeTrashed();
      for (let at = 0; at < heads.length; at += CHANGE_HEADS_PER_CHECK) {
        await this.check(heads.slice(at, at + CHANGE_HEADS_PER_CHECK));
      }
      for (const name of await this.#run<"vanished">({ kind: "vanished", names })) {
        await this.#tryCompleteName(name);
      }
      for (const name of unindexed) {
        if (this.#isStopping) return;
        await this.#tryCompleteName(name);
      }
    } else {
      await this.#completion.stageAll(names, () => {});
      if (this.#isStopping) return;
      this.#position = await this.#run<"completeIndex">({ kind: "completeIndex" });
      this.#isReady = true;
      this.#ready.resolve();
    }
    this.#isChecked = true;
    void this.#write();
  }

  /** Adds the events that the index lacks of some worlds. */
  check(heads: readonly ChainHead[]): Promise<void> {
    return this.#track(this.#check(heads));
  }

  async #check(heads: readonly ChainHead[]): Promise<void> {
    await this.#ready.promise;
    for (const name of await this.#run<"behind">({ kind: "behind", heads })) {
      await this.#tryCompleteName(name);
    }
  }

  /** Adds the last events of a world of the data folder that turned out to be deleted. */
  completeDeleted(name: string): Promise<void> {
    return this.#track(this.#ready.promise.then(() => this.#tryCompleteName(name)));
  }

  /**
   * Records events that are on disk, in the order in which the store publishes them.
   *
   * @param ended whether the name has no world after them
   * @param change what followers get
   */
  record(
    name: string,
    events: readonly CommittedEvent[],
    ended: boolean,
    change?: Change,
  ): void {
    if (this.#behind.size > 0 || this.#waiting.length >= MAX_INDEX_WAITING) {
      const key = this.#keyed.add(name, events);
      const keys = this.#behind.get(name)?.keys ?? [];
      if (key !== undefined) keys.push(key);
      this.#behind.set(name, { change: change && withoutBody(change), keys });
      return;
    }
    const entry = { ...toIndexEntry(name, events, this.#options.isRestricted), ended };
    const isLong = this.#waitingBytes + bytesOf(change) > MAX_INDEX_WAITING_BYTES;
    const kept = change && isLong ? withoutBody(change) : change;
    this.#waitingBytes += bytesOf(kept);
    this.#waiting.push({
      name,
      last: events.at(-1)?.id ?? 0,
      entry: change === undefined ? entry : packEntry({ ...entry, by: change.by }),
      change: kept,
      key: this.#keyed.add(name, events),
    });
    void this.#write();
  }

  /** Resolves when all recorded events are in the index, or cannot be written now. */
  async settled(): Promise<void> {
    // What cannot be written now is added at the next start.
    if (this.#isWriting) await this.#settled.promise;
  }

  /**
   * Reads a page.
   *
   * @throws {StoreError} `gone` if the position cannot be located, `busy` if the index is being created
   */
  async read(query: ChangeQuery): Promise<ChangePage> {
    if (!this.#isReady) await this.#waitFor(this.#ready.promise);
    await this.#writeNow();
    return await this.#run<"changes">({ kind: "changes", query });
  }

  /** Writes what waits now, so that a query finds what was acknowledged before it. */
  async #writeNow(): Promise<void> {
    const last = this.#waiting.at(-1);
    for (let before = Infinity; last !== undefined && this.#isWriting;) {
      const at = this.#waiting.indexOf(last);
      if (at < 0 || at >= before) return; // it is written, or cannot be written now
      before = at;
      for (const end of this.#pauses) end();
      await this.#tried.promise;
    }
  }

  /**
   * Finds the events of changes with an idempotency key, when the index has all events from before the
   * start. Those that wait for the index are found too.
   *
   * @throws {StoreError} `busy` if the index is not complete in time, or too many keys wait for it
   */
  async keyed(key: string): Promise<readonly KeyedEvent[]> {
    await this.#waitFor(this.#work);
    if (!this.#isReady) throw notReady();
    const waiting = this.#keyed.get(key);
    const found = await this.#run<"keyed">({ kind: "keyed", key });
    return this.#keyed.join(found, waiting);
  }

  /** Stops adding events that the index lacks. */
  stop(): void {
    this.#isStopping = true;
    clearTimeout(this.#retryTimer);
    for (const end of this.#pauses) end();
    this.#ready.reject(new StoreError("closed", "Cannot read the changes: the server is stopping"));
  }

  /** Remembers work that completes the index. */
  #track(work: Promise<void>): Promise<void> {
    // The caller gets the error; a look-up waits only for the end.
    const ended = work.then(() => {}, () => {});
    this.#work = Promise.all([this.#work, ended]).then(() => {});
    return work;
  }

  async #waitFor(promise: Promise<void>): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(notReady()), INDEX_WAIT_MS);
    });
    try {
      await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Writes what is waiting, in batches; one call runs at a time. */
  async #write(): Promise<void> {
    if (this.#isWriting || !this.#isChecked || !this.#hasWork) return;
    this.#isWriting = true;
    try {
      for (let canContinue = true; canContinue && this.#hasWork;) {
        // Many changes are written together: a transaction costs more than ten changes.
        const pause = this.#writtenAt + INDEX_BATCH_PAUSE_MS - performance.now();
        const isLong = this.#waiting.length >= MAX_INDEX_BATCH || this.#isStopping;
        if (pause > 0 && !isLong) await this.#pause(pause);
        this.#writtenAt = performance.now();
        canContinue = await this.#writeBatch() && !(this.#isStopping && this.#waiting.length === 0);
        this.#tried.resolve();
        this.#tried = Promise.withResolvers();
        if (canContinue && this.#waiting.length === 0) await this.#completeBehind();
      }
    } finally {
      this.#isWriting = false;
      this.#settled.resolve();
      this.#settled = Promise.withResolvers();
    }
  }

  get #hasWork(): boolean {
    return this.#waiting.length > 0 || this.#behind.size > 0;
  }

  /** @returns whether the next batch can be written */
  async #writeBatch(): Promise<boolean> {
    if (this.#waiting.length === 0) return true;
    const batch = this.#waiting.slice(0, MAX_INDEX_BATCH);
    let results: JobResults["appendIndex"];
    try {
      const entries = batch.map(({ entry }) => entry);
      results = await this.#run<"appendIndex">({ kind: "appendIndex", entries });
      this.#writeFault = "";
    } catch (error) {
      if (this.#isStopping || isEnd(error)) return false;
      this.#reportWrite(error);
      this.#settled.resolve();
      this.#settled = Promise.withResolvers();
      await this.#pause(INDEX_RETRY_MS);
      return true;
    }
    let done = 0;
    for (const result of results) {
      const waiting = batch[done];
      if (result === GAP || waiting === undefined) break;
      done += 1;
      this.#publish(waiting.name, result, waiting.change);
    }
    this.#removeWaiting(done);
    const [first] = this.#waiting;
    if (done < batch.length && first !== undefined) {
      if (this.#isStopping) return false;
      await this.#fillGap(first);
    }
    return true;
  }

  #publish(name: string, seq: number, change?: Change): void {
    if (seq > 0) this.#position = { seq, run: this.#runId };
    this.#options.onPublished(new LazyPublished(this.#codec, this.#position, name, change));
  }

  #removeWaiting(count: number): Waiting[] {
    const removed = this.#waiting.splice(0, count);
    for (const { name, change, key } of removed) {
      this.#waitingBytes -= bytesOf(change);
      if (key !== undefined) this.#keyed.remove(name, key);
    }
    return removed;
  }

  /** Adds the events of changes that did not fit among the waiting ones. */
  async #completeBehind(): Promise<void> {
    if (this.#behind.size === 0 || this.#isStopping) return;
    try {
      await this.#completion.completeTrashed();
      for (const [name, { change, keys }] of this.#behind) {
        if (this.#isStopping) return;
        // First, because a change in the meantime must be read in another round.
        this.#behind.delete(name);
        await this.#tryCompleteName(name, keys);
        this.#publish(name, 0, change);
      }
    } catch (error) {
      if (this.#isStopping || isEnd(error)) return;
      this.#reportWrite(error);
      await this.#pause(INDEX_RETRY_MS);
    }
  }

  /** Logs why the index cannot be written, once for each reason. */
  #reportWrite(error: unknown): void {
    const fault = describe(error);
    if (fault === this.#writeFault) return;
    this.#writeFault = fault;
    this.#options.log(`cannot write the index of changes, trying again: ${fault}`);
  }

  /** Adds the events before an entry that was refused. */
  async #fillGap(first: Waiting): Promise<void> {
    if (first !== this.#refused) {
      this.#refused = first;
      try {
        await this.#completion.completeTrashed();
        await this.#tryCompleteName(first.name);
      } catch (error) {
        const line = `cannot complete the index of changes: ${describe(error)}`;
        if (!this.#isStopping && !isEnd(error)) this.#options.log(line);
      }
      return;
    }
    // The chain cannot be read, or does not have the event: the index continues without it.
    this.#removeWaiting(1);
    this.#publish(first.name, 0, first.change);
  }

  /**
   * Completes the events of a name. A world that cannot be read does not stop the work for the others; it is tried
   * again if a later attempt can succeed.
   *
   * @param keys idempotency keys of the missing events; they are remembered until the index has them
   */
  async #tryCompleteName(name: string, keys: readonly string[] = [], isRetry = false) {
    let isTransient = false;
    try {
      await this.#completion.completeName(name);
    } catch (error) {
      if (this.#isStopping || isEnd(error)) throw error;
      if (!isRetry) {
        this.#options.log(`cannot read events of /${name} for the index: ${describe(error)}`);
      }
      isTransient = error instanceof StoreError && TRANSIENT.has(error.code);
    }
    if (!isTransient) return this.#keyed.remove(name, ...keys);
    this.#unread.set(name, [...this.#unread.get(name) ?? [], ...keys]);
    this.#retryTimer ??= setTimeout(() => void this.#retryUnread(), INDEX_RETRY_MS);
  }

  async #retryUnread(): Promise<void> {
    this.#retryTimer = undefined;
    const unread = [...this.#unread];
    this.#unread.clear();
    try {
      for (const [name, keys] of unread) await this.#tryCompleteName(name, keys, true);
    } catch {
      // Safe to ignore: the store is closing, and the next start adds the events.
    }
  }

  async #pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.#pauses.add(resolve);
    await promise;
    this.#pauses.delete(resolve);
    clearTimeout(timer);
  }

  #run<K extends IndexJob["kind"]>(
    job: WithoutId<Extract<IndexJob, { kind: K }>>,
  ): Promise<JobResults[K]> {
    return this.#options.worker.run<K>(job as WithoutId<Extract<IndexJob, { kind: K }>>);
  }
}

function notReady(): StoreError {
  return new StoreError("busy", "Cannot read the changes: the index is being created");
}

/** Errors after which a later attempt to read a chain or to write the index can succeed. */
const TRANSIENT: ReadonlySet<string> = new Set(["in-use", "busy", "full"]);

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
