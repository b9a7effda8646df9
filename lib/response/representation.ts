/**
 * A world as it goes over the wire: which representation was asked for, its headers and bytes, and
 * what of them the request's conditions and ranges leave. What can be made once a version is made
 * once and kept as long as the version is in memory. It decides nothing about who may read.
 */

import type { World } from "../world/store.ts";
import { isActive, isUtf8, mediaType } from "../world/media_type.ts";
import { contentRange, selectRange } from "../http/byte_range.ts";
import { readOutcome } from "../http/conditional.ts";
import { etag } from "../http/etag.ts";
import { formatHttpDate } from "../http/http_date.ts";
import { Problem } from "../http/problem.ts";

/** The forms a world is read in, beside the shell's page. */
export type Form = "raw" | "json" | "text";

/** One form of one version. */
export interface Representation {
  readonly etag: string;
  /** Unix milliseconds. */
  readonly lastModified: number;
  readonly headers: Record<string, string>;
  readonly body: Uint8Array<ArrayBuffer>;
  /** The 200, to be cloned: checking the headers of a new Response costs more than all else here. */
  readonly whole: Response;
  /** The 304, to be cloned. */
  readonly unchanged: Response;
}

type Made = { -readonly [F in Form]?: Representation } & { utf8?: boolean };

const made = new WeakMap<World, Made>();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** Whether a world's bytes can be given as text. */
export function hasText(world: World): boolean {
  const known = madeOf(world);
  return known.utf8 ??= isUtf8(world.body);
}

/** One form of a world, made now or before. */
export function represent(world: World, form: Form): Representation {
  const known = madeOf(world);
  return known[form] ??= make(world, form);
}

/** The JSON object of a world, as GET and the event streams send it. */
export function worldJson(world: World): Record<string, unknown> {
  const text = hasText(world);
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
export function respond(request: Request, found: Representation, ranges: boolean): Response {
  const { headers, body } = found;
  if (readOutcome(request.headers, found.etag, found.lastModified) === "not-modified") {
    return found.unchanged.clone();
  }
  const asked = ranges && request.method === "GET" ? request.headers.get("range") : null;
  if (asked === null) return found.whole.clone();
  const ifRange = request.headers.get("if-range");
  const range = selectRange(asked, ifRange, found.etag, found.lastModified, body.length);
  if (range === "whole") return found.whole.clone();
  if (range === "unsatisfiable") {
    throw new Problem(
      "range-not-satisfiable",
      `Cannot send the range ${asked.slice(0, 100)}: the content has ${body.length} bytes`,
      { "content-range": contentRange(range, body.length), "accept-ranges": "bytes" },
    );
  }
  return new Response(body.subarray(range.start, range.end + 1), {
    status: 206,
    headers: {
      ...headers,
      "content-range": contentRange(range, body.length),
      "content-length": String(range.end + 1 - range.start),
    },
  });
}

/** A 304 with the headers that a 200 would have had, less those about its content (RFC 9110 §15.4.5). */
export function notModified(headers: Readonly<Record<string, string>>): Response {
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

function make(world: World, form: Form): Representation {
  const lastModified = Date.parse(world.updatedAt) || 0;
  const state = form === "json" && world.state !== "" ? `-${world.state}` : "";
  const tag = etag(world.version, world.sha256, `${form}${state}`);
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
    if (isActive(world.ext)) headers["content-security-policy"] = "sandbox allow-scripts";
  } else headers["vary"] = "Accept";
  for (const [name, value] of world.meta) headers[name] = value;
  const body = form === "json" ? encoder.encode(JSON.stringify(worldJson(world))) : world.body;
  headers["content-length"] = String(body.length);
  return {
    etag: tag,
    lastModified,
    headers,
    body,
    whole: new Response(body, { headers }),
    unchanged: notModified(headers),
  };
}

function contentType(world: World, form: Form): string {
  if (form === "json") return "application/json";
  if (form === "text") return "text/plain; charset=utf-8";
  return mediaType(world.ext);
}
