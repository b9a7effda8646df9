/**
 * The change index of a running store. It passes each committed event to the Worker that writes the
 * index, in the order in which the store published them, and tells followers of a change when its
 * cursor is on disk. The index is derived data: what it lacks after a crash is read from the chains in
 * the background, and a world is never refused a change because of the index. If its file is damaged or
 * removed while the server runs, it is created again; until then each query waits or fails with `busy`.
 */

import {
  CHANGE_HEADS_PER_CHECK,
  INDEX_BATCH_PAUSE_MS,
  INDEX_RETRY_MS,
  INDEX_WAIT_MS,
  MAX_INDEX_BATCH,
  MAX_INDEX_RETRY_MS,
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
import {
  eventsNotRead,
  indexClosed,
  indexLost,
  indexNotReady,
  indexNotWritten,
  isIndexLost,
} from "../index_errors.ts";
import { packEntry } from "../packed_entry.ts";
import type { Change, Published } from "../store.ts";
import { bytesOf, LazyPublished, withoutBody } from "./published_change.ts";
import { ChainCompletion, isEnd } from "./chain_completion.ts";
import { createDeferred, Pauses } from "./pauses.ts";
import { UnreadWorlds } from "./unread_worlds.ts";
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
  /** The worlds of the upper layer. */
  readonly worlds: () => KnownWorlds;
  /** Writes a line for the operator. */
  readonly log: (line: string) => void;
}

/** The worlds of the upper layer. */
export interface KnownWorlds {
  /** Newest events of those in the catalog. */
  readonly heads: readonly ChainHead[];
  /** Names of the other worlds; {@link ChangeIndex.check} gets each when it is known. */
  readonly unindexed: readonly string[];
}

/** Events that wait for the index, and the change that made them. */
interface Waiting {
  readonly name: string;
  /** The entry, packed if its caller is known. */
  readonly entry: IndexEntry | string;
  readonly change: Change | undefined;
  /** The idempotency key of the change. */
  readonly key: string | undefined;
}

/** The change index of one store. */
export class ChangeIndex {
  readonly #options: ChangeIndexOptions;
  /** Resolves when the index can be read; another promise after it was lost. */
  #ready = createDeferred();
  /** Resolves when waiting events are written; another promise after the index was lost. */
  #checked = createDeferred();
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
  readonly #unread: UnreadWorlds;
  /** Why the index could not be written, as it was logged. */
  #writeFault = "";
  #isReady = false;
  /** Whether the index was compared with all chains: an event can be taken for one of another chain before. */
  #isChecked = false;
  #isWriting = false;
  /** Whether the store is closing: what is recorded is still written. */
  #isStopping = false;
  /** Ends each pause before a write; a query does so. */
  readonly #pauses = new Pauses();
  /** Ends each pause before the index is opened again; only the end of the store does so. */
  readonly #openPauses = new Pauses();
  /** Whether the index is being opened. */
  #isOpening = false;
  /** Whether the last attempt to open the index failed: a query does not wait for the next one. */
  #hasFailed = false;
  /** Rejects when an attempt fails; then another promise. */
  #failed = createDeferred();
  /** Times that the index was opened. */
  #opened = 0;
  /** When the index was lost last, by `performance.now()`. */
  #lostAt = -Infinity;
  /** Pause before the index is opened the next time, in milliseconds. */
  #openPauseMs = 0;
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
    this.#unread = new UnreadWorlds((name, keys) => this.#tryCompleteName(name, keys, true), log);
    this.#completion = new ChainCompletion({
      run: (job) => this.#run(job),
      readChain,
      isRestricted,
      onAppended: (name, seq) => this.#publish(name, seq),
      isStopping: () => this.#isStopping,
      log,
    });
  }

  /** What waits for the index: changes, and names whose events are read from their chains again. */
  get waiting(): { readonly changes: number; readonly bytes: number; readonly names: number } {
    const { length: changes } = this.#waiting;
    return { changes, bytes: this.#waitingBytes, names: this.#behind.size };
  }

  /** Opens the index and completes it: creates it if it is missing, else adds the events that it lacks. */
  start(): Promise<void> {
    return this.#track(this.#open());
  }

  async #open(): Promise<void> {
    this.#isOpening = true;
    try {
      for (let fault = "";;) {
        try {
          if (this.#openPauseMs > 0) await this.#openPauses.wait(this.#openPauseMs);
          return await this.#openOnce(this.#options.worlds());
        } catch (error) {
          if (this.#isStopping || isEnd(error)) throw error;
          const found = describe(error);
          const line = `cannot complete the index of changes, trying again: ${found}`;
          if (found !== fault) this.#options.log(line);
          fault = found;
          this.#lengthenPause();
          this.#hasFailed = true;
          this.#failed.reject(indexNotReady());
          this.#failed = createDeferred();
        }
      }
    } finally {
      this.#isOpening = false;
    }
  }

  async #openOnce({ heads, unindexed }: KnownWorlds): Promise<void> {
    this.#opened++;
    const { isComplete, run, position } = await this.#run<"openIndex">({ kind: "openIndex" });
    this.#runId = run;
    const names = [...heads.map(({ name }) => name), ...unindexed];
    if (isComplete) {
      this.#setReady(position);
      await this.#completion.completeTrashed();
    } else {
      await this.#completion.stageAll(names, (name, error) => {
        this.#unread.add(name, error);
      });
      if (this.#isStopping) return;
      this.#setReady(await this.#run<"completeIndex">({ kind: "completeIndex" }));
    }
    for (let at = 0; at < heads.length; at += CHANGE_HEADS_PER_CHECK) {
      await this.#checkHeads(heads.slice(at, at + CHANGE_HEADS_PER_CHECK));
    }
    if (isComplete) {
      for (const name of await this.#run<"vanished">({ kind: "vanished", names })) {
        await this.#tryCompleteName(name);
      }
      for (const name of unindexed) {
        if (this.#isStopping) return;
        await this.#tryCompleteName(name);
      }
    }
    if (!this.#isReady) throw indexLost(); // a query found it damaged in the meantime
    this.#isChecked = true;
    this.#hasFailed = false;
    void this.#write();
    this.#checked.resolve();
  }

  #setReady(position: CursorPosition): void {
    this.#position = position;
    this.#isReady = true;
    this.#ready.resolve();
  }

  /** The file of the index is damaged or gone: creates it again from the chains. */
  #lose(): void {
    if (this.#isStopping) return;
    if (this.#isReady) this.#ready = createDeferred();
    if (this.#isChecked) this.#checked = createDeferred();
    const wasChecked = this.#isChecked;
    this.#isReady = false;
    this.#isChecked = false;
    this.#refused = undefined;
    if (this.#isOpening) return;
    if (wasChecked) {
      this.#options.log(
        "the index of changes was damaged or removed while the server was running; it is created again " +
          "from the events of all worlds",
      );
    }
    // A program that damages the file again and again does not keep the server busy.
    const now = performance.now();
    if (now - this.#lostAt < MAX_INDEX_RETRY_MS) this.#lengthenPause();
    else this.#openPauseMs = 0;
    this.#lostAt = now;
    this.#track(this.#open()).catch(() => {
      // Safe to ignore: the store is closing, and each query is told so.
    });
  }

  #lengthenPause(): void {
    this.#openPauseMs = Math.min(
      Math.max(2 * this.#openPauseMs, INDEX_RETRY_MS),
      MAX_INDEX_RETRY_MS,
    );
  }

  /** Adds the events that the index lacks of some worlds. */
  check(heads: readonly ChainHead[]): Promise<void> {
    return this.#track(this.#whenReady(() => this.#checkHeads(heads)));
  }

  /** Adds the last events of a world of the data folder that turned out to be deleted. */
  completeDeleted(name: string): Promise<void> {
    return this.#track(this.#whenReady(() => this.#tryCompleteName(name)));
  }

  async #whenReady(complete: () => Promise<unknown>): Promise<void> {
    await this.#ready.promise;
    try {
      await complete();
    } catch (error) {
      if (!isIndexLost(error)) throw error; // it is created again from all worlds
    }
  }

  async #checkHeads(heads: readonly ChainHead[]): Promise<void> {
    for (const name of await this.#run<"behind">({ kind: "behind", heads })) {
      await this.#tryCompleteName(name);
    }
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
   * Reads a page, with all changes that were acknowledged before.
   *
   * @throws {StoreError} `gone` if the position cannot be located, `busy` if the index is being created
   * or cannot be written
   */
  async read(query: ChangeQuery): Promise<ChangePage> {
    const end = performance.now() + INDEX_WAIT_MS;
    for (;;) {
      if (!this.#isReady) await this.#waitFor(this.#ready.promise, end);
      try {
        await this.#writeNow(end);
        return await this.#run<"changes">({ kind: "changes", query });
      } catch (error) {
        this.#assertLost(error);
      }
    }
  }

  /** Writes what waits now, so that a query finds what was acknowledged before it. */
  async #writeNow(end: number): Promise<void> {
    const last = this.#waiting.at(-1);
    const names = [...this.#behind.keys()];
    if (last === undefined && names.length === 0) return;
    if (!this.#isChecked) await this.#waitFor(this.#checked.promise, end);
    let attempts = 0;
    for (let before = Infinity;;) {
      const waiting = last === undefined ? 0 : this.#waiting.indexOf(last) + 1;
      const left = waiting + names.filter((name) => this.#behind.has(name)).length;
      if (left === 0) return;
      if (!this.#isChecked) throw indexLost();
      attempts = left < before ? 0 : attempts + 1;
      // An attempt that began before this query may have failed for a reason that is gone.
      if (attempts > 1 || !this.#isWriting) throw indexNotWritten();
      before = left;
      this.#pauses.end();
      await this.#tried.promise;
    }
  }

  /**
   * Finds the events of changes with an idempotency key, when the index has all events from before the
   * start. Those that wait for the index are found too.
   *
   * @param name name of the world that the request changes, or of the collection
   * @throws {StoreError} `busy` if the index is not complete in time, or too many keys wait for it
   */
  async keyed(key: string, name: string): Promise<readonly KeyedEvent[]> {
    const end = performance.now() + INDEX_WAIT_MS;
    for (;;) {
      await this.#waitFor(this.#work, end);
      if (!this.#isReady) throw indexNotReady();
      const unread = this.#unread.findBelow(name);
      if (unread !== undefined) throw eventsNotRead(unread);
      const waiting = this.#keyed.get(key);
      try {
        return this.#keyed.join(await this.#run<"keyed">({ kind: "keyed", key }), waiting);
      } catch (error) {
        this.#assertLost(error);
      }
    }
  }

  /** Throws an error that is not that of a lost index; after that the caller waits for the new one. */
  #assertLost(error: unknown): void {
    if (!isIndexLost(error)) throw error;
    if (this.#isStopping) throw indexClosed();
  }

  /** Stops adding events that the index lacks. */
  stop(): void {
    this.#isStopping = true;
    this.#unread.stop();
    this.#pauses.close();
    this.#openPauses.close();
    for (const gate of [this.#ready, this.#checked]) gate.reject(indexClosed());
  }

  /** Remembers work that completes the index. */
  #track(work: Promise<void>): Promise<void> {
    // The caller gets the error; a look-up waits only for the end.
    const ended = work.then(() => {}, () => {});
    this.#work = Promise.all([this.#work, ended]).then(() => {});
    return work;
  }

  /** Waits until the index is ready, at most until a time. @throws {StoreError} `busy` */
  async #waitFor(promise: Promise<void>, end: number): Promise<void> {
    if (this.#hasFailed) throw indexNotReady();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(indexNotReady()), Math.max(0, end - performance.now()));
    });
    try {
      await Promise.race([promise, this.#failed.promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Writes what is waiting, in batches; one call runs at a time. */
  async #write(): Promise<void> {
    if (this.#isWriting || !this.#isChecked || !this.#hasWork) return;
    this.#isWriting = true;
    try {
      for (let state: WriteState = "written"; state !== "stopped" && this.#hasWork;) {
        // Many changes are written together: a transaction costs more than ten changes.
        const pause = this.#writtenAt + INDEX_BATCH_PAUSE_MS - performance.now();
        const isLong = this.#waiting.length >= MAX_INDEX_BATCH || this.#isStopping;
        if (pause > 0 && !isLong) await this.#pauses.wait(pause);
        this.#writtenAt = performance.now();
        state = await this.#writeBatch();
        if (state === "written" && this.#waiting.length === 0) state = await this.#completeBehind();
        if (!this.#isChecked || this.#isStopping && this.#waiting.length === 0) state = "stopped";
        this.#endAttempt();
        if (state !== "failed") continue;
        this.#settled.resolve();
        this.#settled = Promise.withResolvers();
        await this.#pauses.wait(INDEX_RETRY_MS);
      }
    } finally {
      this.#isWriting = false;
      this.#endAttempt();
      this.#settled.resolve();
      this.#settled = Promise.withResolvers();
    }
  }

  #endAttempt(): void {
    this.#tried.resolve();
    this.#tried = Promise.withResolvers();
  }

  get #hasWork(): boolean {
    return this.#waiting.length > 0 || this.#behind.size > 0;
  }

  async #writeBatch(): Promise<WriteState> {
    if (this.#waiting.length === 0) return "written";
    const batch = this.#waiting.slice(0, MAX_INDEX_BATCH);
    let results: JobResults["appendIndex"];
    try {
      const entries = batch.map(({ entry }) => entry);
      results = await this.#run<"appendIndex">({ kind: "appendIndex", entries });
      this.#writeFault = "";
    } catch (error) {
      return this.#toState(error);
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
      if (this.#isStopping) return "stopped";
      await this.#fillGap(first);
    }
    return "written";
  }

  /** What follows an error of a write; it is logged once for each reason. */
  #toState(error: unknown): WriteState {
    if (this.#isStopping || isEnd(error) || isIndexLost(error)) return "stopped";
    const fault = describe(error);
    if (fault !== this.#writeFault) {
      this.#writeFault = fault;
      this.#options.log(`cannot write the index of changes, trying again: ${fault}`);
    }
    return "failed";
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
  async #completeBehind(): Promise<WriteState> {
    if (this.#behind.size === 0 || this.#isStopping) return "written";
    try {
      await this.#completion.completeTrashed();
      for (const [name, waiting] of this.#behind) {
        if (this.#isStopping) return "stopped";
        // First, because a change in the meantime must be read in another round.
        this.#behind.delete(name);
        const { change, keys } = waiting;
        try {
          await this.#tryCompleteName(name, keys);
        } catch (error) {
          const later = this.#behind.get(name);
          const all = [...keys, ...later?.keys ?? []];
          this.#behind.set(name, { change: later?.change ?? change, keys: all });
          throw error;
        }
        this.#publish(name, 0, change);
      }
      return "written";
    } catch (error) {
      return this.#toState(error);
    }
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
        if (!this.#isStopping && !isEnd(error) && !isIndexLost(error)) this.#options.log(line);
      }
      return;
    }
    // The chain cannot be read, or does not have the event: the index continues without it.
    this.#removeWaiting(1);
    this.#publish(first.name, 0, first.change);
  }

  /**
   * Completes the events of a name. A world that cannot be read does not stop the work for the others;
   * it is tried again if a later attempt can succeed.
   *
   * @param keys idempotency keys of the missing events; they are remembered until the index has them
   * @returns whether no further attempt is needed
   */
  async #tryCompleteName(
    name: string,
    keys: readonly string[] = [],
    isRetry = false,
  ): Promise<boolean> {
    try {
      if (isRetry) await this.#ready.promise;
      await this.#completion.completeName(name);
    } catch (error) {
      if (this.#isStopping || isEnd(error) || isIndexLost(error)) throw error;
      if (this.#unread.add(name, error, isRetry ? [] : keys)) return false;
      this.#unread.report(name, error);
    }
    this.#keyed.remove(name, ...keys);
    return true;
  }

  async #run<K extends IndexJob["kind"]>(
    job: WithoutId<Extract<IndexJob, { kind: K }>>,
  ): Promise<JobResults[K]> {
    const opened = this.#opened;
    try {
      return await this.#options.worker.run<K>(job);
    } catch (error) {
      // A job of an earlier file says nothing about this one.
      if (isIndexLost(error) && opened === this.#opened) this.#lose();
      throw error;
    }
  }
}

/** What an attempt to write came to: `stopped` if the next one must wait for something else. */
type WriteState = "written" | "failed" | "stopped";

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
