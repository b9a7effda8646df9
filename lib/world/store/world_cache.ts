/**
 * A cache of worlds in memory, limited by bytes. It evicts the least recently used world first, by
 * the CLOCK algorithm. A cached world is always the newest acknowledged version, because every
 * change updates the cache.
 */

import { MIN_GROWING_BYTES } from "./growing_bodies.ts";
import type { World } from "../store.ts";

/** Estimated memory of a cached world in addition to its body: name, metadata and map entry. */
const OVERHEAD_BYTES = 512;

/** Memory of a cached world in bytes; a long content can have space for appends at its end. */
function bytesOf({ body }: World): number {
  const { length } = body;
  return (length < MIN_GROWING_BYTES ? length : body.buffer.byteLength) + OVERHEAD_BYTES;
}

/** The cache of one store. */
export class WorldCache {
  readonly #worlds = new Map<string, World>();
  /** Worlds that were read since they were last considered for eviction. */
  readonly #recent = new Set<string>();
  #bytes = 0;
  #hits = 0;

  /**
   * @param maxBytes maximum total size in bytes
   * @param maxEntryBytes maximum size of a body in bytes; longer ones are not cached
   */
  constructor(readonly maxBytes: number, readonly maxEntryBytes: number) {}

  /** Returns the world of a name without counting it as used. */
  peek(name: string): World | undefined {
    return this.#worlds.get(name);
  }

  /** Adds or replaces a world and evicts others if necessary. */
  set(world: World): void {
    this.delete(world.name);
    if (world.body.length > this.maxEntryBytes) return;
    this.#worlds.set(world.name, world);
    this.#bytes += bytesOf(world);
    for (const [name, oldest] of this.#worlds) {
      if (this.#bytes <= this.maxBytes) break;
      if (this.#recent.has(name)) {
        // Used since the last check: move it to the end once.
        this.#recent.delete(name);
        this.#worlds.delete(name);
        this.#worlds.set(name, oldest);
        continue;
      }
      this.delete(name);
    }
  }

  /** Returns the world of a name and counts it as used. */
  get(name: string): World | undefined {
    const world = this.#worlds.get(name);
    if (world === undefined) return undefined;
    this.#hits++;
    if (this.#bytes > this.maxBytes / 2) this.#recent.add(name);
    return world;
  }

  /** Removes a world. */
  delete(name: string): void {
    const world = this.#worlds.get(name);
    if (world === undefined) return;
    this.#worlds.delete(name);
    this.#recent.delete(name);
    this.#bytes -= bytesOf(world);
  }

  /** Number of reads that found their world. */
  get hits(): number {
    return this.#hits;
  }

  /** Current size in bytes. */
  get bytes(): number {
    return this.#bytes;
  }
}
