/** Builds the responses to requests for a shape. */

import { includesTag, parseEntityTags } from "../kit/entity_tag.ts";
import type { Problem } from "../kit/problem.ts";
import { formatShapeEvents, formatSourceEvents, streamHeaders } from "./event_stream.ts";
import type { Model } from "./model.ts";
import { type CacheStatus, type Shape, shapeHeaders, toWholeHeaders } from "./shape.ts";
import type { ShapeRequest } from "./shape_request.ts";
import { readSource, type Source } from "./source.ts";

/** Sends a shape: whole, as a stream, or as 304 if the client has it. */
export function respondWithShape(
  { request, format, isStream }: ShapeRequest,
  shape: Shape,
  status: CacheStatus,
): Response {
  const isHead = request.method === "HEAD";
  if (isStream) {
    const headers = streamHeaders(shape.headers, status);
    return new Response(isHead ? null : formatShapeEvents(shape, status), { headers });
  }
  const ifNoneMatch = request.headers.get("if-none-match");
  if (ifNoneMatch === null) {
    if (status === "hit" && !isHead) return shape.hit.clone();
  } else if (includesTag(parseEntityTags(ifNoneMatch), shape.etag, "weak")) {
    return shape.notModified.clone();
  }
  const headers = toWholeHeaders(shape.headers, format, shape.etag, status);
  return new Response(isHead ? null : shape.text, { headers });
}

/**
 * Finds the entity tag of a shape with this key in If-None-Match. The client then has the current
 * shape, even if the cache has evicted it.
 *
 * @param hash SHA-256 of the key
 */
export function findKnownTag({ headers }: Request, hash: string): string | undefined {
  const tags = parseEntityTags(headers.get("if-none-match") ?? "");
  if (tags === undefined || tags === "*") return undefined;
  const own = new RegExp(`^(?:W/)?("${hash.slice(0, 16)}-[\\da-f]{16}")$`);
  return tags.map((tag) => own.exec(tag)?.[1]).find((tag) => tag !== undefined);
}

/** Answers 304 without the shape. */
export function respondNotModified({ format }: ShapeRequest, model: Model, etag: string): Response {
  const headers = { ...shapeHeaders(format, model, undefined), etag, "x-semantic-cache": "hit" };
  return new Response(null, { status: 304, headers });
}

/** Answers a HEAD whose shape was not generated: the headers that are known. */
export function respondWithoutShape({ format, isStream }: ShapeRequest, model: Model): Response {
  return new Response(null, {
    headers: {
      ...shapeHeaders(format, model, undefined),
      "content-type": isStream ? "text/event-stream" : format.contentType,
      "x-semantic-cache": "miss",
    },
  });
}

/**
 * Sends the source instead of a shape if the client accepts that.
 *
 * @param loaded the source if it was read already
 * @throws the problem if the client prefers another media type
 */
export async function respondWithSource(
  { acceptsSource, env, path, state, isStream, request, format }: ShapeRequest,
  problem: Problem,
  loaded: Source | undefined,
): Promise<Response> {
  if (!acceptsSource) throw problem;
  const source = loaded ?? await readSource(env.caller.fetch, path, state.settings.source);
  const headers = {
    ...problem.headers,
    ...shapeHeaders(format, { name: "none", isLocal: true }, source.cut),
  };
  const isHead = request.method === "HEAD";
  if (isStream) {
    return new Response(isHead ? null : formatSourceEvents(source.text), {
      headers: streamHeaders(headers, "fallback-raw"),
    });
  }
  return new Response(isHead ? null : source.text, {
    headers: {
      ...headers,
      "content-type": format.contentType,
      "cache-control": "no-store",
      "x-semantic-cache": "fallback-raw",
    },
  });
}
