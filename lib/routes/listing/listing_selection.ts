/**
 * Selects the rows of a listing that a caller can read. It never occupies the thread for long, and a
 * page in the order of names costs in proportion to its rows.
 */

import type { Caller } from "../../auth/caller.ts";
import { canRead, isRedacted } from "../../auth/policy.ts";
import { limitReadScope, toReadScope } from "../../auth/read_scope.ts";
import { sortInSlices } from "../../base/sliced_sort.ts";
import type { TimeSlices } from "../../base/time_slices.ts";
import { LISTING_STEP_WORLDS } from "../../limits.ts";
import type { Within } from "../../world/changes.ts";
import type { Child, Store, WorldEntry } from "../../world/store.ts";
import { comparePositions, type ListingQuery, type Position, positionOf } from "./listing_query.ts";

/** A row with its place in the order. */
export interface SelectedRow extends Position {
  readonly child: Child;
}

/** A page of a listing. */
export interface Selection {
  readonly rows: readonly SelectedRow[];
  /** Whether further rows follow. */
  readonly more: boolean;
}

/** What a selection needs of the parameters of a listing. */
export type SelectionQuery = Omit<ListingQuery, "contents">;

/**
 * Selects a page of a listing. The names of rows are full names in a deep listing, else names of
 * children.
 *
 * @param name name of the collection; `""` is the whole tree
 */
export async function selectListing(
  store: Pick<Store, "entries" | "list">,
  caller: Caller,
  name: string,
  query: SelectionQuery,
  slices: TimeSlices,
): Promise<Selection> {
  const pathOf = (child: Child) =>
    query.deep || name === "" ? `/${child.name}` : `/${name}/${child.name}`;
  const page = new PageBuilder(query, slices);
  for await (const children of readChildren(store, caller, name, query)) {
    for (const child of children) {
      if (slices.isOver) await slices.next();
      const path = pathOf(child);
      if (!canRead(caller, path)) continue;
      if (query.since !== undefined && (child.entry?.updatedAt ?? "") < query.since) continue;
      page.add({ child, ...positionOf(child, query.order, isRedacted(caller, path)) });
    }
    if (await page.isFull()) break;
  }
  return await page.build();
}

/**
 * Returns all worlds at or below a name that a caller can read, in the order of names.
 *
 * @param name a name; `""` is the whole tree
 */
export async function selectWorlds(
  store: Pick<Store, "entries">,
  caller: Caller,
  name: string,
  slices: TimeSlices,
): Promise<WorldEntry[]> {
  const parts: readonly Within[] = [
    ...(name === "" ? [] : [{ name, part: "exact", restricted: true } as const]),
    ...limitReadScope(toReadScope(caller), name),
  ];
  const found: WorldEntry[] = [];
  const step = LISTING_STEP_WORLDS;
  const readPage = (last: string) => store.entries(parts, last, step);
  for await (const entries of readInSteps(readPage, "", step)) {
    for (const entry of entries) {
      if (slices.isOver) await slices.next();
      if (canRead(caller, `/${entry.name}`)) found.push(entry);
    }
  }
  return found;
}

/** Reads what can be a row, in the order of names, in steps. */
async function* readChildren(
  store: Pick<Store, "entries" | "list">,
  caller: Caller,
  name: string,
  { deep, order, limit, after }: SelectionQuery,
): AsyncGenerator<readonly Child[]> {
  const isByName = order === "name";
  const step = isByName && limit !== undefined
    ? Math.min(limit + 1, LISTING_STEP_WORLDS)
    : LISTING_STEP_WORLDS;
  const start = isByName ? after?.name ?? "" : "";
  if (!deep) {
    yield* readInSteps((last) => store.list(name, { after: last, limit: step }), start, step);
    return;
  }
  const parts = limitReadScope(toReadScope(caller), name);
  const readPage = (last: string) => store.entries(parts, last, step);
  for await (const entries of readInSteps(readPage, start, step)) {
    yield entries.map((entry) => ({ name: entry.name, dir: false, entry }));
  }
}

/** Reads pages of at most `step` items, each after the last name of the page before. */
async function* readInSteps<T extends { readonly name: string }>(
  readPage: (after: string) => Promise<readonly T[]>,
  after: string,
  step: number,
): AsyncGenerator<readonly T[]> {
  for (let last: string | undefined = after; last !== undefined;) {
    const items: readonly T[] = await readPage(last);
    yield items;
    last = items.length < step ? undefined : items.at(-1)?.name;
  }
}

/** Collects the first rows of an order. Rows arrive in the order of their names. */
class PageBuilder {
  readonly #query: SelectionQuery;
  readonly #slices: TimeSlices;
  /** Rows that a page can have, and one more that shows that another page follows. */
  readonly #max: number;
  #rows: SelectedRow[] = [];
  /** The last row that can still be in the page. */
  #last: SelectedRow | undefined;

  constructor(query: SelectionQuery, slices: TimeSlices) {
    this.#query = query;
    this.#slices = slices;
    this.#max = query.limit === undefined ? Infinity : query.limit + 1;
  }

  add(row: SelectedRow): void {
    const { after } = this.#query;
    if (after !== undefined && comparePositions(row, after) <= 0) return;
    if (this.#last !== undefined && comparePositions(row, this.#last) > 0) return;
    this.#rows.push(row);
  }

  /** Whether no later row can be in the page; called after some rows, to drop what has no place. */
  async isFull(): Promise<boolean> {
    if (this.#query.order === "name") return this.#rows.length >= this.#max;
    if (this.#rows.length >= 2 * this.#max) await this.#cut();
    return false;
  }

  async build(): Promise<Selection> {
    const { limit = Infinity, order } = this.#query;
    if (order !== "name") await this.#cut();
    const rows = this.#rows.slice(0, limit);
    return { rows, more: this.#rows.length > rows.length };
  }

  async #cut(): Promise<void> {
    const sorted = await sortInSlices(this.#rows, comparePositions, this.#slices);
    this.#rows = sorted.slice(0, this.#max);
    this.#last = this.#rows.length === this.#max ? this.#rows.at(-1) : undefined;
  }
}
