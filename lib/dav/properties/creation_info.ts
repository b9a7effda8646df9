/**
 * When a world began, and which of several worlds of one name it is: both stand in the first event of
 * its chain. That event never changes, so it is read once and remembered until the world is deleted.
 */

import { MAX_CREATION_INFO_ENTRIES } from "../../limits.ts";
import type { Store, WorldEntry } from "../../world/store.ts";

/** What the first event says. */
export interface CreationInfo {
  /** RFC 3339 time. */
  readonly createdAt: string;
  /** The event's seal, which no other world has; `""` for a world of the lower layer. */
  readonly id: string;
}

/** Remembers the first events of worlds. */
export class CreationInfoCache {
  readonly #store: Pick<Store, "log" | "watch">;
  readonly #known = new Map<string, CreationInfo>();
  /** Looks under way, which everybody shares who asks meanwhile. */
  readonly #asked = new Map<string, Promise<CreationInfo | undefined>>();
  #deletions = 0;

  constructor(store: Pick<Store, "log" | "watch">) {
    this.#store = store;
    store.watch("/", ({ kind, name, version }) => {
      // An upper world that goes and uncovers a lower one is told of as an update to version 0.
      if (kind === "update" && version > 0) return;
      this.#deletions += 1;
      this.#known.delete(name);
      this.#asked.delete(name);
    });
  }

  /**
   * The birth of a world; `undefined` when its chain says none.
   *
   * @throws {StoreError} `absent` when it was deleted meanwhile
   */
  async read(entry: WorldEntry): Promise<CreationInfo | undefined> {
    if (entry.layer === "lower") return { createdAt: entry.updatedAt, id: "" };
    const known = this.#known.get(entry.name);
    if (known !== undefined) return known;
    const { name } = entry;
    let look = this.#asked.get(name);
    if (look === undefined) {
      look = this.#look(name).finally(() => {
        if (this.#asked.get(name) === look) this.#asked.delete(name);
      });
      this.#asked.set(name, look);
    }
    return await look;
  }

  /** When a world was made, where that is known without a look at its file. */
  peekCreatedAt({ name, version, layer, updatedAt }: WorldEntry): string | undefined {
    // The first version is as old as the world.
    return version === 1 || layer === "lower" ? updatedAt : this.#known.get(name)?.createdAt;
  }

  async #look(name: string): Promise<CreationInfo | undefined> {
    const before = this.#deletions;
    const [first] = await this.#store.log(name, { before: 2, limit: 1 });
    if (first === undefined) return undefined;
    const birth = { createdAt: first.timestamp, id: first.hmac };
    // What was read while something was deleted may be of the world that is gone.
    if (before === this.#deletions) {
      if (this.#known.size >= MAX_CREATION_INFO_ENTRIES) this.#known.clear();
      this.#known.set(name, birth);
    }
    return birth;
  }
}
