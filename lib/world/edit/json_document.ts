/**
 * A JSON document that is changed in place: members that are not touched keep their exact text, with
 * their order, spaces, numbers and duplicate names. Only the arrays and objects on the way to a change
 * are split into their items. What is added follows the style of the document.
 *
 * A name that occurs more than once in an object means its last member, as in `JSON.parse`. Removing
 * the name removes all of them.
 */

import { EDIT_STEPS_PER_VALUE, MAX_JSON_DEPTH } from "../../limits.ts";
import { type EditBudget, EditFault, quoteText } from "./edit_fault.ts";
import { JsonSource } from "./json_source.ts";
import {
  detectStyle,
  gapAfter,
  gapBefore,
  indentOf,
  type JsonStyle,
  reindent,
  writeValue,
} from "./json_style.ts";

/** Takes the place of a removed member, so that the others keep their places. */
const REMOVED = -1;

/** Names that are compared with each member before the places of all are looked up. */
const COMPARED_NAMES = 4;

/** A value of the document. */
export class JsonNode {
  /** The items of an array or object that was split: numbers of values of the source, or changed items. */
  items: (number | Item)[] | undefined;
  /** Place of the last member of each name, as soon as several names were looked up. */
  places: Map<string, number> | undefined;
  /** Names that were looked up without the places. */
  lookups = 0;
  /** Whether a name occurs more than once. */
  hasDoubles = false;
  /** Whether the value differs from its text. */
  isChanged = false;

  /**
   * @param source the text that contains the value
   * @param id number of the value in it
   * @param base indentation of the line on which the value begins
   */
  constructor(readonly source: JsonSource, readonly id: number, readonly base: string) {}

  get kind() {
    return this.source.kind(this.id);
  }
}

/** A member or an element with the text around it. */
interface Item {
  node: JsonNode;
  /** Name and colon of a member; empty for an element. */
  readonly label: string;
  /** White space before it; undefined to take that of the other items. */
  readonly gap: string | undefined;
  /** White space between it and the following comma. */
  readonly trail: string;
  /** Number of the value that it had in the text; undefined if it was added. */
  readonly origin: number | undefined;
}

/** The text around an item that was added. */
const ADDED = { gap: undefined, trail: "", origin: undefined } as const;

/** White space of an array or object. */
interface Gaps {
  /** Before its first item, before the others, and before its end. */
  readonly first: string;
  readonly other: string;
  readonly last: string;
}

/** A place in the document, and what leads to it. */
export interface JsonPlace {
  /** The array or object that contains it; undefined for the whole document. */
  readonly parent: JsonNode | undefined;
  /** All arrays and objects on the way, the outermost first. */
  readonly path: readonly JsonNode[];
  /** The last part of the path. */
  readonly key: string;
  /** Place among the items of the parent; undefined if nothing is there. */
  readonly at: number | undefined;
}

/** The document. */
export class JsonDocument {
  readonly #budget: EditBudget;
  readonly #source: JsonSource;
  readonly #style: JsonStyle;
  #root: JsonNode;

  /**
   * @param text JSON without a byte order mark
   * @param budget bounds the work
   * @throws {JsonSyntaxFault} if it is not JSON
   */
  constructor(text: string, budget: EditBudget) {
    this.#budget = budget;
    this.#source = parseWithin(text, budget);
    this.#style = detectStyle(this.#source);
    this.#root = new JsonNode(this.#source, 0, "");
  }

  get root(): JsonNode {
    return this.#root;
  }

  /** Returns the changed text. */
  toText(): string {
    const { text } = this.#source;
    const pieces = [text.slice(0, this.#source.start(0))];
    this.#render(this.#root, pieces);
    pieces.push(text.slice(this.#source.end(0)));
    return pieces.join("");
  }

  /**
   * Finds a place.
   *
   * @param keys the names and indexes on the way; none for the whole document
   * @returns the place, or how far the document has it
   */
  find(keys: readonly string[]): JsonPlace | { readonly missing: number; readonly reason: string } {
    let node = this.#root;
    const path: JsonNode[] = [];
    for (const [i, key] of keys.entries()) {
      if (node.kind !== "object" && node.kind !== "array") {
        return { missing: i, reason: "it is neither an object nor an array" };
      }
      path.push(node);
      const at = this.#placeOf(node, key);
      if (i === keys.length - 1) return { parent: node, path, key, at };
      if (at === undefined) {
        return {
          missing: i,
          reason: node.kind === "object"
            ? `it has no member ${quoteText(key)}`
            : `it is an array of ${this.sizeOf(node)} without the index ${quoteText(key)}`,
        };
      }
      node = this.#itemAt(node, at).node;
    }
    return { parent: undefined, path, key: "", at: 0 };
  }

  /** The value at a place that {@link JsonPlace.at} says exists. */
  nodeAt({ parent, at }: JsonPlace): JsonNode {
    return parent === undefined ? this.#root : this.#itemAt(parent, at ?? 0).node;
  }

  /** The member of an object; undefined if it has none of that name. */
  member(node: JsonNode, key: string): JsonNode | undefined {
    const at = this.#placeOf(node, key);
    return at === undefined ? undefined : this.#itemAt(node, at).node;
  }

  /** Number of elements of an array, or of different names of an object. */
  sizeOf(node: JsonNode): number {
    const items = this.#itemsOf(node);
    return node.kind === "object" ? this.#placesOf(node).size : items.length;
  }

  /** An element of an array. */
  element(node: JsonNode, index: number): JsonNode {
    return this.#itemAt(node, index).node;
  }

  /** The names of the members of an object. */
  names(node: JsonNode): Iterable<string> {
    return this.#placesOf(node).keys();
  }

  #itemsOf(node: JsonNode): (number | Item)[] {
    if (node.items === undefined) this.#split(node);
    return node.items ?? [];
  }

  /**
   * Writes a value to a place: replaces what is there, or adds a member, or inserts an element.
   *
   * @param source text of the value
   * @param id number of the value in it
   * @param options `insert` inserts an element instead of replacing it; `dropNulls` as in
   * {@link writeValue}
   */
  write(
    place: JsonPlace,
    source: JsonSource,
    id: number,
    options: { readonly insert?: boolean; readonly dropNulls?: boolean } = {},
  ): void {
    const { parent, key } = place;
    this.#assertDepth(place, source.depth(id));
    const dropNulls = options.dropNulls === true;
    const create = (base: string, multiline: boolean) => {
      const text = writeValue(source, id, {
        style: this.#style,
        base: multiline ? base : undefined,
        dropNulls,
        budget: this.#budget,
      });
      return new JsonNode(parseWithin(text, this.#budget), 0, base);
    };
    if (parent === undefined) {
      this.#root = create("", this.#style.unit !== undefined);
      return;
    }
    const isMultiline = this.#gapsOf(parent).other.includes("\n");
    this.#place(place, key, create(this.#childBase(parent), isMultiline), options.insert === true);
  }

  /** Writes a value of the document to a place, with its text. */
  writeNode(place: JsonPlace, node: JsonNode, insert: boolean): void {
    const { parent, key } = place;
    const flat = this.flatten(node);
    this.#assertDepth(place, flat.source.depth(flat.id));
    const base = parent === undefined ? "" : this.#childBase(parent);
    const moved = flat.base === base ? flat : this.#atBase(flat, base);
    if (parent === undefined) this.#root = moved;
    else this.#place(place, key, moved, insert);
  }

  /** Removes what is at a place inside the document. */
  remove(place: JsonPlace): void {
    const { parent, path, at, key } = place;
    if (parent === undefined || at === undefined) return;
    this.#assertDepth(place, 0);
    const items = this.#itemsOf(parent);
    if (parent.kind === "array") {
      this.#budget.spend(1 + ((items.length - at) >> 3));
      items.splice(at, 1);
    } else {
      const places = this.#placesOf(parent);
      items[at] = REMOVED;
      places.delete(key);
      if (parent.hasDoubles) this.#removeDoubles(parent, key);
    }
    for (const node of path) node.isChanged = true;
  }

  /** Returns a value whose text is what it contains now. */
  flatten(node: JsonNode): JsonNode {
    if (!node.isChanged) {
      this.#budget.spend(node.source.end(node.id) - node.source.start(node.id));
      return new JsonNode(node.source, node.id, node.base);
    }
    const pieces: string[] = [];
    this.#render(node, pieces);
    return new JsonNode(parseWithin(pieces.join(""), this.#budget), 0, node.base);
  }

  /** Returns a value with another indentation. */
  #atBase({ source, id, base: from }: JsonNode, base: string): JsonNode {
    const text = reindent(source.textOf(id), from, base, this.#budget);
    return new JsonNode(parseWithin(text, this.#budget), 0, base);
  }

  #assertDepth({ path }: JsonPlace, depth: number): void {
    if (path.length + depth <= MAX_JSON_DEPTH) return;
    throw new EditFault(
      "too-large",
      `the document would have more than ${MAX_JSON_DEPTH} levels at the changed place`,
    );
  }

  #place({ parent, path, at }: JsonPlace, key: string, node: JsonNode, insert: boolean): void {
    if (parent === undefined) return;
    const items = this.#itemsOf(parent);
    if (at !== undefined && !insert) this.#itemAt(parent, at).node = node;
    else if (parent.kind === "array") {
      const index = key === "-" ? items.length : Number(key);
      this.#budget.spend(1 + ((items.length - index) >> 3));
      items.splice(index, 0, { node, label: "", ...ADDED });
    } else {
      const label = `${JSON.stringify(key)}:${this.#colonSpace(parent)}`;
      this.#placesOf(parent).set(key, items.length);
      items.push({ node, label, ...ADDED });
    }
    for (const changed of path) changed.isChanged = true;
  }

  /** Splits an array or object into its items. */
  #split(node: JsonNode): void {
    const { source, id } = node;
    const items: number[] = [];
    for (let child = id + 1; child < source.next(id); child = source.next(child)) items.push(child);
    this.#budget.spend(items.length * EDIT_STEPS_PER_VALUE / 2);
    node.items = items;
  }

  /** The places of the members of an object. They cost as much as many comparisons of one name. */
  #placesOf(node: JsonNode): Map<string, number> {
    if (node.places !== undefined) return node.places;
    const items = this.#itemsOf(node);
    const places = new Map<string, number>();
    for (const [at, item] of items.entries()) {
      const id = typeof item === "number" ? item : item.origin;
      // Before the places are known, members are replaced only.
      if (id !== undefined) places.set(node.source.key(id), at);
    }
    node.hasDoubles = places.size < items.length;
    return node.places = places;
  }

  /** Place of the last member of a name. */
  #memberPlace(node: JsonNode, key: string): number | undefined {
    const { source } = node;
    if (node.places === undefined && source.hasPlainNames && node.lookups++ < COMPARED_NAMES) {
      const items = this.#itemsOf(node);
      for (let at = items.length - 1; at >= 0; at--) {
        const item = items[at] ?? REMOVED;
        const id = typeof item === "number" ? item : item.origin ?? REMOVED;
        if (source.hasPlainName(id, key)) return at;
      }
      return undefined;
    }
    return this.#placesOf(node).get(key);
  }

  #placeOf(node: JsonNode, key: string): number | undefined {
    if (node.kind === "object") return this.#memberPlace(node, key);
    const items = this.#itemsOf(node);
    if (!/^(?:0|[1-9]\d{0,9})$/.test(key)) return undefined;
    const index = Number(key);
    return index < items.length ? index : undefined;
  }

  /** Removes the earlier members of a name. */
  #removeDoubles(parent: JsonNode, key: string): void {
    const { source, items = [] } = parent;
    this.#budget.spend(source.end(parent.id) - source.start(parent.id));
    this.#budget.spend(items.length * EDIT_STEPS_PER_VALUE);
    for (const [at, item] of items.entries()) {
      const id = typeof item === "number" ? item : item.origin;
      if (id !== undefined && id !== REMOVED && source.key(id) === key) items[at] = REMOVED;
    }
  }

  #itemAt(parent: JsonNode, at: number): Item {
    const items = this.#itemsOf(parent);
    const found = items[at] ?? REMOVED;
    if (typeof found !== "number") return found;
    const { source } = parent;
    const start = source.itemStart(found);
    const gap = this.#gapBefore(source, start);
    const after = this.#gapAfter(source, source.end(found));
    const isLast = source.text[source.end(found) + after.length] !== ",";
    const item: Item = {
      node: new JsonNode(source, found, indentOf(gap) ?? parent.base),
      label: source.text.slice(start, source.start(found)),
      gap,
      trail: isLast ? "" : after,
      origin: found,
    };
    items[at] = item;
    return item;
  }

  /** Indentation of the lines on which the items of a value begin. */
  #childBase(parent: JsonNode): string {
    return indentOf(this.#gapsOf(parent).other) ?? parent.base;
  }

  #gapsOf({ source, id, base }: JsonNode): Gaps {
    const { unit, eol, space } = this.#style;
    const first = id + 1;
    if (first === source.next(id)) {
      if (unit === undefined) return { first: "", other: space, last: "" };
      return { first: eol + base + unit, other: eol + base + unit, last: eol + base };
    }
    const gap = this.#gapBefore(source, source.itemStart(first));
    const second = source.next(first);
    const other = second < source.next(id)
      ? this.#gapBefore(source, source.itemStart(second))
      : gap.includes("\n")
      ? gap
      : space;
    return { first: gap, other, last: this.#gapBefore(source, source.end(id) - 1) };
  }

  #gapBefore({ text }: JsonSource, end: number): string {
    return this.#counted(gapBefore(text, end));
  }

  #gapAfter({ text }: JsonSource, start: number): string {
    return this.#counted(gapAfter(text, start));
  }

  /** Counts text between values: the same can be read and written often, and be very long. */
  #counted(text: string): string {
    this.#budget.spend(text.length);
    return text;
  }

  #colonSpace({ source, id }: JsonNode): string {
    const first = id + 1;
    if (first === source.next(id)) return this.#style.unit === undefined ? this.#style.space : " ";
    const between = this.#gapBefore(source, source.start(first));
    return between.length > 8 || between.includes("\n") ? " " : between;
  }

  #render(node: JsonNode, pieces: string[]): void {
    const { source, id, items } = node;
    if (!node.isChanged || items === undefined) {
      const text = source.textOf(id);
      this.#budget.spend(text.length);
      pieces.push(text);
      return;
    }
    const isObject = node.kind === "object";
    const gaps = this.#gapsOf(node);
    let count = 0;
    pieces.push(isObject ? "{" : "[");
    for (let i = 0; i < items.length; i++) {
      const item = items[i];
      if (item === undefined || item === REMOVED) continue;
      if (count > 0) pieces.push(",");
      const isOwnGap = count > 0;
      count++;
      if (typeof item !== "number") {
        const gap = isOwnGap ? gapOf(node, item, gaps) : gaps.first;
        pieces.push(this.#counted(gap), this.#counted(item.label));
        this.#render(item.node, pieces);
        pieces.push(this.#counted(item.trail));
        continue;
      }
      // Items that follow each other in the text are copied together.
      let last = item;
      while (items[i + 1] === source.next(last) && source.next(last) < source.next(id)) {
        last = source.next(last);
        i++;
      }
      const isFirst = item === id + 1;
      const gap = !isOwnGap
        ? gaps.first
        : isFirst
        ? gaps.other
        : this.#gapBefore(source, source.itemStart(item));
      const after = this.#gapAfter(source, source.end(last));
      const end = source.text[source.end(last) + after.length] === "," ? after.length : 0;
      const text = source.text.slice(source.itemStart(item), source.end(last) + end);
      this.#budget.spend(text.length);
      pieces.push(gap, text);
    }
    if (count > 0) pieces.push(gaps.last);
    pieces.push(isObject ? "}" : "]");
  }
}

/** The white space before an item that is not the first one. */
function gapOf({ id }: JsonNode, item: Item, gaps: Gaps): string {
  return item.origin === id + 1 ? gaps.other : item.gap ?? gaps.other;
}

/** Parses a text and counts the work. */
export function parseWithin(text: string, budget: EditBudget): JsonSource {
  budget.spend(text.length);
  const source = JsonSource.parse(text);
  budget.spend(source.size * EDIT_STEPS_PER_VALUE);
  return source;
}
