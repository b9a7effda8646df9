/**
 * The search index of a running store: passes changed worlds to the Worker that has the index file,
 * and answers searches. The index is derived data. It starts some time after the store, compares each
 * world with its stamp in the file, and follows the changes. Only names wait here, so that the memory
 * is bounded by the number of worlds; a world that changes often waits once.
 *
 * A search first brings the worlds that it covers up to date, so it finds every change that was
 * acknowledged before it, however busy the computer is. Worlds that it does not cover cost it
 * nothing, so that its caller learns nothing about them.
 */

import { INDEX_RETRY_MS } from "../../limits.ts";
import {
  MAX_SEARCH_UPDATE_BYTES,
  MAX_SEARCH_UPDATE_WORLDS,
  MAX_SEARCHED_WORLD_BYTES,
  SEARCH_COLLECT_MS,
  SEARCH_PAUSE_MS,
  SEARCH_QUIET_MS,
  SEARCH_REBUILD_MS,
  SEARCH_START_DELAY_MS,
  SEARCH_WAIT_MS,
  SEARCH_WAITING_CHARS,
} from "../../search_limits.ts";
import type { Within } from "../changes.ts";
import type { SearchEntry, SearchFileCounts, SearchPage, SearchQuery } from "../search.ts";
import { toSearchStamp } from "../search_stamp.ts";
import {
  type JobCaller,
  StoreError,
  type StoreErrorCode,
  type World,
  type WorldEntry,
} from "../store.ts";
import type { SearchCounts } from "../store_counts.ts";
import type { LongJobLimits } from "./long_jobs.ts";
import { Pauses } from "./pauses.ts";
import { SearchJobs } from "./search_jobs.ts";
import type { WorldFiles } from "./world_files.ts";

/** What a {@link SearchIndex} needs. */
export interface SearchIndexOptions {
  readonly files: Pick<WorldFiles, "updateSearch" | "runSearch" | "changeSearch">;
  /** The visible world of a name, from the catalog. */
  readonly stat: (name: string) => WorldEntry | undefined;
  /** All visible worlds. */
  readonly walk: () => readonly WorldEntry[];
  /** The world if it is in memory, of either layer. */
  readonly peek: (name: string) => World | undefined;
  readonly read: (name: string) => Promise<World | undefined>;
  /** Whether only T3 can read a world. */
  readonly isRestricted: (name: string) => boolean;
  /** The world as callers below T3 see it; the same object if nothing is hidden from them. */
  readonly redact: (world: World) => World;
  /** Whether {@link SearchIndexOptions.redact} can hide something in a world. */
  readonly isRedacted: (name: string) => boolean;
  readonly limits: LongJobLimits;
  /**
   * How long a search waits for a world whose file is locked, in milliseconds. It then uses what the
   * index has of it, as all searches do until the world can be read.
   */
  readonly lockWaitMs: number;
  /** Writes a line for the operator. */
  readonly log: (line: string) => void;
  /** The monotonic clock in milliseconds; `performance.now` if absent. */
  readonly now?: () => number;
}

/** Codes of errors that concern the file of the index. */
const FILE_FAULTS: ReadonlySet<StoreErrorCode> = new Set<StoreErrorCode>([
  "damaged",
  "full",
  "in-use",
  "read-only",
]);
const NO_NAMES: ReadonlySet<string> = new Set();
const ALL_NAMES = { has: () => true };
const EMPTY: SearchFileCounts = { worlds: 0, waitingChars: 0, bytes: 0 };

/** The search index of one store. */
export class SearchIndex {
  readonly #options: SearchIndexOptions;
  readonly #jobs: SearchJobs;
  readonly #now: () => number;
  /** Names that wait, with the time since which they do. */
  readonly #pending = new Map<string, number>();
  /** Names of the update that is running. */
  #running: ReadonlySet<string> = new Set();
  /** Names that a search waits for. */
  readonly #wanted = new Set<string>();
  #counts = EMPTY;
  #lastChange = -Infinity;
  #opening: Promise<void> | undefined;
  /** Whether worlds that no longer exist must be removed from the file. */
  #mustSweep = false;
  #isWorking = false;
  #isStopping = false;
  #startTimer: ReturnType<typeof setTimeout> | undefined;
  /** Names whose file could not be read, with the time since which it cannot. */
  readonly #failed = new Map<string, number>();
  readonly #pauses = new Pauses();
  /** Names whose search must not end the pause, because the last attempt to read them failed. */
  #retried: Pick<ReadonlySet<string>, "has"> = NO_NAMES;
  #step = Promise.withResolvers<void>();
  #lastFault = "";
  /** Times that the file was created again since all worlds were in it. */
  #damages = 0;
  /** Time at which it was last created again. */
  #createdAt = -Infinity;

  constructor(options: SearchIndexOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#jobs = new SearchJobs(options.limits);
  }

  get counts(): SearchCounts {
    return {
      ...this.#counts,
      pending: this.#pending.size + this.#running.size,
      ...this.#jobs.counts,
    };
  }

  /** Starts to follow the worlds in a moment, so that the start of the server does not wait. */
  start(delayMs = SEARCH_START_DELAY_MS): void {
    this.#startTimer = setTimeout(() => {
      this.#open().catch((error) => {
        this.#report(error);
        if (!this.#isStopping) this.start();
      });
    }, delayMs);
  }

  /** Records that a world changed. */
  record(name: string): void {
    this.#lastChange = this.#now();
    this.#jobs.recordChange();
    // Until the index is open, all worlds are still to be compared with it.
    if (this.#opening === undefined || this.#pending.has(name)) return;
    this.#pending.set(name, this.#lastChange);
    void this.#work();
  }

  /**
   * Searches. Equal searches share one job as long as nothing changes.
   *
   * @throws {StoreError} `busy` if too many searches wait, or the index is still being created
   */
  search(query: SearchQuery, caller: JobCaller): Promise<SearchPage> {
    return this.#jobs.run(query, caller, (signal) => this.#run(query, signal));
  }

  /** Stops the updates and all searches. */
  stop(): void {
    this.#isStopping = true;
    clearTimeout(this.#startTimer);
    this.#jobs.close();
    this.#pauses.close();
    this.#endStep();
  }

  async #run(query: SearchQuery, signal: AbortSignal): Promise<SearchPage> {
    for (let attempt = 0;; attempt++) {
      try {
        await this.#open();
        await this.#complete(query.within, signal);
        const page = await this.#options.files.runSearch(query, signal);
        // A world that was deleted since then is not shown.
        const hits = page.hits.filter(({ name }) => this.#options.stat(name) !== undefined);
        return { ...page, hits };
      } catch (error) {
        // No search can make the server create the index again and again.
        const isRecent = this.#now() - this.#createdAt < SEARCH_REBUILD_MS;
        if (attempt > 0 || isRecent || !isDamage(error)) throw this.#toSearchError(error);
        await this.#openAgain(error).catch((failure) => {
          throw this.#toSearchError(failure);
        });
      }
    }
  }

  /** The fault of a search: one of the file of the index is not one of a world, and it can end. */
  #toSearchError(error: unknown): unknown {
    if (!(error instanceof StoreError) || !FILE_FAULTS.has(error.code)) return error;
    this.#report(error);
    return new StoreError(
      "busy",
      "Cannot search: the file of the search index cannot be used now; try again later",
    );
  }

  /** Opens the file and lets all worlds be compared with it; once. */
  #open(): Promise<void> {
    clearTimeout(this.#startTimer);
    return this.#opening ??= this.#openFile(false).catch((error) => {
      this.#opening = undefined;
      throw error;
    });
  }

  async #openFile(isDamaged: boolean): Promise<void> {
    if (this.#isStopping) throw new StoreError("closed", "Cannot search: the server is stopping");
    const opened = this.#options.files.changeSearch({ kind: "openSearch", isDamaged });
    this.#counts = await opened;
    for (const { name } of this.#options.walk()) this.#pending.set(name, -Infinity);
    this.#mustSweep = true;
    void this.#work();
  }

  async #openAgain(error: unknown): Promise<void> {
    this.#createdAt = this.#now();
    this.#options.log(`created the search index again: ${describe(error)}`);
    this.#opening = this.#openFile(true).catch((failure) => {
      this.#opening = undefined;
      throw failure;
    });
    await this.#opening;
  }

  /**
   * Waits until the index has the worlds that a search covers.
   *
   * @throws {StoreError} `busy` if that takes too long
   */
  async #complete(within: readonly Within[], signal: AbortSignal): Promise<void> {
    const startedAt = this.#now();
    const names = [...this.#running, ...this.#pending.keys()].filter((name) =>
      !this.#isLocked(name, startedAt) && within.some((part) => isWithin(name, part))
    );
    // The pause after a failure can be longer than a search waits.
    const timer = setInterval(() => this.#endStep(), SEARCH_COLLECT_MS);
    try {
      await this.#waitFor(names, startedAt, signal);
    } finally {
      clearInterval(timer);
    }
  }

  async #waitFor(all: readonly string[], startedAt: number, signal: AbortSignal): Promise<void> {
    for (let names = all;;) {
      names = names.filter((name) => this.#isMissing(name, startedAt));
      for (const name of names) this.#wanted.add(name);
      const now = this.#now();
      if (names.length === 0 || signal.aborted) return;
      if (now - startedAt > SEARCH_WAIT_MS) {
        const fault = `the search index does not have ${names.length} of the worlds yet`;
        throw new StoreError("busy", `Cannot search: ${fault}; try again later`);
      }
      // Without a world to read, the end of the pause would only begin the next one.
      if (this.#hasWanted(this.#retried)) this.#pauses.end();
      void this.#work();
      // Looking at many names after each step would cost more than the steps.
      do await this.#nextStep(); while (this.#now() - now < names.length / 1_000);
      if (this.#isStopping) throw new StoreError("closed", "Cannot search: the server is stopping");
    }
  }

  /** Whether the index does not have a world yet as it was at a time. */
  #isMissing(name: string, time: number): boolean {
    if (this.#isLocked(name, this.#now())) return false;
    // A world that changed since then waits for the next search.
    return this.#running.has(name) || (this.#pending.get(name) ?? Infinity) <= time;
  }

  /** Whether a world could not be read for so long that searches do not wait for it any more. */
  #isLocked(name: string, now: number): boolean {
    return now - (this.#failed.get(name) ?? Infinity) >= this.#options.lockWaitMs;
  }

  /** Works until nothing is left to do; one call runs at a time. */
  async #work(): Promise<void> {
    if (this.#isWorking || this.#isStopping) return;
    this.#isWorking = true;
    try {
      while (!this.#isStopping && await this.#workOnce()) this.#endStep();
    } finally {
      this.#isWorking = false;
      this.#endStep();
    }
  }

  /** @returns whether more is to do */
  async #workOnce(): Promise<boolean> {
    try {
      const now = this.#now();
      const [oldest] = this.#pending.values();
      const isDue = oldest !== undefined && now - oldest >= SEARCH_COLLECT_MS;
      const isQuiet = now - this.#lastChange >= SEARCH_QUIET_MS;
      if (this.#hasWanted() || isDue) {
        await this.#update();
        // Writes have priority: a pause after each step lets them have the processors.
        if (!isQuiet && this.#wanted.size === 0) await this.#pause(SEARCH_PAUSE_MS / 8);
      } else if (this.#mustSweep && oldest === undefined) {
        this.#mustSweep = false;
        this.#damages = 0;
        this.#counts = await this.#options.files.changeSearch({ kind: "sweepSearch" });
      } else if (
        this.#counts.waitingChars > 0 &&
        (isQuiet || this.#counts.waitingChars > SEARCH_WAITING_CHARS)
      ) {
        this.#counts = await this.#options.files.changeSearch({ kind: "indexSearch" });
        if (!isQuiet) await this.#pause(SEARCH_PAUSE_MS);
      } else if (oldest !== undefined || this.#counts.waitingChars > 0) {
        await this.#pause(SEARCH_COLLECT_MS / 2);
      } else return false;
      this.#lastFault = "";
    } catch (error) {
      await this.#onFault(error);
    }
    return true;
  }

  async #onFault(error: unknown): Promise<void> {
    if (this.#isStopping) return;
    if (!isDamage(error)) {
      this.#report(error);
      return await this.#pause(INDEX_RETRY_MS, ALL_NAMES);
    }
    try {
      await this.#openAgain(error);
    } catch (failure) {
      this.#report(failure);
    }
    // A fault that comes back must not keep the server busy.
    await this.#pause(INDEX_RETRY_MS * Math.min(60, 2 ** this.#damages++), ALL_NAMES);
  }

  #hasWanted(except: Pick<ReadonlySet<string>, "has"> = NO_NAMES): boolean {
    for (const name of this.#wanted) {
      if (this.#pending.has(name) && !except.has(name)) return true;
    }
    return false;
  }

  /** Updates some worlds: those that searches wait for first, then the oldest. */
  async #update(): Promise<void> {
    const taken = new Map<string, number>();
    const entries: SearchEntry[] = [];
    let bytes = 0;
    for (const name of this.#namesInOrder()) {
      const since = this.#pending.get(name);
      if (since === undefined) continue;
      this.#pending.delete(name);
      taken.set(name, since);
      // Most worlds that are compared at the start are unchanged; their content is not needed.
      const entry = this.#toEntry(name, since > -Infinity ? this.#options.peek(name) : undefined);
      entries.push(entry);
      bytes += entry.body?.length ?? 0;
      if (entries.length >= MAX_SEARCH_UPDATE_WORLDS || bytes >= MAX_SEARCH_UPDATE_BYTES) break;
    }
    this.#running = new Set(taken.keys());
    try {
      for (let at = 0; at < entries.length && !this.#isStopping;) {
        const result = await this.#options.files.updateSearch(entries.slice(at));
        this.#counts = result.counts;
        for (const { name } of entries.slice(at, at + result.done)) {
          this.#wanted.delete(name);
          if (result.failed.includes(name)) {
            if (!this.#failed.has(name)) this.#failed.set(name, this.#now());
          } else if (taken.delete(name)) this.#failed.delete(name);
        }
        at += result.done;
        for (const name of result.needsBody) await this.#sendBody(name);
      }
    } finally {
      // A world that failed is tried again; one that changed in the meantime has its own time.
      for (const [name, since] of taken) {
        if (!this.#pending.has(name)) this.#pending.set(name, since);
      }
      this.#running = new Set();
    }
    // Locked: the Worker would find it locked again at once.
    if (taken.size > 0) await this.#pause(this.#pauseOf(taken.keys()), taken);
  }

  /**
   * The pause before locked worlds are read again. It grows with the time since the newest lock: after
   * a crash, the server's own Workers lock a world for some milliseconds while its log is recovered.
   */
  #pauseOf(names: Iterable<string>): number {
    let since = -Infinity;
    for (const name of names) since = Math.max(since, this.#failed.get(name) ?? -Infinity);
    return Math.min(SEARCH_COLLECT_MS, Math.max(SEARCH_PAUSE_MS, this.#now() - since));
  }

  *#namesInOrder(): Generator<string, void> {
    yield* this.#wanted;
    yield* this.#pending.keys();
  }

  /** Sends a world that the Worker cannot read: of the lower layer, or one with a redacted form. */
  async #sendBody(name: string): Promise<void> {
    let world: World | undefined;
    try {
      world = await this.#options.read(name);
    } catch (error) {
      if (!(error instanceof StoreError) || error.code === "closed") throw error;
      this.#failed.set(name, -Infinity); // locked or damaged; it is read again after its next change
      return;
    }
    const entry = this.#toEntry(name, world);
    if (entry.needsBody === undefined) await this.#options.files.updateSearch([entry]);
  }

  /** @param world the world, if its content is to be sent */
  #toEntry(name: string, world: World | undefined): SearchEntry {
    const { stat, isRestricted, isRedacted, redact } = this.#options;
    const found = stat(name);
    const restricted = isRestricted(name);
    if (found === undefined) {
      return { name, restricted, stamp: "", version: 0, isTooLong: false };
    }
    const { version, updatedAt } = world ?? found;
    const isTooLong = found.len > MAX_SEARCHED_WORLD_BYTES;
    const entry = { name, restricted, version, isTooLong };
    // The times of the lower layer are those of the start.
    const stamp = found.layer === "upper"
      ? toSearchStamp(version, updatedAt)
      : `lower ${this.#options.peek(name)?.sha256 ?? ""}`;
    const isSent = found.layer === "lower" || isRedacted(name);
    if (isTooLong) return { ...entry, stamp };
    if (world === undefined) return { ...entry, stamp, ...(isSent ? { needsBody: true } : {}) };
    const shown = redact(world);
    return {
      ...entry,
      stamp,
      body: world.body,
      ...(shown === world ? {} : { redacted: shown.body }),
    };
  }

  #nextStep(): Promise<void> {
    return this.#step.promise;
  }

  #endStep(): void {
    this.#step.resolve();
    this.#step = Promise.withResolvers();
  }

  #report(error: unknown): void {
    // The server reports a lost data folder itself, and stops.
    if (this.#isStopping || error instanceof StoreError && error.code === "detached") return;
    const fault = describe(error);
    if (fault !== this.#lastFault) {
      this.#options.log(`cannot update the search index, trying again: ${fault}`);
    }
    this.#lastFault = fault;
  }

  /** @param retried the names whose search must not end the pause */
  async #pause(ms: number, retried: Pick<ReadonlySet<string>, "has"> = NO_NAMES): Promise<void> {
    this.#retried = retried;
    await this.#pauses.wait(ms);
  }
}

function isWithin(name: string, { name: above, part }: Within): boolean {
  if (above === "") return part !== "exact";
  if (name === above) return part !== "below";
  return part !== "exact" && name.startsWith(`${above}/`);
}

function isDamage(error: unknown): boolean {
  return error instanceof StoreError && error.code === "damaged";
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
