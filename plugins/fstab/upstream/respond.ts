/**
 * Answers with a resource of a mounted web server. The whole response is read before any of it is
 * sent, so that a failure becomes a problem and the mount's bearer never reaches a client.
 */

import { parseHttpDate } from "../../kit/http_date.ts";
import { Problem } from "../../kit/problem.ts";
import { sha256Hex } from "../../kit/sha256.ts";
import { conditionalResponse } from "../conditional_response.ts";
import type { MountRequest } from "../mount_request.ts";
import { containsBearer, returnedHeaders, upstreamHeaders } from "./headers.ts";
import { type HeldBody, readHeldBody } from "./held_body.ts";
import { upstreamProblem } from "./problem.ts";
import { fetchBelow, upstreamUrl } from "./request.ts";

/**
 * Answers a GET or HEAD.
 *
 * @param base the mounted URL
 * @throws {Problem}
 */
export async function readUpstream(mounted: MountRequest, base: URL): Promise<Response> {
  const { response, body } = await requestUpstream(mounted, base);
  try {
    return await toResponse(mounted, response, body);
  } catch (error) {
    body.release();
    throw error;
  }
}

async function requestUpstream(
  { request, url, mount, segments, isCollection, path }: MountRequest,
  base: URL,
): Promise<{ response: Response; body: HeldBody }> {
  const timeout = AbortSignal.timeout(mount.timeoutMs);
  const signal = AbortSignal.any([timeout, request.signal]);
  try {
    const target = upstreamUrl(base, segments, isCollection, url.search);
    const headers = upstreamHeaders(request.headers, mount.bearer);
    const response = await fetchBelow(target, base, { headers, signal }, path);
    return { response, body: await readHeldBody(response, path) };
  } catch (error) {
    if (error instanceof Problem) throw error;
    if (timeout.aborted) {
      const limit = `${mount.timeoutMs / 1000} s`;
      const detail = `Cannot read ${path}: its server sent no complete response within ${limit}`;
      throw new Problem("gateway-timeout", detail);
    }
    const found = "its server cannot be reached or closed the connection";
    throw new Problem("bad-gateway", `Cannot read ${path}: ${found}`);
  }
}

async function toResponse(
  { request, mount, path }: MountRequest,
  { status, headers: upstream }: Response,
  body: HeldBody,
): Promise<Response> {
  const headers = returnedHeaders(upstream);
  if (containsBearer(mount.bearer, headers, body)) {
    const detail = `Cannot read ${path}: the response of its server contains the mount's bearer`;
    throw new Problem("bad-gateway", detail);
  }
  if (status === 304) return withoutContent(body, status, headers);
  if (status < 200 || status >= 300 || status === 206) {
    throw upstreamProblem({ status, headers: upstream, start: body.start() }, mount.bearer, path);
  }
  await addVersion(headers, body);
  const modified = parseHttpDate(headers["last-modified"] ?? "");
  const notModified = conditionalResponse(request, headers, modified, path);
  if (notModified !== undefined) {
    body.release();
    return notModified;
  }
  if (status === 204) return withoutContent(body, status, headers);
  headers["content-length"] = String(body.length);
  if (request.method === "HEAD") return withoutContent(body, 200, headers);
  return new Response(body.stream(), { headers });
}

function withoutContent(
  body: HeldBody,
  status: number,
  headers: Record<string, string>,
): Response {
  body.release();
  return new Response(null, { status, headers });
}

/** Adds the version, and an entity tag made from the content if the server sent none. */
async function addVersion(headers: Record<string, string>, body: HeldBody): Promise<void> {
  if (headers.etag !== undefined) {
    headers["x-mount-version"] = `etag:${headers.etag}`;
    return;
  }
  const content = body.bytes();
  const { length } = content;
  headers.etag = `"${(await sha256Hex(content)).slice(0, 16)}.${length.toString(36)}"`;
  headers["x-mount-version"] = `len=${length};head=${content.subarray(0, 16).toHex()}`;
}
