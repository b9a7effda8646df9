/**
 * A collection as it goes over the wire: one name a line for pipes, an array for programs. It shows
 * what it is given; what a caller may see is filtered before.
 */

import { sha256Hex } from "../base/hash.ts";
import type { Child } from "../world/store.ts";
import { evaluateConditions } from "../http/conditional.ts";
import { notModifiedResponse } from "./representation.ts";

const encoder = new TextEncoder();

/** One line of a listing. Routes without worlds behind them list their own rows. */
export interface ListingRow {
  readonly name: string;
  readonly dir: boolean;
  readonly [fact: string]: unknown;
}

/** A child of a collection as a row. */
export function toListingRow({ name, dir, entry }: Child): ListingRow {
  if (entry === undefined) return { name, dir };
  const { version, ext, len, updatedAt, state } = entry;
  return {
    name,
    dir,
    version,
    ext,
    len,
    updated_at: updatedAt,
    ...(state === "" ? {} : { state }),
  };
}

/** A listing as its bytes; whoever keeps one keeps nothing that depends on a request. */
export interface EncodedListing {
  /** `text/plain` or `application/json`. */
  readonly mediaType: string;
  readonly body: Uint8Array<ArrayBuffer>;
  /** Strong entity tag, quoted. */
  readonly etag: string;
}

/**
 * Makes a listing of its rows.
 *
 * @param form `text/plain` or `application/json`
 */
export function encodeListing(rows: readonly ListingRow[], form: string): EncodedListing {
  const json = form === "application/json";
  const body = encoder.encode(json ? JSON.stringify(rows) : rows.map(lines).join(""));
  return {
    mediaType: form,
    body,
    etag: `"${sha256Hex(body).slice(0, 16)}.${json ? "list-json" : "list"}"`,
  };
}

/**
 * Answers a GET or HEAD with a listing that was made.
 *
 * @throws {Problem} `precondition-failed`
 */
export function sendListing(
  request: Request,
  { mediaType: form, body, etag: tag }: EncodedListing,
): Response {
  const headers = {
    "content-type": form === "application/json" ? form : "text/plain; charset=utf-8",
    "etag": tag,
    "vary": "Accept",
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
  };
  // A listing has no time of its own, so only its tag can say that it is unchanged.
  const unchanged = evaluateConditions(request.headers, tag, undefined) === "not-modified";
  return unchanged ? notModifiedResponse(headers) : new Response(body, { headers });
}

/**
 * Answers a GET or HEAD with a listing in the chosen form.
 *
 * @param form `text/plain` or `application/json`
 * @throws {Problem} `precondition-failed`
 */
export function respondListing(
  request: Request,
  rows: readonly ListingRow[],
  form: string,
): Response {
  return sendListing(request, encodeListing(rows, form));
}

/** A name that is a world and a collection is two things, and gets two lines. */
function lines(row: ListingRow): string {
  const world = !row.dir || row.version !== undefined;
  return (world ? `${row.name}\n` : "") + (row.dir ? `${row.name}/\n` : "");
}
