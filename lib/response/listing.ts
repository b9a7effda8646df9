/**
 * Listings of a collection: one name per line as text, or an array as JSON. The caller filters the
 * rows by what the client can read.
 */

import { concatBytes } from "../base/concat_bytes.ts";
import { Sha256, sha256Hex } from "../base/hash.ts";
import type { TimeSlices } from "../base/time_slices.ts";
import { type Pieces, splitIntoPieces, streamPieces } from "../http/pieces.ts";
import { MAX_UNSPLIT_LISTING_BYTES, STREAM_PIECE_BYTES } from "../limits.ts";
import type { Child } from "../world/store.ts";
import { evaluateConditions } from "../http/conditional.ts";
import { notModifiedResponse } from "./representation.ts";

const encoder = new TextEncoder();

/** One row of a listing. Routes without worlds add members of their own. */
export interface ListingRow {
  readonly name: string;
  readonly dir: boolean;
  readonly [member: string]: unknown;
}

/**
 * Converts a child of a collection to a row.
 *
 * @param isRedacted whether the caller sees the world redacted; then the row has no length
 */
export function toListingRow({ name, dir, entry }: Child, isRedacted: boolean): ListingRow {
  if (entry === undefined) return { name, dir };
  const { version, ext, len, updatedAt, state, by } = entry;
  return {
    name,
    dir,
    version,
    ext,
    ...(isRedacted ? {} : { len }),
    updated_at: updatedAt,
    ...(by === "" ? {} : { by }),
    ...(state === "" ? {} : { state }),
  };
}

/**
 * A listing in one media type, ready to be sent. It does not depend on a request, so it can be
 * cached.
 */
export interface EncodedListing {
  /** `text/plain` or `application/json`. */
  readonly mediaType: string;
  /** The content; a long one in pieces, so that slow clients can share it. */
  readonly body: Uint8Array<ArrayBuffer> | Pieces;
  /** Length of the content in bytes. */
  readonly length: number;
  /** Strong entity tag, quoted. */
  readonly etag: string;
  /** Value of the `Link` header; absent if no page follows. */
  readonly link?: string;
}

/**
 * Encodes a listing.
 *
 * @param rows the rows, in order
 * @param mediaType `text/plain` or `application/json`
 */
export function encodeListing(rows: readonly ListingRow[], mediaType: string): EncodedListing {
  const json = mediaType === "application/json";
  const body = encoder.encode(json ? JSON.stringify(rows) : rows.map(lines).join(""));
  return {
    mediaType,
    body: body.length > MAX_UNSPLIT_LISTING_BYTES ? splitIntoPieces(body) : body,
    length: body.length,
    etag: `"${sha256Hex(body).slice(0, 16)}.${json ? "list-json" : "list"}"`,
  };
}

/**
 * Encodes a listing in slices, so that the thread is never occupied for long.
 *
 * @param items what the rows are made of, in order
 * @param encodeRow returns the row as JSON, or as lines of text
 * @param mediaType `text/plain` or `application/json`
 * @param slices the slices of this kind of work
 * @param link value of the `Link` header; undefined if no page follows
 */
export async function encodeListingInSlices<T>(
  items: Iterable<T>,
  encodeRow: (item: T) => string,
  mediaType: string,
  slices: TimeSlices,
  link?: string,
): Promise<EncodedListing> {
  const json = mediaType === "application/json";
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const hash = new Sha256();
  let length = 0;
  let text = json ? "[" : "";
  let isFirst = true;
  const flush = () => {
    const bytes = encoder.encode(text);
    hash.add(bytes);
    length += bytes.length;
    pieces.push(...splitIntoPieces(bytes));
    text = "";
  };
  for (const item of items) {
    text += json && !isFirst ? `,${encodeRow(item)}` : encodeRow(item);
    isFirst = false;
    if (text.length >= STREAM_PIECE_BYTES) flush();
    if (slices.isOver) await slices.next();
  }
  if (json) text += "]";
  flush();
  hash.add(link ?? "");
  return {
    mediaType,
    body: length > MAX_UNSPLIT_LISTING_BYTES ? pieces : concatBytes(pieces),
    length,
    etag: `"${hash.end().slice(0, 16)}.${json ? "list-json" : "list"}"`,
    ...(link === undefined ? {} : { link }),
  };
}

/** Returns the function that encodes a row in a media type. */
export function rowEncoder(mediaType: string): (row: ListingRow) => string {
  return mediaType === "application/json" ? (row) => JSON.stringify(row) : lines;
}

/**
 * Answers a GET or HEAD with an encoded listing.
 *
 * @throws {Problem} `precondition-failed`
 */
export function sendListing(
  request: Request,
  { mediaType, body, length, etag, link }: EncodedListing,
): Response {
  const headers = {
    "content-type": mediaType === "application/json" ? mediaType : "text/plain; charset=utf-8",
    "etag": etag,
    "vary": "Accept",
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
    ...(link === undefined ? {} : { link }),
  };
  // A listing has no modification time; only its tag can show that it is unchanged.
  const unchanged = evaluateConditions(request.headers, etag, undefined) === "not-modified";
  if (unchanged) return notModifiedResponse(headers);
  return new Response(body instanceof Uint8Array ? body : streamPieces(body), {
    headers: { ...headers, "content-length": String(length) },
  });
}

/**
 * Encodes a listing and answers a GET or HEAD with it.
 *
 * @param request the request
 * @param rows the rows, in order
 * @param mediaType `text/plain` or `application/json`
 * @throws {Problem} `precondition-failed`
 */
export function respondListing(
  request: Request,
  rows: readonly ListingRow[],
  mediaType: string,
): Response {
  return sendListing(request, encodeListing(rows, mediaType));
}

/** A name that is both a world and a collection gets two lines. */
function lines(row: ListingRow): string {
  const world = !row.dir || row.version !== undefined;
  return (world ? `${row.name}\n` : "") + (row.dir ? `${row.name}/\n` : "");
}
