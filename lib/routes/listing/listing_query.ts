/**
 * What a client asks of a listing: `?deep`, `?sort=`, `?since=`, `?limit=`, `?after=` and `?contents`,
 * and the order of its rows. A page begins after a row that `?after=` names by its sort key and its
 * name, so that changes between two pages neither repeat nor skip a world that did not change.
 */

import { parseRfc3339 } from "../../base/rfc3339.ts";
import { Problem } from "../../http/problem.ts";
import { hasQuery, readQueryNumber, readQueryValue } from "../../http/query.ts";
import { MAX_LISTING_ROWS } from "../../limits.ts";
import { compareNames } from "../../world/name.ts";
import type { Child } from "../../world/store.ts";

/** The orders of a listing: name ascending, time newest first, size largest first. */
export type ListingOrder = "name" | "time" | "size";

/** The place of a row in an order. */
export interface Position {
  /** The time, or the length in bytes; `""` in the order of names. */
  readonly key: string | number;
  readonly name: string;
}

/** The parameters of a listing. */
export interface ListingQuery {
  /** Whether all worlds below the collection are listed, not only its children. */
  readonly deep: boolean;
  readonly contents: boolean;
  readonly order: ListingOrder;
  /** Only worlds that changed at this time or later: RFC 3339 in UTC with milliseconds. */
  readonly since?: string;
  /** Maximum number of rows. */
  readonly limit?: number;
  readonly after?: Position;
}

const TIME_POSITION = /^([^,]*),(.+)$/s;
const SIZE_POSITION = /^(-1|\d{1,15}),(.+)$/s;

/**
 * Reads the parameters of a listing.
 *
 * @param query the query without `?`, still encoded; `assertQuery` has checked it
 * @param path path of the listing, for error messages
 * @throws {Problem} `bad-query` if `?after=` is not a position in the order
 */
export function readListingQuery(query: string, path: string): ListingQuery {
  const order = toOrder(readQueryValue(query, "sort"));
  const since = readQueryValue(query, "since");
  const limit = readQueryNumber(query, "limit", MAX_LISTING_ROWS);
  const text = readQueryValue(query, "after");
  const after = text === null ? undefined : parsePosition(text, order);
  if (text !== null && after === undefined) {
    const example = {
      name: "a name",
      time: "a time and a name, such as ?after=2026-11-28T10:00:00.000Z,x",
      size: "a length and a name, such as ?after=120,x",
    };
    throw new Problem(
      "bad-query",
      `Cannot list ${path}: ?after=${
        text.slice(0, 40)
      } is not a position in the order of ${order}; ` +
        `send ${example[order]}, or follow the Link header`,
    );
  }
  return {
    deep: hasQuery(query, "deep"),
    contents: hasQuery(query, "contents"),
    order,
    ...(since === null ? {} : { since: parseRfc3339(since) ?? since }),
    ...(limit === undefined ? {} : { limit }),
    ...(after === undefined ? {} : { after }),
  };
}

/**
 * Formats the query of the next page of a listing.
 *
 * @param after the last row of the page
 */
export function formatNextQuery(listing: ListingQuery, after: Position): string {
  const { deep, contents, order, since, limit } = listing;
  const parts = [
    ...(deep ? ["deep"] : []),
    ...(order === "name" ? [] : [`sort=${order}`]),
    ...(since === undefined ? [] : [`since=${encodeURIComponent(since)}`]),
    ...(limit === undefined ? [] : [`limit=${limit}`]),
    ...(contents ? ["contents"] : []),
    `after=${encodeURIComponent(formatPosition(after, order))}`,
  ];
  return parts.join("&");
}

/**
 * Returns the place of a row in an order. Collections that are not worlds have no time and no length,
 * and a world that the caller sees redacted has none either: its place would reveal its length.
 *
 * @param isRedacted whether the caller sees the world redacted
 */
export function positionOf({ name, entry }: Child, order: ListingOrder, isRedacted: boolean) {
  const keys = {
    name: "",
    time: entry?.updatedAt ?? "",
    size: entry === undefined || isRedacted ? -1 : entry.len,
  };
  return { key: keys[order], name };
}

/** Compares two places in an order; negative if `a` is first. */
export function comparePositions(a: Position, b: Position): number {
  if (a.key !== b.key) return a.key > b.key ? -1 : 1;
  return compareNames(a.name, b.name);
}

function toOrder(text: string | null): ListingOrder {
  return text === "time" || text === "size" ? text : "name";
}

function parsePosition(text: string, order: ListingOrder): Position | undefined {
  if (order === "name") return text === "" ? undefined : { key: "", name: text };
  const [, key, name] = (order === "time" ? TIME_POSITION : SIZE_POSITION).exec(text) ?? [];
  if (key === undefined || name === undefined) return undefined;
  if (order === "size") return { key: Number(key), name };
  const time = key === "" ? "" : parseRfc3339(key);
  return time === undefined ? undefined : { key: time, name };
}

function formatPosition({ key, name }: Position, order: ListingOrder): string {
  return order === "name" ? name : `${key},${name}`;
}
