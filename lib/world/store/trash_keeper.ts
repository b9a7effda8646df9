/**
 * The trash of a running store: pages, restores and final deletions of one id one after the other, and
 * the background work. At the start it adds the facts of deleted worlds that earlier versions left; then
 * it deletes worlds for good whose time is over, in small steps, so that other work is not delayed.
 */

import {
  MAX_TRASH_PAGE_ENTRIES,
  TRASH_FACTS_PER_STEP,
  TRASH_PAUSE_MS,
  TRASH_SWEEP_MS,
  TRASH_WAIT_MS,
  TRASH_WORLDS_PER_STEP,
} from "../../limits.ts";
import { StoreError } from "../store.ts";
import { isTrashId } from "../trash.ts";
import type { Within } from "../changes.ts";
import type { CountedTrash } from "./trash_quotas.ts";
import type { TrashCounts, TrashEntry, TrashPage, TrashQuery } from "../trash.ts";
import { ExpiryClock } from "./expiry_clock.ts";
import { KeyedLock } from "./keyed_lock.ts";
import type { WithoutId, WorkerClient } from "./worker_client.ts";
import type { IndexJob, JobResults } from "./worker_messages.ts";

/** What a {@link TrashKeeper} needs. */
export interface TrashKeeperOptions {
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
  /** Called with each world that moved to the trash, and that left it. */
  readonly onAdded?: (world: CountedTrash) => void;
  readonly onTaken?: (world: Pick<CountedTrash, "id" | "name">) => void;
  /** Writes a line for the operator. */
  readonly log: (line: string) => void;
}

/** All worlds, also those that only T3 can read. */
const EVERYTHING: readonly Within[] = [{ part: "below", name: "", restricted: true }];

/** The trash of one store. */
export class TrashKeeper {
  readonly #options: TrashKeeperOptions;
  readonly #locks = new KeyedLock();
  readonly #clock: ExpiryClock;
  readonly #known = Promise.withResolvers<void>();
  #isKnown = false;
  #isStopping = false;
  #endPause: (() => void) | undefined;
  #entries = 0;
  #bytes = 0;
  #expired = 0;

  constructor(options: TrashKeeperOptions) {
    this.#options = options;
    this.#clock = new ExpiryClock(options.now(), options.monotonic());
    // A store that is closed before its trash is known fails no promise that is not awaited.
    this.#known.promise.catch(() => {});
  }

  /** Figures about the trash. */
  get counts(): TrashCounts {
    return { entries: this.#entries, bytes: this.#bytes, expired: this.#expired };
  }

  /**
   * Does the background work until {@link TrashKeeper.stop}.
   *
   * @param ready the background work begins after it; a failure of it does not matter
   */
  async run(ready: Promise<unknown>): Promise<void> {
    await this.#addUnknown();
    await ready.catch(() => {}); // the index reports it
    while (!this.#isStopping) {
      await this.#expire();
      await this.#pause(TRASH_SWEEP_MS);
      if (!this.#isStopping) await this.#addUnknown();
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
    return await this.use(id, async () => {
      const { deleted, bytes } = await this.#run<"expunge">({ kind: "expunge", trash: id });
      this.recordTaken(deleted, bytes);
      return deleted;
    });
  }

  /** Runs an operation on an id; no other operation on it runs at the same time. */
  use<T>(id: string, operation: () => Promise<T>): Promise<T> {
    return this.#locks.exclusive([id], operation);
  }

  /** Counts a world that moved to the trash. */
  recordAdded(world: CountedTrash): void {
    this.#entries += 1;
    this.#bytes += world.bytes;
    this.#options.onAdded?.(world);
  }

  /** Counts worlds that left the trash. */
  recordTaken(worlds: readonly Pick<CountedTrash, "id" | "name">[], bytes: number): void {
    this.#entries = Math.max(0, this.#entries - worlds.length);
    this.#bytes = Math.max(0, this.#bytes - bytes);
    for (const world of worlds) this.#options.onTaken?.(world);
  }

  /** Reads all of the trash, after it is known; it ends when the store is closed. */
  async *readAll(): AsyncGenerator<readonly TrashEntry[]> {
    const isKnown = await this.#known.promise.then(() => true, () => false);
    let query: TrashQuery = { within: EVERYTHING, limit: MAX_TRASH_PAGE_ENTRIES };
    for (let more = isKnown; more && !this.#isStopping;) {
      const page = await this.#run<"trashPage">({ kind: "trashPage", query });
      yield page.entries;
      const after = page.entries.at(-1);
      more = page.more && after !== undefined;
      if (after !== undefined) query = { ...query, after };
    }
  }

  /** Ends the background work. */
  stop(): void {
    this.#isStopping = true;
    this.#endPause?.();
    this.#known.reject(createClosedError());
  }

  /** Adds rows for folders that the table lacks, in small steps. */
  async #addUnknown(): Promise<void> {
    try {
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
      const size = await this.#run<"trashAdd">({ kind: "trashAdd", records: [] });
      this.#entries = size.entries;
      this.#bytes = size.bytes;
    } catch (error) {
      this.#report("read", error);
    }
    this.#isKnown = true;
    this.#known.resolve();
  }

  /** Deletes worlds whose time is over. */
  async #expire(): Promise<void> {
    const { keepMs, now, monotonic } = this.#options;
    if (keepMs === undefined) return;
    try {
      for (let found = TRASH_WORLDS_PER_STEP; found === TRASH_WORLDS_PER_STEP;) {
        // A time before 1970, of a very large setting, can be one that has no text.
        const end = Math.max(0, this.#clock.read(now(), monotonic()) - keepMs);
        const before = new Date(end).toISOString();
        const limit = TRASH_WORLDS_PER_STEP;
        const ids = await this.#run<"trashExpired">({ kind: "trashExpired", before, limit });
        for (const id of ids) {
          if (this.#isStopping) return;
          this.#expired += (await this.expunge(id)).length;
        }
        found = ids.length;
        if (found > 0) await this.#pause(TRASH_PAUSE_MS);
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

  async #pause(ms: number): Promise<void> {
    if (this.#isStopping) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resume) => {
      this.#endPause = resume;
      timer = setTimeout(resume, ms);
      // The background work must not keep a process running.
      Deno.unrefTimer(timer);
    });
    clearTimeout(timer);
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
