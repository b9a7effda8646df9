/**
 * Creation time and identity of worlds. Both come from the first event of a world's chain, which
 * never changes, so each is read once and cached until the world is deleted. The identity
 * distinguishes a world from an earlier, deleted one of the same name.
 */

import { MAX_CREATION_INFO_ENTRIES } from "../../dav_limits.ts";
import type { Store, WorldEntry } from "../../world/store.ts";

/** Creation time and identity of a world. */
export interface CreationInfo {
  /** RFC 3339 time of the first event. */
  readonly createdAt: string;
  /** HMAC of the first event, unique to the world; `""` for a lower-layer world. */
  readonly id: string;
}

/** A cache of the creation info of worlds. */
export class CreationInfoCache {
  readonly #store: Pick<Store, "log" | "watch">;
  readonly #cached = new Map<string, CreationInfo>();
  /** Reads that are running, shared by all requests for the same world. */
  readonly #pending = new Map<string, Promise<CreationInfo | undefined>>();
  #deletions = 0;

  constructor(store: Pick<Store, "log" | "watch">) {
    this.#store = store;
    store.watch("/", ({ kind, name, version }) => {
      // A deletion that makes a lower-layer world visible is reported as an update to version 0.
      if (kind === "update" && version > 0) return;
      this.#deletions += 1;
      this.#cached.delete(name);
      this.#pending.delete(name);
    });
  }

  /**
   * Returns the creation info of a world, from the cache or from its chain.
   *
   * @returns `undefined` if the chain has no events
   * @throws {StoreError} `absent` if the world was deleted
   */
  async read(entry: WorldEntry): Promise<CreationInfo | undefined> {
    if (entry.layer === "lower") return { createdAt: entry.updatedAt, id: "" };
    const cached = this.#cached.get(entry.name);
    if (cached !== undefined) return cached;
    const { name } = entry;
    let reading = this.#pending.get(name);
    if (reading === undefined) {
      reading = this.#readFirstEvent(name).finally(() => {
        if (this.#pending.get(name) === reading) this.#pending.delete(name);
      });
      this.#pending.set(name, reading);
    }
    return await reading;
  }

  /** Returns the RFC 3339 creation time if it is known without a disk access, else `undefined`. */
  peekCreatedAt({ name, version, layer, updatedAt }: WorldEntry): string | undefined {
    // The time of version 1 is the creation time.
    return version === 1 || layer === "lower" ? updatedAt : this.#cached.get(name)?.createdAt;
  }

  async #readFirstEvent(name: string): Promise<CreationInfo | undefined> {
    const before = this.#deletions;
    const [first] = await this.#store.log(name, { before: 2, limit: 1 });
    if (first === undefined) return undefined;
    const info = { createdAt: first.timestamp, id: first.hmac };
    // After a deletion during the read, the result could belong to the deleted world: do not cache
    // it.
    if (before === this.#deletions) {
      if (this.#cached.size >= MAX_CREATION_INFO_ENTRIES) this.#cached.clear();
      this.#cached.set(name, info);
    }
    return info;
  }
}
