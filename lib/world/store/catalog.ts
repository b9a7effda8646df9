/**
 * The catalog: an index of all worlds in memory, as a tree of name segments.
 *
 * It contains name, version, extension, length, state and time of each world, so that listings and
 * existence checks need no file. A listing costs in proportion to its rows, not to the number of
 * worlds. Both layers are in the tree; an upper-layer world hides the lower-layer world of the same
 * name. A collection exists if worlds are below its name or if it is marked. The catalog must never
 * access the disk; catalog_writer.ts saves it.
 */

import type { Within } from "../changes.ts";
import { compareNames } from "../name.ts";
import type { Child, ListPage, WorldEntry } from "../store.ts";

/** A part of a name. All fields are set at once, because a field that is added later costs more memory. */
class Node {
  /** {@link NO_CHILDREN} for most nodes: a Map of their own would need more memory than their world. */
  children = NO_CHILDREN;
  upper: WorldEntry | undefined = undefined;
  lower: WorldEntry | undefined = undefined;
  marked = false;
  /** RFC 3339 time of the newest write at or below this node; `""` if none is known. */
  changedAt = "";
  /** Sorted names of the children; computed at the first use, and then kept sorted. */
  sorted: string[] | undefined = undefined;
}

/** Stays empty. */
const NO_CHILDREN = new Map<string, Node>();
const WHOLE_LIST: ListPage = { after: "", limit: Infinity };

/** The index of all worlds of a store. */
export class Catalog {
  readonly #root = new Node();
  readonly #upper = new Map<string, WorldEntry>();
  readonly #lower = new Map<string, WorldEntry>();
  /** The parent of the name that was set last, with the nodes above it. */
  #lastPath: { readonly name: string; readonly nodes: readonly Node[] } | undefined;
  /** Worlds that have no place in the tree yet. */
  readonly #unplaced: WorldEntry[] = [];
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

  /** All upper-layer worlds. */
  uppers(): Iterable<WorldEntry> {
    return this.#upper.values();
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
    this.#setInLayer(entry);
    const node = this.#ensureNode(entry.name, entry.updatedAt);
    if (entry.layer === "upper") node.upper = entry;
    else node.lower = entry;
  }

  /**
   * Adds an upper-layer world or replaces it, for a start with many worlds. Its place in the tree, half of
   * the work, waits until the tree is used there, or for {@link Catalog.placeSome}.
   */
  add(entry: WorldEntry): void {
    this.#setInLayer(entry);
    this.#unplaced.push(entry);
  }

  /**
   * Puts some of the worlds of {@link Catalog.add} in the tree.
   *
   * @param limit maximum number of worlds, at least 1
   * @returns whether further ones wait
   */
  placeSome(limit: number): boolean {
    for (const entry of this.#unplaced.splice(-limit)) this.#place(entry);
    return this.#unplaced.length > 0;
  }

  /** Removes an upper-layer world. */
  remove(name: string): void {
    this.#revision++;
    if (!this.#upper.has(name)) return;
    // The nodes above it keep their times only if the other worlds have their places below them.
    this.placeSome(Infinity);
    this.#upper.delete(name);
    if (this.#lower.has(name)) this.#hidden -= 1;
    const node = this.#findPlaced(name);
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
    this.placeSome(Infinity);
    const node = this.#findPlaced(name);
    if (node === undefined) return;
    node.marked = false;
    this.#prune(name);
  }

  /** Whether a name has worlds below it or is marked. */
  isCollection(name: string): boolean {
    const node = this.#find(name);
    return node !== undefined && (node.children.size > 0 || node.marked);
  }

  /** Returns the RFC 3339 time of the newest known write at or below a name. */
  changedAt(name: string): string | undefined {
    const changedAt = this.#find(name)?.changedAt;
    return changedAt === "" ? undefined : changedAt;
  }

  /**
   * Lists the children of a collection, sorted by the UTF-16 code units of their names.
   *
   * @param page the name after which the list begins, and the maximum number of children
   */
  list(name: string, { after, limit }: ListPage = WHOLE_LIST): Child[] {
    const node = this.#find(name);
    if (node === undefined) return [];
    const found: Child[] = [];
    const sorted = sortedNames(node);
    let at = after === "" ? 0 : lowerBound(sorted, after);
    if (sorted[at] === after) at += 1;
    for (; at < sorted.length && found.length < limit; at++) {
      const segment = sorted[at] ?? "";
      const child = node.children.get(segment);
      if (child === undefined) continue;
      const entry = child.upper ?? child.lower;
      const dir = child.children.size > 0 || child.marked;
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

  /**
   * Returns visible worlds that parts of the tree cover, in the order of {@link compareNames}. It costs
   * in proportion to the result: neither other worlds nor pages before it cost time.
   *
   * @param parts what is covered; each world is returned once
   * @param after the name after which the page begins; `""` begins with the first
   * @param limit maximum number of worlds, at least 1
   * @param isRestricted whether only T3 can read what is at and below a name; such collections are left
   * out of parts that do not cover them
   */
  page(
    parts: readonly Within[],
    after: string,
    limit: number,
    isRestricted: (name: string) => boolean,
  ): WorldEntry[] {
    const pages = parts.map((part) => {
      const root = part.part === "exact" ? undefined : this.#find(part.name);
      const found: WorldEntry[] = [];
      if (part.part !== "below" && (after === "" || compareNames(after, part.name) < 0)) {
        const entry = this.get(part.name);
        if (entry !== undefined) found.push(entry);
      }
      const rest = segmentsBelow(part.name, after);
      const isHidden = part.restricted ? () => false : isRestricted;
      if (root !== undefined && rest !== "none" && !isHidden(part.name)) {
        collectChildren(root, part.name, rest, { found, limit, isHidden });
      }
      return found;
    });
    if (pages.length === 1) return pages[0] ?? [];
    const all = pages.flat().sort((a, b) => compareNames(a.name, b.name));
    return all.filter(({ name }, at) => name !== all[at - 1]?.name).slice(0, limit);
  }

  /** Returns the names of marked collections. */
  markedCollections(): string[] {
    const found: string[] = [];
    collectMarks(this.#root, "", found);
    return found;
  }

  #setInLayer(entry: WorldEntry): void {
    this.#revision++;
    const layer = entry.layer === "upper" ? this.#upper : this.#lower;
    const other = entry.layer === "upper" ? this.#lower : this.#upper;
    if (other.has(entry.name) && !layer.has(entry.name)) this.#hidden += 1;
    layer.set(entry.name, entry);
  }

  #place({ name, updatedAt }: WorldEntry): void {
    // A later change can have replaced the world.
    this.#ensureNode(name, updatedAt).upper = this.#upper.get(name);
  }

  /** Returns the node of a name, after all worlds at and below it have their places. */
  #find(name: string): Node | undefined {
    if (this.#unplaced.length > 0) {
      const prefix = name === "" ? "" : `${name}/`;
      const waiting = this.#unplaced.splice(0);
      for (const entry of waiting) {
        if (entry.name.startsWith(prefix) || entry.name === name) this.#place(entry);
        else this.#unplaced.push(entry);
      }
    }
    return this.#findPlaced(name);
  }

  #findPlaced(name: string): Node | undefined {
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
    if (name === "") {
      touch(this.#root, writtenAt);
      return this.#root;
    }
    const slash = name.lastIndexOf("/");
    const path = this.#ensurePath(slash < 0 ? "" : name.slice(0, slash));
    const parent = path.at(-1) ?? this.#root;
    // The time of a node is that of a node above it, or earlier.
    if (writtenAt > parent.changedAt) { for (const node of path) touch(node, writtenAt); }
    const node = ensureChild(parent, name.slice(slash + 1));
    touch(node, writtenAt);
    return node;
  }

  /** Returns the nodes from the root to a name, creating what is missing. Names often have the last parent. */
  #ensurePath(name: string): readonly Node[] {
    if (name === this.#lastPath?.name) return this.#lastPath.nodes;
    const nodes = [this.#root];
    let node = this.#root;
    if (name !== "") {
      for (const segment of name.split("/")) nodes.push(node = ensureChild(node, segment));
    }
    this.#lastPath = { name, nodes };
    return nodes;
  }

  /** Removes nodes on the path to a name that have no world, no children and no mark. */
  #prune(name: string): void {
    this.#lastPath = undefined;
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
      const { sorted } = step.parent;
      sorted?.splice(lowerBound(sorted, step.segment), 1);
    }
  }
}

/** Returns the child of a node, creating it if necessary. */
function ensureChild(node: Node, segment: string): Node {
  const found = node.children.get(segment);
  if (found !== undefined) return found;
  const child = new Node();
  if (node.children === NO_CHILDREN) node.children = new Map();
  node.children.set(segment, child);
  node.sorted?.splice(lowerBound(node.sorted, segment), 0, segment);
  return child;
}

function touch(node: Node, writtenAt: string): void {
  // All times are UTC in the same form, so that they can be compared as strings.
  if (writtenAt > node.changedAt) node.changedAt = writtenAt;
}

function collect(node: Node, found: WorldEntry[]): void {
  const entry = node.upper ?? node.lower;
  if (entry !== undefined) found.push(entry);
  for (const segment of sortedNames(node)) {
    const child = node.children.get(segment);
    if (child !== undefined) collect(child, found);
  }
}

/** A page that is being collected. */
interface Page {
  readonly found: WorldEntry[];
  readonly limit: number;
  readonly isHidden: (name: string) => boolean;
}

/**
 * Collects the worlds below a node, in order, until the page is full.
 *
 * @param name name of the node
 * @param after segments below the node after which the page begins; undefined begins with the first
 */
function collectChildren(
  node: Node,
  name: string,
  after: readonly string[] | undefined,
  page: Page,
): void {
  const sorted = sortedNames(node);
  const [first, ...rest] = after ?? [];
  for (let at = first === undefined ? 0 : lowerBound(sorted, first); at < sorted.length; at++) {
    if (page.found.length >= page.limit) return;
    const segment = sorted[at] ?? "";
    const child = node.children.get(segment);
    if (child === undefined) continue;
    const isOnPath = segment === first;
    const entry = isOnPath ? undefined : child.upper ?? child.lower;
    if (entry !== undefined) page.found.push(entry);
    if (child.children.size === 0) continue;
    const path = name === "" ? segment : `${name}/${segment}`;
    if (!page.isHidden(path)) collectChildren(child, path, isOnPath ? rest : undefined, page);
  }
}

/**
 * Returns the segments of `after` below a name; undefined if everything below the name follows
 * `after`, and `none` if nothing does.
 */
function segmentsBelow(name: string, after: string): readonly string[] | undefined | "none" {
  if (after === "" || after === name) return undefined;
  if (name === "") return after.split("/");
  if (after.startsWith(`${name}/`)) return after.slice(name.length + 1).split("/");
  return compareNames(after, name) < 0 ? undefined : "none";
}

function sortedNames(node: Node): readonly string[] {
  return node.sorted ??= [...node.children.keys()].sort();
}

/** Returns the index of the first name that is not less. */
function lowerBound(sorted: readonly string[], name: string): number {
  let low = 0;
  let high = sorted.length;
  // Worlds are often created in the order of their names.
  if (high > 0 && (sorted[high - 1] ?? "") < name) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? "") < name) low = middle + 1;
    else high = middle;
  }
  return low;
}

function collectMarks(node: Node, name: string, found: string[]): void {
  if (node.marked) found.push(name);
  for (const [segment, child] of node.children) {
    collectMarks(child, name === "" ? segment : `${name}/${segment}`, found);
  }
}
