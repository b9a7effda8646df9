/**
 * A shape: a complete text that satisfies its format, with the headers and the responses that belong
 * to it. What is created here is sent many times, so the responses are built once.
 */

import { sha256Hex } from "../kit/sha256.ts";
import type { Format } from "./formats/format.ts";
import type { Model } from "./model.ts";
import { PROMPT_REVISION } from "./prompt.ts";

/** The value of `Vary`: the request headers that select a shape. */
export const VARY = "Accept, X-Semantic-Intent, User-Agent";
/** Lets a page or picture have any appearance, but run, load and send nothing. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox";
/** Headers of what a browser renders: no Referer from its links, no use by another site. */
const RENDERED_HEADERS = {
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
};

/** Header names and values. */
export type HeaderRecord = Readonly<Record<string, string>>;

/** Where a shape came from, as `X-Semantic-Cache` reports it. */
export type CacheStatus = "hit" | "generated" | "shared";

/** A complete text that satisfies its format. */
export interface Shape {
  /** SHA-256 of the key in hexadecimal; empty if the shape must not be stored. */
  readonly hash: string;
  readonly text: string;
  /** Entity tag, quoted. */
  readonly etag: string;
  /** Headers that a whole response and a stream have in common. */
  readonly headers: HeaderRecord;
  /**
   * Responses to requests for a stored shape. Send a clone: `new Response()` validates every
   * header, which is most of the cost of a hit.
   */
  readonly hit: Response;
  readonly notModified: Response;
}

/** Creates a shape. */
export async function createShape(
  hash: string,
  text: string,
  format: Format,
  headers: HeaderRecord,
): Promise<Shape> {
  const etag = `"${hash.slice(0, 16)}-${(await sha256Hex(text)).slice(0, 16)}"`;
  const complete = toWholeHeaders(headers, format, etag, "hit");
  const { "content-type": _contentType, ...rest } = complete;
  const hit = new Response(text, { headers: complete });
  const notModified = new Response(null, { status: 304, headers: rest });
  return Object.freeze({ hash, text, etag, headers, hit, notModified });
}

/**
 * Returns the headers of every representation of one shape.
 *
 * @param cut `X-Semantic-Cut`; undefined if the model received the whole source
 */
export function shapeHeaders(
  format: Format,
  model: Pick<Model, "name" | "isLocal">,
  cut: string | undefined,
): HeaderRecord {
  return {
    "cache-control": "private, no-cache",
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "vary": VARY,
    "x-semantic-shape": format.type,
    "x-semantic-render": PROMPT_REVISION,
    "x-semantic-gpu": `${model.name}; ${model.isLocal ? "local" : "remote"}`,
    ...(cut === undefined ? {} : { "x-semantic-cut": cut }),
    ...(format.isRendered === true ? RENDERED_HEADERS : {}),
  };
}

/** Adds the headers of a whole response, which a stream does not have. */
export function toWholeHeaders(
  headers: HeaderRecord,
  format: Format,
  etag: string,
  status: CacheStatus,
): Record<string, string> {
  return { ...headers, "content-type": format.contentType, etag, "x-semantic-cache": status };
}
