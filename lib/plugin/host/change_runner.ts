/**
 * Calls a plugin with the changes below the paths of its `on`: each change at least once, in the order
 * of all changes, one after another. The position is a cursor of the change index in the world
 * `/var/lib/<plugin>/on.json`, so that the calls continue after a restart. Changes that the plugin made
 * with its own grants are not delivered, and neither is anything below `/var/lib/<plugin>/`.
 *
 * A call that fails is repeated with a growing pause. After {@link MAX_CHANGE_ATTEMPTS} failures the
 * change is skipped, so that one change cannot keep all others back.
 */

import type { Caller } from "../../auth/caller.ts";
import { Problem } from "../../http/problem.ts";
import {
  CHANGE_PAGE_EVENTS,
  CHANGE_RETRY_MS,
  CHANGE_SAVE_MS,
  MAX_CHANGE_ATTEMPTS,
  MAX_CHANGE_RETRY_FACTOR,
} from "../../cell_limits.ts";
import type { Within } from "../../world/changes.ts";
import { isPrivatePath } from "../../auth/policy.ts";
import { type Store, StoreError, type StoreErrorCode } from "../../world/store.ts";
import { type PluginChange, toPluginChange } from "./plugin_change.ts";

/** Failures of a store that is never used again. */
const FINAL: ReadonlySet<StoreErrorCode> = new Set<StoreErrorCode>([
  "closed",
  "detached",
  "unusable",
]);

/** Figures about the changes of one plugin since its start. */
export interface ChangeCounts {
  /** Changes whose call ended without an error. */
  readonly delivered: number;
  /** Calls that failed. */
  readonly failed: number;
  /** Changes that were given up. */
  readonly skipped: number;
  /** Age of the change that is being delivered, in milliseconds; 0 if none waits. */
  readonly lagMs: number;
}

/** Dependencies of a runner. */
export interface ChangeRunnerOptions {
  /** Name of the plugin without its namespace. */
  readonly plugin: string;
  /** Paths of worlds, and of collections with a slash at the end. */
  readonly on: readonly string[];
  /** The plugin with its grants. */
  readonly caller: Caller;
  readonly store: Pick<Store, "changes" | "follow" | "read" | "put">;
  /** Returns the current time in Unix milliseconds, for the age of changes. */
  readonly now: () => number;
  /** Returns milliseconds of a clock that only moves forward. */
  readonly elapsed: () => number;
  /** Pause after the first failure in milliseconds; default: {@link CHANGE_RETRY_MS}. */
  readonly retryMs?: number;
  /** Calls the plugin. Rejects if the call failed. */
  deliver(change: PluginChange): Promise<void>;
  /** Called if changes were not delivered: one was given up, or the position is not known any more. */
  onLoss(loss: ChangeLoss): void;
  readonly log: (line: string) => void;
}

/** Changes that were not delivered. */
export type ChangeLoss =
  | { readonly kind: "skipped"; readonly change: PluginChange; readonly reason: string }
  | { readonly kind: "restarted"; readonly reason: string };

const encoder = new TextEncoder();

/** Returns the name of the world with the position of a plugin. */
export function positionWorld(plugin: string): string {
  return `var/lib/${plugin}/on.json`;
}

/** Delivers changes to one plugin. */
export class ChangeRunner {
  /** Resolves when the position of the first change is known, or the runner has stopped. */
  readonly started: Promise<void>;
  readonly #options: ChangeRunnerOptions;
  readonly #within: readonly Within[];
  readonly #retryMs: number;
  readonly #counts = { delivered: 0, failed: 0, skipped: 0 };
  readonly #stop = Promise.withResolvers<void>();
  readonly #start = Promise.withResolvers<void>();
  readonly #ended: Promise<void>;
  #isStopped = false;
  #isLost = false;
  #wake = Promise.withResolvers<void>();
  /** Time of the change that is being delivered. */
  #current: number | undefined;
  #position = "";
  #savedPosition = "";
  #savedAt = -Infinity;

  /** @param after resolves when an earlier runner of the plugin has ended */
  constructor(options: ChangeRunnerOptions, after: Promise<void> = Promise.resolve()) {
    this.#options = options;
    this.#retryMs = options.retryMs ?? CHANGE_RETRY_MS;
    this.#within = options.on.map(toWithin);
    this.started = this.#start.promise;
    this.#ended = after.then(() => this.#run())
      .catch((error) =>
        options.log(`plugin ${options.plugin}: changes are not delivered: ${error}`)
      )
      .finally(() => this.#start.resolve());
  }

  /** Figures since the start. */
  get counts(): ChangeCounts {
    const lagMs = this.#current === undefined
      ? 0
      : Math.max(0, this.#options.now() - this.#current);
    return { ...this.#counts, lagMs };
  }

  /**
   * Begins no further calls. Resolves when the call in progress has ended.
   *
   * @param isLost another server delivers the changes now, so the position is not stored
   */
  stop(isLost = false): Promise<void> {
    this.#isStopped = true;
    this.#isLost ||= isLost;
    this.#stop.resolve();
    return this.#ended;
  }

  async #run(): Promise<void> {
    const { store, on } = this.#options;
    const unfollow = on.map((path) => store.follow(path.slice(1), () => this.#wake.resolve()));
    try {
      await this.#repeat(() => this.#findStart());
      this.#start.resolve();
      while (!this.#isStopped) {
        this.#wake = Promise.withResolvers();
        const isMore = await this.#repeat(() => this.#deliverPage());
        if (isMore === true) continue;
        await Promise.race([this.#wake.promise, this.#stop.promise]);
      }
      if (!this.#isLost) await this.#trySave();
    } finally {
      for (const remove of unfollow) remove();
    }
  }

  /**
   * Repeats an operation of the store until it succeeds, with a growing pause.
   *
   * @returns undefined if the runner was stopped
   */
  async #repeat<T>(act: () => Promise<T>): Promise<T | undefined> {
    for (let failures = 0; !this.#isStopped; failures++) {
      try {
        return await act();
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        if (FINAL.has(error.code)) throw error;
        if (error.code === "gone") await this.#restart(error.message);
        else if (failures === 0) this.#log(`changes cannot be read: ${error.message}`);
        await this.#pause(failures);
      }
    }
  }

  /** Reads the position, or begins with the next change. */
  async #findStart(): Promise<void> {
    const world = await this.#options.store.read(positionWorld(this.#options.plugin));
    const cursor = world === undefined ? undefined : readCursor(world.body);
    if (cursor === undefined) return await this.#beginNow();
    this.#position = this.#savedPosition = cursor;
  }

  async #beginNow(): Promise<void> {
    const query = { within: this.#within, order: "newest", limit: 1 } as const;
    this.#position = (await this.#options.store.changes(query)).cursor;
    await this.#save();
  }

  /** Begins with the next change, because the index of changes does not know the position any more. */
  async #restart(reason: string): Promise<void> {
    this.#options.onLoss({ kind: "restarted", reason });
    try {
      await this.#beginNow();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#position = ""; // `#deliverPage` fails again
    }
  }

  /** @returns whether further changes may follow */
  async #deliverPage(): Promise<boolean> {
    const { events, cursor, more } = await this.#options.store.changes({
      within: this.#within,
      order: "oldest",
      from: this.#position,
      limit: CHANGE_PAGE_EVENTS,
    });
    let isDelivered = false;
    for (const event of events) {
      const change = toPluginChange(this.#options, event);
      if (change !== undefined) {
        this.#current = Date.parse(change.at);
        if (!await this.#deliver(change)) return false;
        isDelivered = true;
      }
      this.#position = event.cursor;
      if (isDelivered && this.#options.elapsed() - this.#savedAt >= CHANGE_SAVE_MS) {
        await this.#trySave();
      }
    }
    this.#current = undefined;
    this.#position = cursor;
    if (isDelivered && !more) await this.#trySave();
    return more;
  }

  /** @returns false if the runner was stopped before the change was delivered or given up */
  async #deliver(change: PluginChange): Promise<boolean> {
    for (let attempts = 0, calls = 0; !this.#isStopped; calls++) {
      try {
        await this.#options.deliver(change);
        this.#counts.delivered++;
        return true;
      } catch (error) {
        if (this.#isStopped) return false;
        this.#counts.failed++;
        const reason = error instanceof Error ? error.message : String(error);
        // Without a call, because the plugin cannot be started or has too many requests, the change is
        // not at fault.
        if (!(error instanceof Problem && error.type === "unavailable")) attempts++;
        if (attempts >= MAX_CHANGE_ATTEMPTS) {
          this.#counts.skipped++;
          this.#options.onLoss({ kind: "skipped", change, reason });
          return true;
        }
        await this.#pause(calls);
      }
    }
    return false;
  }

  /** Stores the position. If that fails, changes are delivered again after a restart. */
  async #trySave(): Promise<void> {
    try {
      await this.#save();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#savedAt = this.#options.elapsed();
      this.#log(`the position of its changes cannot be stored: ${error.message}`);
    }
  }

  async #save(): Promise<void> {
    if (this.#position === this.#savedPosition || this.#position === "") return;
    const position = this.#position;
    const body = encoder.encode(`${JSON.stringify({ cursor: position })}\n`);
    const name = positionWorld(this.#options.plugin);
    await this.#options.store.put({ name, body, ext: "json", meta: [], by: "machine" });
    this.#savedPosition = position;
    this.#savedAt = this.#options.elapsed();
  }

  async #pause(failures: number): Promise<void> {
    const ms = this.#retryMs * Math.min(2 ** Math.min(failures, 30), MAX_CHANGE_RETRY_FACTOR);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    Deno.unrefTimer(Number(timer));
    await Promise.race([promise, this.#stop.promise]);
    clearTimeout(timer);
  }

  #log(text: string): void {
    this.#options.log(`plugin ${this.#options.plugin}: ${text}`);
  }
}

function toWithin(path: string): Within {
  const isTree = path.endsWith("/");
  const name = isTree ? path.slice(1, -1) : path.slice(1);
  return { name, part: isTree ? "below" : "exact", restricted: isPrivatePath(`/${name}`) };
}

function readCursor(body: Uint8Array): string | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    if (typeof value !== "object" || value === null || !("cursor" in value)) return undefined;
    return typeof value.cursor === "string" ? value.cursor : undefined;
  } catch {
    return undefined; // T3 has written something else: begin with the next change
  }
}
