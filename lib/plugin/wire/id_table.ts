/**
 * A hash table of objects by their numeric id, with open addressing and linear probing. It replaces
 * a `Map` for open calls because of a cost in V8: each time a `Map` grows, the old table stays in
 * memory with a pointer to the new one. Once an old table is in the old generation, everything that
 * was ever in it survives until the next full garbage collection. A request to a plugin costs 60 µs
 * of CPU with this table and 69 µs with a `Map` (2 cores under load, Deno 2.9.6,
 * `deno run -A tests/bench/id_table_bench.ts`).
 */

/** Number of slots at the start. It must be a power of two, because positions are masked. */
const INITIAL_SLOTS = 64;

/** A table of objects by id. An id may be any u32 and occurs at most once. */
export class IdTable<T extends { readonly id: number }> {
  #slots: (T | undefined)[] = new Array(INITIAL_SLOTS).fill(undefined);
  #size = 0;

  /** Number of entries. */
  get size(): number {
    return this.#size;
  }

  /** Returns the entry with this id, or undefined if absent. */
  get(id: number): T | undefined {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let at = id & mask;; at = at + 1 & mask) {
      const found = slots[at];
      if (found === undefined || found.id === id) return found;
    }
  }

  /** Returns whether there is an entry with this id. */
  has(id: number): boolean {
    return this.get(id) !== undefined;
  }

  /** Adds an entry. The caller must ensure that its id is not in the table. */
  add(entry: T): void {
    if (2 * ++this.#size > this.#slots.length) this.#grow();
    insert(this.#slots, entry);
  }

  /** Removes the entry with this id. Returns false if absent. */
  delete(id: number): boolean {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let hole = id & mask;
    while (slots[hole]?.id !== id) {
      if (slots[hole] === undefined) return false;
      hole = hole + 1 & mask;
    }
    this.#size--;
    // Later entries of the same run move into the hole: a lookup stops at the first empty slot.
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

  /** Returns a copy of all entries, in no particular order. */
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
    for (let at = 0; at < old.length; at++) insert(this.#slots, old[at]!);
  }
}

function insert<T extends { readonly id: number }>(slots: (T | undefined)[], entry: T): void {
  const mask = slots.length - 1;
  let at = entry.id & mask;
  while (slots[at] !== undefined) at = at + 1 & mask;
  slots[at] = entry;
}
