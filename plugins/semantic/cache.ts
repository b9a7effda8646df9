/**
 * The cache of shapes: recent ones in memory, all of them in a fixed number of worlds. The least
 * recently used world is overwritten.
 */

import type { PluginFetch } from "../kit/env.ts";
import {
  cacheWorldName,
  deleteCacheWorld,
  inspectCacheWorld,
  listCacheWorlds,
  readCacheWorld,
  writeCacheWorld,
} from "./cache_world.ts";
import type { Format } from "./formats/format.ts";
import type { GenerationInput } from "./generation.ts";
import { RecentShapes } from "./recent_shapes.ts";
import type { Shape } from "./shape.ts";

/** Shapes by key. Every `fetch` acts with the grants of the plugin. */
export class ShapeCache {
  readonly #limit: number;
  readonly #recent: RecentShapes;
  /** World by hash, the least recently used first; undefined until the worlds were read. */
  #worlds: Map<string, string> | undefined;
  #reading: Promise<Map<string, string>> | undefined;
  /** Names of worlds that contain no shape. */
  #free: string[] = [];

  /** @param limit most shapes; 0 stores none */
  constructor(limit: number) {
    this.#limit = limit;
    this.#recent = new RecentShapes(limit);
  }

  /** Returns a shape that is in memory, without waiting. */
  peek(key: string): Shape | undefined {
    const shape = this.#recent.get(key);
    if (shape === undefined) return undefined;
    const world = this.#worlds?.get(shape.hash);
    if (this.#worlds !== undefined && world !== undefined) {
      this.#worlds.delete(shape.hash);
      this.#worlds.set(shape.hash, world);
    }
    return shape;
  }

  /** Reads a shape from its world. */
  async find(
    fetch: PluginFetch,
    key: string,
    hash: string,
    format: Format,
  ): Promise<Shape | undefined> {
    if (this.#limit === 0) return undefined;
    const worlds = await this.#readWorlds(fetch);
    const world = worlds.get(hash);
    if (world === undefined) return undefined;
    const shape = await readCacheWorld(fetch, world, hash, format);
    if (shape === undefined) {
      // Overwritten by another writer: the world can be used for another shape.
      if (worlds.delete(hash)) this.#free.push(world);
      return undefined;
    }
    worlds.delete(hash);
    worlds.set(hash, world);
    this.#recent.set(key, shape);
    return shape;
  }

  /** Stores a shape. If that fails, it logs a warning: the shape can be generated again. */
  async store(fetch: PluginFetch, input: GenerationInput, shape: Shape): Promise<void> {
    if (this.#limit === 0) return;
    const { key, hash } = input;
    this.#recent.set(key, shape);
    try {
      const worlds = await this.#readWorlds(fetch);
      const world = worlds.get(hash) ?? this.#free.pop() ?? takeOldest(worlds);
      worlds.delete(hash);
      worlds.set(hash, world);
      if (!await writeCacheWorld(fetch, world, input, shape)) {
        worlds.delete(hash);
        this.#free.push(world);
      }
    } catch (error) {
      console.warn(`Cannot store a shape: ${error}`);
    }
  }

  async #readWorlds(fetch: PluginFetch): Promise<Map<string, string>> {
    this.#reading ??= this.#inspectAll(fetch);
    try {
      return this.#worlds = await this.#reading;
    } catch (error) {
      this.#reading = undefined;
      throw error;
    }
  }

  /** Reads what earlier processes stored, and deletes the worlds beyond the limit. */
  async #inspectAll(fetch: PluginFetch): Promise<Map<string, string>> {
    const names = Array.from({ length: this.#limit }, (_, number) => cacheWorldName(number));
    const existing = await listCacheWorlds(fetch);
    const surplus = existing.filter((name) => !names.includes(name));
    await Promise.all(surplus.map((name) => deleteCacheWorld(fetch, name)));
    const kept = existing.filter((name) => names.includes(name));
    const found = await Promise.all(kept.map((name) => inspectCacheWorld(fetch, name)));
    const worlds = new Map<string, string>();
    for (const { name, hash } of found.sort((a, b) => a.modified - b.modified)) {
      if (hash !== null && !worlds.has(hash)) worlds.set(hash, name);
    }
    const used = new Set(worlds.values());
    this.#free = names.filter((name) => !used.has(name)).reverse();
    return worlds;
  }
}

/** Removes the least recently used entry and returns its world. */
function takeOldest(worlds: Map<string, string>): string {
  const [oldest] = worlds;
  if (oldest === undefined) return cacheWorldName(0);
  worlds.delete(oldest[0]);
  return oldest[1];
}
