/**
 * Encoded events that several readers need: each is encoded once and held only as long as a reader
 * waits for it. An event of a large world, or the listing of a large collection, therefore costs its
 * size once, and not once for each reader.
 */

import { isRedacted } from "../../auth/policy.ts";
import type { Caller } from "../../auth/caller.ts";
import type { Pieces } from "../../http/pieces.ts";
import type { Store, World, WorldEntry } from "../../world/store.ts";

const sharedEvents = new WeakMap<Store, SharedEvents>();

/** Returns the shared events of a store; the first call creates them. */
export function sharedEventsOf(store: Store): SharedEvents {
  let events = sharedEvents.get(store);
  if (events === undefined) sharedEvents.set(store, events = new SharedEvents());
  return events;
}

/**
 * Identifies one version of a world as a caller sees it. The version number is not sufficient: the
 * state of a plugin can change without a new version.
 */
export function versionKey(world: World | WorldEntry, caller: Caller): string {
  const { name, version, updatedAt, state, ext, layer } = world;
  const redacted = isRedacted(caller, `/${name}`) ? "redacted" : "";
  return `${name}\n${version}\n${updatedAt}\n${state}\n${ext}\n${layer}\n${redacted}`;
}

/** Encoded events by key, without keeping them in memory. */
export class SharedEvents {
  readonly #events = new Map<string, WeakRef<Pieces>>();
  readonly #loading = new Map<string, Promise<Pieces | undefined>>();
  readonly #registry = new FinalizationRegistry<string>((key) => {
    // A newer event may have the same key.
    if (this.#events.get(key)?.deref() === undefined) this.#events.delete(key);
  });

  /** Events that are in memory, and some that were. */
  get size(): number {
    return this.#events.size;
  }

  /** Returns an event that some reader still waits for. */
  get(key: string): Pieces | undefined {
    return this.#events.get(key)?.deref();
  }

  /** Returns an event, and encodes it if it is not in memory. */
  share(key: string, encode: () => Pieces): Pieces {
    const found = this.get(key);
    if (found !== undefined) return found;
    const pieces = encode();
    this.#events.set(key, new WeakRef(pieces));
    this.#registry.register(pieces, key);
    return pieces;
  }

  /**
   * Returns an event that must be read first. Concurrent calls share one read.
   *
   * @param create reads and encodes it; undefined if there is nothing to send
   */
  async load(
    key: string,
    create: () => Promise<Pieces | undefined>,
  ): Promise<Pieces | undefined> {
    const found = this.get(key);
    if (found !== undefined) return found;
    let loading = this.#loading.get(key);
    if (loading === undefined) {
      loading = create().finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    const pieces = await loading;
    return pieces && this.share(key, () => pieces);
  }
}
