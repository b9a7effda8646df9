/** Shapes in the memory of this process, the least recently used first. Bounded; no I/O. */

import type { Shape } from "./shape.ts";

/** Most characters of texts and keys in memory. */
const MAX_CHARACTERS = 8 * 1024 * 1024;

/** A least-recently-used map of shapes by key, bounded by number and by size. */
export class RecentShapes {
  readonly #limit: number;
  readonly #maxCharacters: number;
  readonly #shapes = new Map<string, Shape>();
  #characters = 0;

  /**
   * @param limit most shapes; 0 keeps none
   * @param maxCharacters most characters of their texts and keys together
   */
  constructor(limit: number, maxCharacters = MAX_CHARACTERS) {
    this.#limit = limit;
    this.#maxCharacters = maxCharacters;
  }

  /** Returns a shape and marks it as used; undefined if absent. */
  get(key: string): Shape | undefined {
    const shape = this.#shapes.get(key);
    if (shape === undefined) return undefined;
    this.#shapes.delete(key);
    this.#shapes.set(key, shape);
    return shape;
  }

  /** Adds or replaces a shape and evicts the least recently used beyond the limits. */
  set(key: string, shape: Shape): void {
    this.#delete(key);
    this.#shapes.set(key, shape);
    this.#characters += sizeOf(key, shape);
    for (const oldest of this.#shapes.keys()) {
      if (this.#shapes.size <= this.#limit && this.#characters <= this.#maxCharacters) break;
      this.#delete(oldest);
    }
  }

  #delete(key: string): void {
    const shape = this.#shapes.get(key);
    if (shape === undefined) return;
    this.#shapes.delete(key);
    this.#characters -= sizeOf(key, shape);
  }
}

function sizeOf(key: string, { text }: Shape): number {
  return key.length + text.length;
}
