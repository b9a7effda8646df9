/**
 * What is open, by its number. A `Map` would do but for its cost: each time the runtime's Map makes
 * room it leaves its old table behind with a pointer to the new one, and once one of these has grown
 * old, all that was ever in them survives until the next full collection (a third of every request).
 */

/** Slots at the beginning; a power of two. */
const SMALLEST = 64;

/** See the module. */
export class IdTable<T extends { readonly id: number }> {
  #slots: (T | undefined)[] = new Array(SMALLEST).fill(undefined);
  #size = 0;

  /** How many are in it. */
  get size(): number {
    return this.#size;
  }

  /** The one of that number. */
  get(id: number): T | undefined {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let at = id & mask;; at = at + 1 & mask) {
      const found = slots[at];
      if (found === undefined || found.id === id) return found;
    }
  }

  /** Whether there is one of that number. */
  has(id: number): boolean {
    return this.get(id) !== undefined;
  }

  /** Puts one in, whose number must not be taken. */
  add(entry: T): void {
    if (2 * ++this.#size > this.#slots.length) this.#grow();
    place(this.#slots, entry);
  }

  /** Takes out the one of that number; false when there is none. */
  delete(id: number): boolean {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hole = id & mask;
    while (slots[hole]?.id !== id) {
      if (slots[hole] === undefined) return false;
      hole = hole + 1 & mask;
    }
    this.#size--;
    // What stands behind the hole moves up, or nobody would find it past the hole.
    for (let at = hole + 1 & mask;; at = at + 1 & mask) {
      const entry = slots[at];
      if (entry === undefined) break;
      if ((at - entry.id & mask) < (at - hole & mask)) continue;
      slots[hole] = entry;
      hole = at;
    }
    slots[hole] = undefined;
    return true;
  }

  /** All of them as they are now. */
  values(): T[] {
    const found: T[] = [];
    const slots = this.#slots;
    for (let at = 0; at < slots.length; at++) {
      const entry = slots[at];
      if (entry !== undefined) found[found.length] = entry;
    }
    return found;
  }

  #grow(): void {
    const old = this.values();
    this.#slots = new Array(2 * this.#slots.length).fill(undefined);
    for (let at = 0; at < old.length; at++) place(this.#slots, old[at]!);
  }
}

function place<T extends { readonly id: number }>(slots: (T | undefined)[], entry: T): void {
  const mask = slots.length - 1;
  let at = entry.id & mask;
  while (slots[at] !== undefined) at = at + 1 & mask;
  slots[at] = entry;
}
