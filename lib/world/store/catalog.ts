/**
 * What the machine knows of its worlds without opening them, as a tree in memory: it answers
 * listings at a cost that depends on what is listed alone. Two layers share the tree; an upper
 * world hides the lower one of its name. It never touches a disk.
 */

import type { Child, WorldEntry } from "../store.ts";

interface Node {
  readonly children: Map<string, Node>;
  upper?: WorldEntry | undefined;
  lower?: WorldEntry | undefined;
  marked?: boolean;
  /** The newest write at or below, in RFC 3339. */
  changedAt?: string;
  /** The children's names in order, made when first asked for after a change. */
  sorted?: readonly string[] | undefined;
}

/** The tree of all worlds. */
export class Catalog {
  readonly #root: Node = { children: new Map() };
  readonly #upper = new Map<string, WorldEntry>();
  readonly #lower = new Map<string, WorldEntry>();
  #hidden = 0;

  /** The world a name reads as: upper before lower. */
  get(name: string): WorldEntry | undefined {
    return this.#upper.get(name) ?? this.#lower.get(name);
  }

  /** The upper world of a name, if there is one. */
  upper(name: string): WorldEntry | undefined {
    return this.#upper.get(name);
  }

  /** Number of names that read as a world. */
  get size(): number {
    return this.#upper.size + this.#lower.size - this.#hidden;
  }

  /** Puts a world into its layer, in place of what was there. */
  set(entry: WorldEntry): void {
    const layer = entry.layer === "upper" ? this.#upper : this.#lower;
    const other = entry.layer === "upper" ? this.#lower : this.#upper;
    if (!layer.has(entry.name) && other.has(entry.name)) this.#hidden += 1;
    layer.set(entry.name, entry);
    this.#grow(entry.name, entry.updatedAt)[entry.layer] = entry;
  }

  /** Takes an upper world out. */
  remove(name: string): void {
    if (!this.#upper.delete(name)) return;
    if (this.#lower.has(name)) this.#hidden -= 1;
    const node = this.#find(name);
    if (node !== undefined) node.upper = undefined;
    this.#prune(name);
  }

  /** Marks a collection as existing without a world in it, or takes the mark away. */
  markCollection(name: string, present: boolean): void {
    if (present) {
      this.#grow(name).marked = true;
      return;
    }
    const node = this.#find(name);
    if (node === undefined) return;
    node.marked = false;
    this.#prune(name);
  }

  /** Whether anything lies below a name, or it was marked. */
  isCollection(name: string): boolean {
    const node = this.#find(name);
    return node !== undefined && (node.children.size > 0 || node.marked === true);
  }

  /** When anything at or below a name was last written, as far as entries tell. */
  changedAt(name: string): string | undefined {
    return this.#find(name)?.changedAt;
  }

  /** Children of a collection in order of their names' UTF-16 code units. */
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

  /** Every world at or below a name, in order; `""` is all. */
  walk(name: string): WorldEntry[] {
    const start = this.#find(name);
    const found: WorldEntry[] = [];
    if (start !== undefined) collect(start, found);
    return found;
  }

  /** Names of marked collections, in order. */
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

  #grow(name: string, writtenAt = ""): Node {
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

  /** Takes away branches that lead to nothing. */
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
  // All times are UTC in one form, so that their order is that of their characters.
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
