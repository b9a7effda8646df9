/**
 * Representations of worlds: headers and bytes of each kind, and what conditions and ranges of a
 * request select of them. A representation is created once per version and kept as long as the
 * world is in memory. Callers check access rights first.
 */

import type { World } from "../world/store.ts";
import { isActiveExt, isUtf8, toMediaType } from "../world/media_type.ts";
import { formatContentRange, selectRange } from "../http/byte_range.ts";
import { evaluateConditions } from "../http/conditional.ts";
import { isCompressible } from "../http/content_coding.ts";
import { formatEtag } from "../http/etag.ts";
import { RESOURCE_POLICY } from "../http/headers.ts";
import { formatHttpDate } from "../http/http_date.ts";
import { streamPart } from "../http/pieces.ts";
import { Problem } from "../http/problem.ts";
import { MAX_CACHE_ENTRY_BYTES, MIN_COMPRESSED_BYTES, STREAM_PIECE_BYTES } from "../limits.ts";

/** Kinds of representations, in addition to the page of the shell. */
export type RepresentationKind = "raw" | "json" | "text";

/** One kind of representation of one version. */
export interface Representation {
  readonly etag: string;
  /** Time of the last change in Unix milliseconds. */
  readonly lastModified: number;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array<ArrayBuffer>;
  /**
   * The 200 response, to be cloned: validating headers of a new Response costs more than the rest
   * of a read.
   */
  readonly fullResponse: Response;
  /** The 304 response, to be cloned. */
  readonly notModified: Response;
}

type Cached = { -readonly [F in RepresentationKind]?: Representation } & { utf8?: boolean };

const cache = new WeakMap<World, Cached>();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** Checks whether the bytes of a world are valid UTF-8. */
export function hasUtf8Body(world: World): boolean {
  const cached = cachedOf(world);
  return cached.utf8 ??= isUtf8(world.body);
}

/** Returns a representation of a world; creates it on first use. */
export function getRepresentation(world: World, kind: RepresentationKind): Representation {
  const cached = cachedOf(world);
  return cached[kind] ??= createRepresentation(world, kind);
}

/** The JSON object of a world, as GET and the event streams send it. */
export function toWorldJson(world: World): Record<string, unknown> {
  const text = hasUtf8Body(world);
  return {
    stage_html: text ? decoder.decode(world.body) : "",
    version: world.version,
    ext: world.ext,
    type: world.ext,
    updated_at: world.updatedAt,
    ...(text ? {} : { binary: true, len: world.body.length }),
    ...(world.name.startsWith("lib/") && world.layer === "upper" ? { state: world.state } : {}),
  };
}

/**
 * Answers a GET or HEAD with a representation: 200, 206, 304, 412 or 416.
 *
 * @param request its method and headers
 * @param found the representation
 * @param ranges whether byte ranges are supported
 * @throws {Problem} `precondition-failed`, `range-not-satisfiable`
 */
export function respondRepresentation(
  request: { readonly method: string; readonly headers: Pick<Headers, "get"> },
  found: Representation,
  ranges: boolean,
): Response {
  const { headers, body } = found;
  if (evaluateConditions(request.headers, found.etag, found.lastModified) === "not-modified") {
    return found.notModified.clone();
  }
  const rangeHeader = ranges && request.method === "GET" ? request.headers.get("range") : null;
  if (rangeHeader === null) return found.fullResponse.clone();
  const ifRange = request.headers.get("if-range");
  const range = selectRange(rangeHeader, ifRange, found.etag, found.lastModified, body.length);
  if (range === "whole") return found.fullResponse.clone();
  if (range === "unsatisfiable") {
    throw new Problem(
      "range-not-satisfiable",
      `Cannot send the range ${rangeHeader.slice(0, 100)}: the content has ${body.length} bytes`,
      { "content-range": formatContentRange(range, body.length), "accept-ranges": "bytes" },
    );
  }
  const part = body.subarray(range.start, range.end + 1);
  // A longer world is not in the cache: a view would keep all of it for this client only.
  const isShared = part.length > STREAM_PIECE_BYTES && body.length <= MAX_CACHE_ENTRY_BYTES;
  return new Response(isShared ? streamPart(part) : part, {
    status: 206,
    headers: {
      ...headers,
      "content-range": formatContentRange(range, body.length),
      "content-length": String(part.length),
    },
  });
}

/** Creates a 304 with the headers of the 200 except those about the content (RFC 9110 §15.4.5). */
export function notModifiedResponse(headers: Readonly<Record<string, string>>): Response {
  const { "content-type": _type, "content-length": _length, ...kept } = headers;
  return new Response(null, { status: 304, headers: kept });
}

function cachedOf(world: World): Cached {
  let cached = cache.get(world);
  if (cached === undefined) {
    cached = {};
    cache.set(world, cached);
  }
  return cached;
}

function createRepresentation(world: World, kind: RepresentationKind): Representation {
  const lastModified = Date.parse(world.updatedAt) || 0;
  const state = kind === "json" && world.state !== "" ? `-${world.state}` : "";
  const tag = formatEtag(world.version, world.sha256, `${kind}${state}`);
  const headers: Record<string, string> = {
    [RESOURCE_POLICY]: "same-origin",
    "content-type": contentType(world, kind),
    "etag": tag,
    "last-modified": formatHttpDate(lastModified),
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
  };
  if (kind === "raw") {
    headers["accept-ranges"] = "bytes";
    // Stored markup must not run as this origin, however it is opened.
    if (isActiveExt(world.ext)) headers["content-security-policy"] = "sandbox allow-scripts";
  }
  for (const [name, value] of world.meta) headers[name] = value;
  const body = kind === "json" ? encoder.encode(JSON.stringify(toWorldJson(world))) : world.body;
  headers["content-length"] = String(body.length);
  const isEncoded = body.length >= MIN_COMPRESSED_BYTES &&
    isCompressible(headers["content-type"] ?? null);
  const vary = [...(kind === "raw" ? [] : ["Accept"]), ...(isEncoded ? ["Accept-Encoding"] : [])];
  if (vary.length > 0) headers["vary"] = vary.join(", ");
  return {
    etag: tag,
    lastModified,
    headers,
    body,
    fullResponse: new Response(body, { headers }),
    notModified: notModifiedResponse(headers),
  };
}

function contentType(world: World, kind: RepresentationKind): string {
  if (kind === "json") return "application/json";
  if (kind === "text") return "text/plain; charset=utf-8";
  return toMediaType(world.ext);
}
