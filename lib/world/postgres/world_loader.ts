/**
 * Reads worlds that are not in memory. The database can answer late: what it says about a world is
 * remembered only if memory does not know a newer event of it. If the answer is newer than memory, the feed
 * is followed first, so that a caller that sees a version also sees it in listings.
 */

import { DamagedRows } from "../damaged_rows.ts";
import { StoreError, type World } from "../store.ts";
import { toWorld } from "../store/records.ts";
import type { ChangeFeed } from "./change_feed.ts";
import type { ClusterState, KnownHead } from "./cluster_state.ts";
import type { StoredWorld } from "./reads.ts";

/** How often a world is read during concurrent changes. */
const MAX_ATTEMPTS = 5;

/** What {@link WorldLoader} needs. */
export interface WorldLoaderOptions {
  readonly state: Pick<ClusterState, "headOf" | "compare" | "keep" | "cache">;
  readonly feed: Pick<ChangeFeed, "round">;
  /** Reads the current version of a world; undefined if no world has the name. */
  readonly read: (name: string) => Promise<StoredWorld | undefined>;
}

interface PendingLoad {
  readonly head: KnownHead | undefined;
  readonly world: Promise<World | undefined>;
}

/** Reads of one node; concurrent reads of one world share the result. */
export class WorldLoader {
  readonly #options: WorldLoaderOptions;
  readonly #pending = new Map<string, PendingLoad>();
  #count = 0;

  constructor(options: WorldLoaderOptions) {
    this.#options = options;
  }

  /** Number of reads of the database since the start. */
  get count(): number {
    return this.#count;
  }

  /** Reads a world of the upper layer; undefined if no world has the name. */
  async load(name: string): Promise<World | undefined> {
    const head = this.#options.state.headOf(name);
    const shared = this.#pending.get(name);
    // A read that began before the last change is not shared: it could miss that change.
    if (shared !== undefined && shared.head === head) return await shared.world;
    const pending: PendingLoad = { head, world: this.#load(name) };
    this.#pending.set(name, pending);
    try {
      return await pending.world;
    } finally {
      if (this.#pending.get(name) === pending) this.#pending.delete(name);
    }
  }

  async #load(name: string): Promise<World | undefined> {
    const { state, read } = this.#options;
    const before = state.headOf(name);
    let isFollowed = true;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      this.#count++;
      const found = await read(name);
      const cached = state.cache.get(name);
      if (cached !== undefined) return cached;
      if (found !== undefined) {
        // An answer that is older than memory now is still as new as memory was when it was asked for.
        if (state.compare(name, found) === "newer") await this.#follow();
        const world = toWorld(name, found);
        state.keep(world, found);
        return world;
      }
      // Deleted by another node, unless this one has created it since the answer.
      if (state.headOf(name) !== undefined) isFollowed = await this.#follow() && isFollowed;
      if (state.headOf(name) === undefined) return undefined;
    }
    if (!isFollowed) {
      const message = "Cannot read the world: the changes of other nodes cannot be followed";
      throw new StoreError("busy", message, name);
    }
    // Every change is published, and none of them has taken the world away.
    if (before !== undefined && state.headOf(name) === before) {
      throw new DamagedRows(`read ${name}`, "the database has no row of it under its name", name);
    }
    throw new StoreError("busy", "Cannot read the world: it changes too often", name);
  }

  /** Returns whether the feed was followed. */
  async #follow(): Promise<boolean> {
    try {
      await this.#options.feed.round("publish");
      return true;
    } catch {
      // Safe to ignore: the lease decides how old memory may be, and the feed reports the fault.
      return false;
    }
  }
}
