/**
 * Hot worlds in memory, bounded by bytes; what was used longest ago goes first. A cached world is
 * always the newest acknowledged version, because every write passes by here. It reads nothing.
 */

import type { World } from "../store.ts";

/** Bytes one world costs beside its body: name, metadata, its place in the map. */
const OVERHEAD_BYTES = 512;

/** A least-recently-used cache of worlds. */
export class WorldCache {
  readonly #worlds = new Map<string, World>();
  /** Worlds read since the line last came to them. */
  readonly #recent = new Set<string>();
  #bytes = 0;
  #hits = 0;

  /**
   * @param maxBytes most bytes held in all
   * @param maxEntryBytes longest body that is kept, in bytes
   */
  constructor(readonly maxBytes: number, readonly maxEntryBytes: number) {}

  /** The world of a name, without telling the cache that it was used. */
  peek(name: string): World | undefined {
    return this.#worlds.get(name);
  }

  /** Keeps a world, and lets the least recently kept go. */
  set(world: World): void {
    this.delete(world.name);
    if (world.body.length > this.maxEntryBytes) return;
    this.#worlds.set(world.name, world);
    this.#bytes += world.body.length + OVERHEAD_BYTES;
    for (const [name, oldest] of this.#worlds) {
      if (this.#bytes <= this.maxBytes) break;
      if (this.#recent.has(name)) {
        // Used since it was last looked at: it goes to the end of the line once.
        this.#recent.delete(name);
        this.#worlds.delete(name);
        this.#worlds.set(name, oldest);
        continue;
      }
      this.delete(name);
    }
  }

  /** The world of a name; keeps it from being let go next. */
  get(name: string): World | undefined {
    const world = this.#worlds.get(name);
    if (world === undefined) return undefined;
    this.#hits++;
    if (this.#bytes > this.maxBytes / 2) this.#recent.add(name);
    return world;
  }

  delete(name: string): void {
    const world = this.#worlds.get(name);
    if (world === undefined) return;
    this.#worlds.delete(name);
    this.#recent.delete(name);
    this.#bytes -= world.body.length + OVERHEAD_BYTES;
  }

  /** How often a world was found. */
  get hits(): number {
    return this.#hits;
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes;
  }
}
