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
} from "../../limits.ts";
import { CursorCodec, type CursorPosition, NO_RUN } from "../change_cursor.ts";
import {
  type ChainEvents,
  type ChainHead,
  type ChangePage,
  type ChangeQuery,
  type CommittedEvent,
  GAP,
  type IndexedHead,
  type IndexEntry,
  type KeyedEvent,
} from "../changes.ts";
import { readMark } from "../idempotency_mark.ts";
import { packEntry } from "../packed_entry.ts";
import { type Change, type Published, StoreError } from "../store.ts";
import type { WithoutId, WorkerClient } from "./worker_client.ts";
import type { IndexJob, JobResults, TrashedWorld } from "./worker_messages.ts";

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

/** Formats its cursor when a follower reads it: most changes have no follower. */
class LazyPublished implements Published {
  readonly #codec: CursorCodec;
  readonly #position: CursorPosition;

  constructor(
    codec: CursorCodec,
    position: CursorPosition,
    readonly name: string,
    readonly change: Change | undefined,
  ) {
    this.#codec = codec;
    this.#position = position;
  }

  get cursor(): string {
    return this.#codec.format(this.#position);
  }
}

/** The change index of one store. */
export class ChangeIndex {
  readonly #options: ChangeIndexOptions;
  readonly #ready = Promise.withResolvers<void>();
  #waiting: Waiting[] = [];
  /** Events with an idempotency key that are not in the index yet. */
  readonly #keyed = new Map<string, readonly KeyedEvent[]>();
  /** Ends when the index has the events from before the start. */
  #work: Promise<void> = Promise.resolve();
  #isReady = false;
  #isWriting = false;
  /** Whether the store is closing: what is recorded is still written, the rest at the next start. */
  #isStopping = false;
  #endPause: (() => void) | undefined;
  readonly #codec: CursorCodec;
  #runId = NO_RUN;
  #position: CursorPosition = { seq: 0, run: NO_RUN };
  /** When the last batch was written, by `performance.now()`. */
  #writtenAt = -Infinity;
  #settled = Promise.withResolvers<void>();

  constructor(options: ChangeIndexOptions) {
    this.#options = options;
    this.#codec = new CursorCodec(options.key);
    // A store that is closed before the index is open fails no promise that is not awaited.
    this.#ready.promise.catch(() => {});
  }

  /** Cursor of the newest change in the index. */
  get cursor(): string {
    return this.#codec.format(this.#position);
  }

  /** Events that are not in the index yet, in entries. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  /**
   * Opens the index and completes it: creates it if it is missing, else adds the events that it lacks.
   *
   * @param heads the newest events of the worlds that the catalog knows
   * @param unindexed names of the other worlds; {@link ChangeIndex.check} gets each when it is known
   */
  start(heads: readonly ChainHead[], unindexed: readonly string[]): Promise<void> {
    return this.#track(this.#start(heads, unindexed));
  }

  async #start(heads: readonly ChainHead[], unindexed: readonly string[]): Promise<void> {
    const { isComplete, run, position } = await this.#run<"openIndex">({ kind: "openIndex" });
    this.#runId = run;
    const names = [...heads.map(({ name }) => name), ...unindexed];
    if (isComplete) {
      this.#position = position;
      this.#setReady();
      for (let at = 0; at < heads.length; at += CHANGE_HEADS_PER_CHECK) {
        await this.check(heads.slice(at, at + CHANGE_HEADS_PER_CHECK));
      }
      for (const name of await this.#run<"vanished">({ kind: "vanished", names })) {
        await this.#completeName(name);
      }
    } else {
      await this.#create(names);
      this.#setReady();
    }
  }

  /** Adds the events that the index lacks of some worlds. */
  check(heads: readonly ChainHead[]): Promise<void> {
    return this.#track(this.#check(heads));
  }

  async #check(heads: readonly ChainHead[]): Promise<void> {
    await this.#ready.promise;
    for (const name of await this.#run<"behind">({ kind: "behind", heads })) {
      await this.#completeName(name);
    }
  }

  /** Adds the last events of a world of the data folder that turned out to be deleted. */
  completeDeleted(name: string): Promise<void> {
    return this.#track(this.#ready.promise.then(() => this.#completeName(name)));
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
    const entry = { ...this.#entryOf(name, events), ended };
    this.#waiting.push({
      name,
      last: events.at(-1)?.id ?? 0,
      entry: change === undefined ? entry : packEntry({ ...entry, by: change.by }),
      change,
      key: this.#remember(name, events),
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
    return await this.#run<"changes">({ kind: "changes", query });
  }

  /**
   * Finds the events of changes with an idempotency key, when the index has all events from before the
   * start. Those that wait for the index are found too.
   *
   * @throws {StoreError} `busy` if the index is not complete in time
   */
  async keyed(key: string): Promise<readonly KeyedEvent[]> {
    await this.#waitFor(this.#work);
    if (!this.#isReady) throw notReady();
    const waiting = this.#keyed.get(key) ?? [];
    const found = await this.#run<"keyed">({ kind: "keyed", key });
    const known = new Set(found.map(({ name, id, timestamp }) => `${id} ${timestamp} ${name}`));
    return [
      ...found,
      ...waiting.filter(({ name, id, timestamp }) => !known.has(`${id} ${timestamp} ${name}`)),
    ];
  }

  /** Stops adding events that the index lacks. */
  stop(): void {
    this.#isStopping = true;
    this.#endPause?.();
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
      timer = setTimeout(() => {
        reject(notReady());
      }, INDEX_WAIT_MS);
    });
    try {
      await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #setReady(): void {
    this.#isReady = true;
    this.#ready.resolve();
    void this.#write();
  }

  /** Writes what is waiting, in batches; one call runs at a time. */
  async #write(): Promise<void> {
    if (this.#isWriting || !this.#isReady || this.#waiting.length === 0) return;
    this.#isWriting = true;
    try {
      do {
        // Many changes are written together: a transaction costs more than ten changes.
        const pause = this.#writtenAt + INDEX_BATCH_PAUSE_MS - performance.now();
        const isLong = this.#waiting.length >= MAX_INDEX_BATCH || this.#isStopping;
        if (pause > 0 && !isLong) await this.#pause(pause);
        this.#writtenAt = performance.now();
      } while (await this.#writeBatch() && this.#waiting.length > 0);
    } finally {
      this.#isWriting = false;
      this.#settled.resolve();
      this.#settled = Promise.withResolvers();
    }
  }

  /** @returns whether the next batch can be written */
  async #writeBatch(): Promise<boolean> {
    const batch = this.#waiting.slice(0, MAX_INDEX_BATCH);
    let results: JobResults["appendIndex"];
    try {
      const entries = batch.map(({ entry }) => entry);
      results = await this.#run<"appendIndex">({ kind: "appendIndex", entries });
    } catch (error) {
      if (this.#isStopping || error instanceof StoreError && error.code === "closed") return false;
      this.#options.log(`cannot write the index of changes, trying again: ${describe(error)}`);
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
    this.#forget(this.#waiting.splice(0, done));
    const [first] = this.#waiting;
    if (done < batch.length && first !== undefined) {
      if (this.#isStopping) return false;
      await this.#fillGap(first.name);
    }
    return true;
  }

  #publish(name: string, seq: number, change?: Change): void {
    if (seq > 0) this.#position = { seq, run: this.#runId };
    this.#options.onPublished(new LazyPublished(this.#codec, this.#position, name, change));
  }

  /** Adds the events before an entry that was refused. */
  async #fillGap(name: string): Promise<void> {
    try {
      await this.#completeName(name);
      const first = this.#waiting[0];
      const head = await this.#run<"headOfName">({ kind: "headOfName", name });
      if (first?.name !== name || (head !== undefined && head.event >= first.last)) return;
    } catch (error) {
      if (this.#isStopping) return;
      this.#options.log(`cannot read events of /${name} for the index: ${describe(error)}`);
    }
    // The chain cannot be read, or does not have the event: the index continues without it.
    const [skipped] = this.#waiting.splice(0, 1);
    if (skipped === undefined) return;
    this.#forget([skipped]);
    this.#publish(name, 0, skipped.change);
  }

  /** Remembers the idempotency keys of events until the index has them. */
  #remember(name: string, events: readonly CommittedEvent[]): string | undefined {
    let key: string | undefined;
    for (const { id, timestamp, type, payload } of events) {
      const mark = readMark(payload);
      if (mark === undefined) continue;
      key = mark.key;
      const event = { name, id, timestamp, type, payload: JSON.parse(payload) };
      this.#keyed.set(key, [...this.#keyed.get(key) ?? [], event]);
    }
    return key;
  }

  #forget(written: readonly Waiting[]): void {
    for (const { key, name } of written) {
      if (key === undefined) continue;
      const others = this.#keyed.get(key)?.filter((event) => event.name !== name) ?? [];
      if (others.length === 0) this.#keyed.delete(key);
      else this.#keyed.set(key, others);
    }
  }

  /** Adds the events of a name that the index lacks, of a deleted world and of the current one. */
  async #completeName(name: string): Promise<void> {
    const head = await this.#run<"headOfName">({ kind: "headOfName", name });
    const current = await this.#options.readChain(name, Number.MAX_SAFE_INTEGER);
    if (head !== undefined && !head.ended && head.chain !== current?.chain) {
      await this.#completeEnded(name, head);
    }
    if (current === undefined) return;
    await this.#appendChain(
      name,
      current.chain,
      (after) => this.#options.readChain(name, after),
      current.ended === true,
    );
  }

  /** Adds the last events of a world that was deleted or moved. */
  async #completeEnded(name: string, head: IndexedHead): Promise<void> {
    for (const world of await this.#run<"trashed">({ kind: "trashed", name })) {
      const { chain } = await this.#readTrashed(world, Number.MAX_SAFE_INTEGER);
      if (chain !== head.chain) continue;
      await this.#appendChain(name, chain, (after) => this.#readTrashed(world, after), true);
      return;
    }
    await this.#append([{ ...this.#entryOf(name, []), ended: true }]);
  }

  #readTrashed(world: TrashedWorld, after: number): Promise<ChainEvents> {
    return this.#run<"trashedChain">({
      kind: "trashedChain",
      world,
      after,
      limit: MAX_INDEX_BATCH,
    });
  }

  /** Appends all events of a chain that are not indexed. */
  async #appendChain(
    name: string,
    chain: string,
    read: (after: number) => Promise<ChainEvents | undefined>,
    isTrashed: boolean,
  ): Promise<void> {
    const known = await this.#run<"headOfChain">({ kind: "headOfChain", chain });
    let after = known?.event ?? 0;
    for (;;) {
      const found = await read(after);
      if (found === undefined || found.chain !== chain) return;
      const entries = this.#entriesOf(found, isTrashed);
      if (entries.length === 0) {
        // The folder of a deleted world was moved back.
        if (!isTrashed && known?.ended === true) await this.#append([this.#entryOf(name, [])]);
        return;
      }
      await this.#append(entries);
      after = entries.at(-1)?.events.at(-1)?.id ?? after;
      if (!found.more || this.#isStopping) return;
    }
  }

  async #append(entries: readonly IndexEntry[]): Promise<void> {
    const results = await this.#run<"appendIndex">({ kind: "appendIndex", entries });
    for (const [at, { name }] of entries.entries()) {
      const result = results[at];
      if (result !== undefined && result !== GAP) this.#publish(name, result);
    }
  }

  /** Creates the index from all chains, in the order of their times. */
  async #create(names: readonly string[]): Promise<void> {
    for (const name of names) {
      await this.#stage((after) => this.#options.readChain(name, after), false);
      if (this.#isStopping) return;
    }
    for (const world of await this.#run<"trashed">({ kind: "trashed" })) {
      await this.#stage((after) => this.#readTrashed(world, after), true);
      if (this.#isStopping) return;
    }
    this.#position = await this.#run<"completeIndex">({ kind: "completeIndex" });
  }

  async #stage(
    read: (after: number) => Promise<ChainEvents | undefined>,
    isTrashed: boolean,
  ): Promise<void> {
    for (let after = 0;;) {
      const found = await readOrSkip(() => read(after));
      if (found === undefined) return;
      const entries = this.#entriesOf(found, isTrashed);
      if (entries.length > 0) await this.#run<"stage">({ kind: "stage", entries });
      after = entries.at(-1)?.events.at(-1)?.id ?? after;
      if (!found.more || this.#isStopping) return;
    }
  }

  #entriesOf({ chain, parts, more, ended }: ChainEvents, isTrashed: boolean): IndexEntry[] {
    return parts.map(({ name, events }, at) => ({
      ...this.#entryOf(name, events),
      chain,
      // Only the last part has the name that the world has now.
      ended: at < parts.length - 1 || (isTrashed || ended === true) && !more,
    }));
  }

  #entryOf(name: string, events: readonly CommittedEvent[]): IndexEntry {
    const { isRestricted } = this.#options;
    const move = events.map(readMove).find((found) => found !== undefined);
    const also = move?.from === name ? move.to : move?.from;
    return {
      name,
      restricted: isRestricted(name),
      ...(also === undefined ? {} : { alsoRestricted: isRestricted(also) }),
      events,
    };
  }

  async #pause(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resume) => {
      this.#endPause = resume;
      timer = setTimeout(resume, ms);
    });
    clearTimeout(timer);
  }

  #run<K extends IndexJob["kind"]>(
    job: WithoutId<Extract<IndexJob, { kind: K }>>,
  ): Promise<JobResults[K]> {
    return this.#options.worker.run<K>(job as WithoutId<Extract<IndexJob, { kind: K }>>);
  }
}

/** Reads events of a chain; undefined if the world cannot be read: the index continues without it. */
async function readOrSkip(
  read: () => Promise<ChainEvents | undefined>,
): Promise<ChainEvents | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof StoreError && error.code !== "closed") return undefined;
    throw error;
  }
}

function notReady(): StoreError {
  return new StoreError("busy", "Cannot read the changes: the index is being created");
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Returns the names of a `world_moved` event.
 *
 * @returns undefined for other events, and for a payload that was altered
 */
function readMove(
  { type, payload }: Pick<CommittedEvent, "type" | "payload">,
): { readonly from: string; readonly to: string } | undefined {
  if (type !== "world_moved") return undefined;
  try {
    const { from, to }: { from?: unknown; to?: unknown } = JSON.parse(payload) ?? {};
    if (typeof from !== "string" || typeof to !== "string") return undefined;
    return { from: from.slice(1), to: to.slice(1) };
  } catch {
    return undefined; // not JSON: the audit reports it
  }
}
