/**
 * Parts of text worlds: `?lines=` answers some lines, `?diff=` the difference of two versions. The caller
 * has checked the right to read, and passes worlds as the caller can see them.
 */

import { setImmediate } from "node:timers";
import { evaluateConditions } from "../http/conditional.ts";
import { formatEtag } from "../http/etag.ts";
import { RESOURCE_POLICY } from "../http/headers.ts";
import { formatHttpDate } from "../http/http_date.ts";
import { Problem } from "../http/problem.ts";
import type { LineRange } from "../http/query_ranges.ts";
import { MAX_PARSED_WORLD_BYTES } from "../limits.ts";
import { toJobCaller } from "../request/job_caller.ts";
import type { RequestContext } from "../request/request_context.ts";
import { hasUtf8Body, notModifiedResponse } from "../response/representation.ts";
import type { Store, World } from "../world/store.ts";

const LF = 0x0a;
/** Bytes that are searched in one turn, minus 1. */
const TURN_MASK = 0x7fffff;

/**
 * `GET /home/x?lines=3-5`: these lines of a text, with their ends. A range may end after the last line.
 *
 * @throws {Problem} `bad-query` if the text has fewer lines, `not-acceptable` if it is not text
 */
export async function respondLines(
  context: RequestContext,
  world: World,
  range: LineRange,
): Promise<Response> {
  assertText(context, world);
  const { first, last } = range;
  const { start, end, lines } = await findLines(world.body, range);
  if (start === undefined) {
    throw new Problem(
      "bad-query",
      `Cannot read line ${first} of ${context.target.path}: it has ${lines} lines`,
    );
  }
  const kind = `lines-${first}-${last === Infinity ? "" : last}`;
  const body = world.body.slice(start, end);
  return respond(context, world, kind, "text/plain; charset=utf-8", body);
}

/** Finds the offsets of lines; the number of lines is exact if the range does not begin in the text. */
async function findLines(
  body: Uint8Array,
  { first, last }: LineRange,
): Promise<{ readonly start: number | undefined; readonly end: number; readonly lines: number }> {
  let start: number | undefined = first === 1 && body.length > 0 ? 0 : undefined;
  let lines = 0;
  for (let i = 0; i < body.length; i++) {
    // Other requests have a turn, about every 10 ms.
    if ((i & TURN_MASK) === TURN_MASK) await new Promise((resume) => setImmediate(resume));
    if (body[i] !== LF && i < body.length - 1) continue;
    lines++;
    if (lines === first - 1 && i + 1 < body.length) start = i + 1;
    if (lines === last) return { start, end: i + 1, lines };
  }
  return { start, end: body.length, lines };
}

/**
 * `GET /home/x?diff=3`: the unified diff of two versions, as `diff -u` makes it; empty if they are equal.
 *
 * @param before the older world of the comparison
 * @param after the newer one, whose version and time the response has
 * @throws {Problem} `not-acceptable` if one is not text, `unprocessable` if one is too long
 */
export async function respondDiff(
  store: Store,
  context: RequestContext,
  before: World,
  after: World,
): Promise<Response> {
  for (const world of [before, after]) {
    assertText(context, world);
    if (world.body.length <= MAX_PARSED_WORLD_BYTES) continue;
    throw new Problem(
      "unprocessable",
      `Cannot compare versions of ${context.target.path}: version ${world.version} has ` +
        `${world.body.length} bytes; at most ${MAX_PARSED_WORLD_BYTES} can be compared`,
    );
  }
  const text = await store.diff(before, after, toJobCaller(context));
  const kind = `diff-${before.version}-${before.sha256.slice(0, 8)}`;
  return respond(
    context,
    after,
    kind,
    "text/x-diff; charset=utf-8",
    new TextEncoder().encode(text),
  );
}

function assertText({ target }: RequestContext, world: World): void {
  if (hasUtf8Body(world)) return;
  throw new Problem(
    "not-acceptable",
    `Cannot read text of ${target.path}: version ${world.version} is not UTF-8; ?raw reads the bytes`,
  );
}

function respond(
  { request, headers = request.headers }: RequestContext,
  { version, sha256, updatedAt }: World,
  kind: string,
  type: string,
  body: Uint8Array<ArrayBuffer>,
): Response {
  const etag = formatEtag(version, sha256, kind);
  const lastModified = Date.parse(updatedAt) || 0;
  const fields = {
    [RESOURCE_POLICY]: "same-origin",
    "content-type": type,
    "content-length": String(body.length),
    "etag": etag,
    "last-modified": formatHttpDate(lastModified),
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
  };
  if (evaluateConditions(headers, etag, lastModified) === "not-modified") {
    return notModifiedResponse(fields);
  }
  return new Response(body, { headers: fields });
}
