/**
 * The catalog: an index of all worlds in memory, as a tree of name segments.
 *
 * It contains name, version, extension, length, state and time of each world, so that listings and
 * existence checks need no file. A listing costs in proportion to its rows, not to the number of
 * worlds. Both layers are in the tree; an upper-layer world hides the lower-layer world of the same
 * name. A collection exists if worlds are below its name or if it is marked. The catalog must never
 * access the disk; catalog_writer.ts saves it.
 */

import type { Child, WorldEntry } from "../store.ts";

interface Node {
  readonly children: Map<string, Node>;
  upper?: WorldEntry | undefined;
  lower?: WorldEntry | undefined;
  marked?: boolean;
  /** RFC 3339 time of the newest write at or below this node. */
  changedAt?: string;
  /** Sorted names of the children; computed at the first use after a change. */
  sorted?: readonly string[] | undefined;
}

/** The index of all worlds of a store. */
export class Catalog {
  readonly #root: Node = { children: new Map() };
  readonly #upper = new Map<string, WorldEntry>();
  readonly #lower = new Map<string, WorldEntry>();
  #hidden = 0;
  #revision = 0;

  /** Number of changes; listings are the same as long as it is. */
  get revision(): number {
    return this.#revision;
  }

  /** Returns the visible world of a name: upper layer before lower layer. */
  get(name: string): WorldEntry | undefined {
    return this.#upper.get(name) ?? this.#lower.get(name);
  }

  /** Returns the upper-layer world of a name, if it exists. */
  upper(name: string): WorldEntry | undefined {
    return this.#upper.get(name);
  }

  /** Number of visible worlds. */
  get size(): number {
    return this.#upper.size + this.#lower.size - this.#hidden;
  }

  /** Replaces an upper-layer entry whose listing did not change: only its newest event did. */
  setHead(entry: WorldEntry): void {
    this.#upper.set(entry.name, entry);
    this.#ensureNode(entry.name, entry.updatedAt).upper = entry;
  }

  /** Adds a world to its layer or replaces it. */
  set(entry: WorldEntry): void {
    this.#revision++;
    const layer = entry.layer === "upper" ? this.#upper : this.#lower;
    const other = entry.layer === "upper" ? this.#lower : this.#upper;
    if (!layer.has(entry.name) && other.has(entry.name)) this.#hidden += 1;
    layer.set(entry.name, entry);
    this.#ensureNode(entry.name, entry.updatedAt)[entry.layer] = entry;
  }

  /** Removes an upper-layer world. */
  remove(name: string): void {
    this.#revision++;
    if (!this.#upper.delete(name)) return;
    if (this.#lower.has(name)) this.#hidden -= 1;
    const node = this.#find(name);
    if (node !== undefined) node.upper = undefined;
    this.#prune(name);
  }

  /** Marks a name as a collection, so that it exists without worlds, or removes the mark. */
  markCollection(name: string, present: boolean): void {
    this.#revision++;
    if (present) {
      this.#ensureNode(name).marked = true;
      return;
    }
    const node = this.#find(name);
    if (node === undefined) return;
    node.marked = false;
    this.#prune(name);
  }

  /** Whether a name has worlds below it or is marked. */
  isCollection(name: string): boolean {
    const node = this.#find(name);
    return node !== undefined && (node.children.size > 0 || node.marked === true);
  }

  /** Returns the RFC 3339 time of the newest known write at or below a name. */
  changedAt(name: string): string | undefined {
    return this.#find(name)?.changedAt;
  }

  /** Lists the children of a collection, sorted by the UTF-16 code units of their names. */
  list(name: string): Child[] {
    const node = this.#find(name);
    if (node === undefined) return [];
    node.sorted ??= [...node.children.keys()].sort();
    const found: Child[] = [];
    for (const segment of node.sorted) {
      const child = node.children.get(segment);
      if (child === undefined) continue;
      const entry = child.upper ?? child.lower;
      const dir = child.children.size > 0 || child.marked === true;
      found.push(entry === undefined ? { name: segment, dir } : { name: segment, dir, entry });
    }
    return found;
  }

  /** Lists all visible worlds at or below a name, sorted; `""` lists all. */
  walk(name: string): WorldEntry[] {
    const start = this.#find(name);
    const found: WorldEntry[] = [];
    if (start !== undefined) collect(start, found);
    return found;
  }

  /** Returns the names of marked collections. */
  markedCollections(): string[] {
    const found: string[] = [];
    collectMarks(this.#root, "", found);
    return found;
  }

  #find(name: string): Node | undefined {
    let node: Node | undefined = this.#root;
    if (name === "") return node;
    for (const segment of name.split("/")) {
      node = node.children.get(segment);
      if (node === undefined) return undefined;
    }
    return node;
  }

  /** Returns the node of a name, creating it if necessary, and updates times on the path to it. */
  #ensureNode(name: string, writtenAt = ""): Node {
    let node = this.#root;
    touch(node, writtenAt);
    if (name === "") return node;
    for (const segment of name.split("/")) {
      let next = node.children.get(segment);
      if (next === undefined) {
        next = { children: new Map() };
        node.children.set(segment, next);
        node.sorted = undefined;
      }
      node = next;
      touch(node, writtenAt);
    }
    return node;
  }

  /** Removes nodes on the path to a name that have no world, no children and no mark. */
  #prune(name: string): void {
    const path: { parent: Node; segment: string; node: Node }[] = [];
    let parent = this.#root;
    for (const segment of name.split("/")) {
      const node = parent.children.get(segment);
      if (node === undefined) break;
      path.push({ parent, segment, node });
      parent = node;
    }
    for (const step of path.reverse()) {
      const { children, upper, lower, marked } = step.node;
      if (children.size > 0 || upper !== undefined || lower !== undefined || marked) return;
      step.parent.children.delete(step.segment);
      step.parent.sorted = undefined;
    }
  }
}

function touch(node: Node, writtenAt: string): void {
  // All times are UTC in the same form, so that they can be compared as strings.
  if (writtenAt > (node.changedAt ?? "")) node.changedAt = writtenAt;
}

function collect(node: Node, found: WorldEntry[]): void {
  const entry = node.upper ?? node.lower;
  if (entry !== undefined) found.push(entry);
  node.sorted ??= [...node.children.keys()].sort();
  for (const segment of node.sorted) {
    const child = node.children.get(segment);
    if (child !== undefined) collect(child, found);
  }
}

function collectMarks(node: Node, name: string, found: string[]): void {
  if (node.marked) found.push(name);
  for (const [segment, child] of node.children) {
    collectMarks(child, name === "" ? segment : `${name}/${segment}`, found);
  }
}
