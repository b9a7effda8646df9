/**
 * The trash of a running store: pages, restores and final deletions of one id one after the other, and
 * the background work. At the start it adds the facts of deleted worlds that earlier versions left; then
 * it deletes worlds for good whose time is over, in small steps, so that other work is not delayed.
 */

import {
  TRASH_FACTS_PER_STEP,
  TRASH_PAUSE_MS,
  TRASH_SWEEP_MS,
  TRASH_WAIT_MS,
  TRASH_WORLDS_PER_STEP,
} from "../../limits.ts";
import { StoreError } from "../store.ts";
import { isTrashId } from "../trash.ts";
import type { TrashEntry, TrashPage, TrashQuery } from "../trash.ts";
import { ExpiryClock } from "./expiry_clock.ts";
import { Pauses } from "./pauses.ts";
import { readTrashPages, TrashCounter, type TrashListeners } from "./trash_counter.ts";
import type { WithoutId, WorkerClient } from "./worker_client.ts";
import type { IndexJob, JobResults } from "./worker_messages.ts";

/** How often the size of the trash is read while it changes, and the pause between, in milliseconds. */
const SIZE_READS = 5;
const SIZE_PAUSE_MS = 500;

/** What a {@link TrashKeeper} needs. */
export interface TrashKeeperOptions extends TrashListeners {
  /** The Worker that serves the trash. */
  readonly worker: Pick<WorkerClient, "run">;
  /** Whether only T3 can read a world. */
  readonly isRestricted: (name: string) => boolean;
  /** How long deleted worlds are kept, in milliseconds; undefined keeps them. */
  readonly keepMs?: number;
  /** Current time in Unix milliseconds. */
  readonly now: () => number;
  /** Milliseconds of a clock that only moves forward. */
  readonly monotonic: () => number;
  /** Adds a promise that a clean shutdown waits for. */
  readonly track: <T>(promise: Promise<T>) => Promise<T>;
  /** Writes a line for the operator. */
  readonly log: (line: string) => void;
}

/** The trash of one store. */
export class TrashKeeper {
  readonly counter: TrashCounter;
  readonly #options: TrashKeeperOptions;
  readonly #clock: ExpiryClock;
  readonly #known = Promise.withResolvers<void>();
  #isKnown = false;
  #isStopping = false;
  /** The background work must not keep a process running. */
  readonly #pauses = new Pauses({ keepsProcess: false });

  constructor(options: TrashKeeperOptions) {
    this.#options = options;
    this.counter = new TrashCounter(options);
    this.#clock = new ExpiryClock(options.now(), options.monotonic());
    // A store that is closed before its trash is known fails no promise that is not awaited.
    this.#known.promise.catch(() => {});
  }

  /**
   * Does the background work until {@link TrashKeeper.stop}.
   *
   * @param ready the background work begins after it; a failure of it does not matter
   */
  async run(ready: Promise<unknown>): Promise<void> {
    await this.#count();
    await ready.catch(() => {}); // the index reports it
    while (!this.#isStopping) {
      await this.#expire();
      await this.#pauses.wait(TRASH_SWEEP_MS);
      if (!this.#isStopping) await this.#count();
    }
  }

  /**
   * Reads a page, newest first.
   *
   * @throws {StoreError} `busy` while the facts of worlds of an earlier version are being read
   */
  async page(query: TrashQuery): Promise<TrashPage> {
    if (!this.#isKnown) await this.#waitUntilKnown();
    return await this.#run<"trashPage">({ kind: "trashPage", query });
  }

  /** Returns the worlds of an id; empty if it is not in the trash. */
  async ofId(id: string): Promise<readonly TrashEntry[]> {
    return isTrashId(id) ? await this.#run<"trashOfId">({ kind: "trashOfId", trash: id }) : [];
  }

  /**
   * Deletes the worlds of an id for good.
   *
   * @returns what was deleted; empty if the id is not in the trash
   */
  async expunge(id: string): Promise<readonly TrashEntry[]> {
    if (!isTrashId(id)) return [];
    return await this.counter.use(id, async () => {
      const { deleted, bytes } = await this.#run<"expunge">({ kind: "expunge", trash: id });
      this.counter.recordTaken(deleted, bytes);
      return deleted;
    });
  }

  /** Reads all of the trash, after it is known; it ends when the store is closed. */
  async *readAll(): AsyncGenerator<readonly TrashEntry[]> {
    const isKnown = await this.#known.promise.then(() => true, () => false);
    if (!isKnown) return;
    yield* readTrashPages(
      (query) => this.#run<"trashPage">({ kind: "trashPage", query }),
      () => this.#isStopping,
    );
  }

  /** Ends the background work. */
  stop(): void {
    this.#isStopping = true;
    this.#pauses.close();
    this.#known.reject(createClosedError());
  }

  /** Makes all of the trash known, and adds it up: again if it changes at the same time. */
  async #count(): Promise<void> {
    try {
      let isExact = await this.#addUnknown().then(() => this.#measure());
      this.#setKnown();
      for (let reads = 1; reads < SIZE_READS && !isExact && !this.#isStopping; reads++) {
        await this.#pauses.wait(SIZE_PAUSE_MS);
        isExact = await this.#measure();
      }
    } catch (error) {
      this.#report("read", error);
      this.#setKnown();
    }
  }

  #setKnown(): void {
    this.#isKnown = true;
    this.#known.resolve();
  }

  async #measure(): Promise<boolean> {
    const read = () => this.#run<"trashAdd">({ kind: "trashAdd", records: [] });
    return await this.counter.measure(read, "keep");
  }

  /** Adds rows for folders that the table lacks, in small steps. */
  async #addUnknown(): Promise<void> {
    const now = new Date(this.#options.now()).toISOString();
    const ids = await this.#run<"trashUnknown">({ kind: "trashUnknown", now });
    for (let at = 0; at < ids.length && !this.#isStopping; at += TRASH_FACTS_PER_STEP) {
      const step = ids.slice(at, at + TRASH_FACTS_PER_STEP);
      const facts = await this.#run<"trashFacts">({ kind: "trashFacts", ids: step });
      const records = facts.map((entry) => ({
        ...entry,
        restricted: this.#options.isRestricted(entry.name),
      }));
      await this.#run<"trashAdd">({ kind: "trashAdd", records });
    }
  }

  /** Deletes worlds whose time is over. */
  async #expire(): Promise<void> {
    const { keepMs, now, monotonic } = this.#options;
    if (keepMs === undefined) return;
    try {
      for (let found = TRASH_WORLDS_PER_STEP; found === TRASH_WORLDS_PER_STEP;) {
        const before = this.#clock.before(keepMs, now(), monotonic());
        const limit = TRASH_WORLDS_PER_STEP;
        const ids = await this.#run<"trashExpired">({ kind: "trashExpired", before, limit });
        for (const id of ids) {
          if (this.#isStopping) return;
          this.counter.recordExpired((await this.expunge(id)).length);
        }
        found = ids.length;
        if (found > 0) await this.#pauses.wait(TRASH_PAUSE_MS);
      }
    } catch (error) {
      this.#report("empty", error);
    }
  }

  #report(verb: string, error: unknown): void {
    if (this.#isStopping || error instanceof StoreError && error.code === "closed") return;
    const message = error instanceof Error ? error.message : String(error);
    this.#options.log(`cannot ${verb} the trash, trying again later: ${message}`);
  }

  async #waitUntilKnown(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new StoreError("busy", "Cannot read the trash: the server reads its worlds"));
      }, TRASH_WAIT_MS);
    });
    try {
      await Promise.race([this.#known.promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #run<K extends IndexJob["kind"]>(
    job: WithoutId<Extract<IndexJob, { kind: K }>>,
  ): Promise<JobResults[K]> {
    if (this.#isStopping) return Promise.reject(createClosedError());
    return this.#options.track(
      this.#options.worker.run<K>(job as WithoutId<Extract<IndexJob, { kind: K }>>),
    );
  }
}

function createClosedError(): StoreError {
  return new StoreError("closed", "Cannot use the trash: the server is stopping");
}
