/** Which rows of a list are selected. Pure: the list is given by its names in the shown order. */

/** A set of names that grows by single rows and by ranges. */
export class Selection {
  /** @type {Set<string>} */
  #names = new Set();
  /** Where a range starts. */
  #anchor;
  #onChange;

  /** @param {() => void} onChange called after each change */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  get size() {
    return this.#names.size;
  }

  get names() {
    return [...this.#names];
  }

  has(name) {
    return this.#names.has(name);
  }

  /** Selects a row or removes it; it becomes the start of the next range. */
  toggle(name, isSelected = !this.#names.has(name)) {
    if (isSelected) this.#names.add(name);
    else this.#names.delete(name);
    this.#anchor = name;
    this.#onChange();
  }

  /** Selects all rows from the start of the range to this one. */
  extend(name, order) {
    const from = order.indexOf(this.#anchor);
    const to = order.indexOf(name);
    if (from < 0 || to < 0) return this.toggle(name, true);
    for (const one of order.slice(Math.min(from, to), Math.max(from, to) + 1)) this.#names.add(one);
    this.#onChange();
  }

  set(names) {
    this.#names = new Set(names);
    this.#anchor = undefined;
    this.#onChange();
  }

  /** Removes the names of rows that no longer exist. */
  keep(exists) {
    const before = this.#names.size;
    for (const name of this.#names) if (!exists(name)) this.#names.delete(name);
    if (this.#names.size !== before) this.#onChange();
  }
}
