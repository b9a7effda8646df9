/**
 * A world as it goes over the wire: which representation was asked for, its headers and bytes, and
 * what of them the request's conditions and ranges leave. What can be made once a version is made
 * once and kept as long as the version is in memory. It decides nothing about who may read.
 */

import type { World } from "../world/store.ts";
import { isActiveExt, isUtf8, toMediaType } from "../world/media_type.ts";
import { formatContentRange, selectRange } from "../http/byte_range.ts";
import { evaluateConditions } from "../http/conditional.ts";
import { formatEtag } from "../http/etag.ts";
import { formatHttpDate } from "../http/http_date.ts";
import { Problem } from "../http/problem.ts";

/** The forms a world is read in, beside the shell's page. */
export type RepresentationKind = "raw" | "json" | "text";

/** One form of one version. */
export interface Representation {
  readonly etag: string;
  /** Unix milliseconds. */
  readonly lastModified: number;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array<ArrayBuffer>;
  /** The 200, to be cloned: checking the headers of a new Response costs more than all else here. */
  readonly fullResponse: Response;
  /** The 304, to be cloned. */
  readonly notModified: Response;
}

type Made = { -readonly [F in RepresentationKind]?: Representation } & { utf8?: boolean };

const made = new WeakMap<World, Made>();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** Whether a world's bytes can be given as text. */
export function hasUtf8Body(world: World): boolean {
  const known = madeOf(world);
  return known.utf8 ??= isUtf8(world.body);
}

/** One form of a world, made now or before. */
export function getRepresentation(world: World, form: RepresentationKind): Representation {
  const known = madeOf(world);
  return known[form] ??= make(world, form);
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
 * @throws {Problem} `precondition-failed`, `range-not-satisfiable`
 */
export function respondRepresentation(
  request: Request,
  found: Representation,
  ranges: boolean,
): Response {
  const { headers, body } = found;
  if (evaluateConditions(request.headers, found.etag, found.lastModified) === "not-modified") {
    return found.notModified.clone();
  }
  const asked = ranges && request.method === "GET" ? request.headers.get("range") : null;
  if (asked === null) return found.fullResponse.clone();
  const ifRange = request.headers.get("if-range");
  const range = selectRange(asked, ifRange, found.etag, found.lastModified, body.length);
  if (range === "whole") return found.fullResponse.clone();
  if (range === "unsatisfiable") {
    throw new Problem(
      "range-not-satisfiable",
      `Cannot send the range ${asked.slice(0, 100)}: the content has ${body.length} bytes`,
      { "content-range": formatContentRange(range, body.length), "accept-ranges": "bytes" },
    );
  }
  return new Response(body.subarray(range.start, range.end + 1), {
    status: 206,
    headers: {
      ...headers,
      "content-range": formatContentRange(range, body.length),
      "content-length": String(range.end + 1 - range.start),
    },
  });
}

/** A 304 with the headers that a 200 would have had, less those about its content (RFC 9110 §15.4.5). */
export function notModifiedResponse(headers: Readonly<Record<string, string>>): Response {
  const { "content-type": _type, "content-length": _length, ...kept } = headers;
  return new Response(null, { status: 304, headers: kept });
}

function madeOf(world: World): Made {
  let known = made.get(world);
  if (known === undefined) {
    known = {};
    made.set(world, known);
  }
  return known;
}

function make(world: World, form: RepresentationKind): Representation {
  const lastModified = Date.parse(world.updatedAt) || 0;
  const state = form === "json" && world.state !== "" ? `-${world.state}` : "";
  const tag = formatEtag(world.version, world.sha256, `${form}${state}`);
  const headers: Record<string, string> = {
    "content-type": contentType(world, form),
    "etag": tag,
    "last-modified": formatHttpDate(lastModified),
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
  };
  if (form === "raw") {
    headers["accept-ranges"] = "bytes";
    // Strangers' markup must not act as this origin, wherever it is opened.
    if (isActiveExt(world.ext)) headers["content-security-policy"] = "sandbox allow-scripts";
  } else headers["vary"] = "Accept";
  for (const [name, value] of world.meta) headers[name] = value;
  const body = form === "json" ? encoder.encode(JSON.stringify(toWorldJson(world))) : world.body;
  headers["content-length"] = String(body.length);
  return {
    etag: tag,
    lastModified,
    headers,
    body,
    fullResponse: new Response(body, { headers }),
    notModified: notModifiedResponse(headers),
  };
}

function contentType(world: World, form: RepresentationKind): string {
  if (form === "json") return "application/json";
  if (form === "text") return "text/plain; charset=utf-8";
  return toMediaType(world.ext);
}
