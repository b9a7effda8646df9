/**
 * Reads a world or lists a collection. A world in memory is answered without a promise: most
 * requests take this path. The policy is checked before any look-up.
 */

import { assertCan } from "../auth/policy.ts";
import { redactFor } from "../auth/redact.ts";
import { createTypeChooser } from "../http/negotiate.ts";
import { encodePath } from "../http/path.ts";
import { Problem } from "../http/problem.ts";
import { hasQuery, readQueryNumber, readQueryValue } from "../http/query.ts";
import { parseLineRange, parseVersionPair } from "../http/query_ranges.ts";
import { parsePrecondition } from "../http/conditional.ts";
import { MAX_WAIT_SECONDS, WATCHED_RESPONSE_BYTES } from "../limits.ts";
import type { Waits } from "./stream/waits.ts";
import { toJobCaller } from "../request/job_caller.ts";
import { assertValidName, type RequestContext } from "../request/request_context.ts";
import type { ServerContext } from "../request/server_context.ts";
import {
  getRepresentation,
  hasUtf8Body,
  respondRepresentation,
} from "../response/representation.ts";
import { respondShell } from "../response/shell_page.ts";
import type { Store, World } from "../world/store.ts";
import { listCollection, wantsShell } from "./listing/list_collection.ts";
import { respondDiff, respondLines } from "./text_parts.ts";
import { toNotModifiedResponse } from "./world_responses.ts";

const HTML = "text/html";
const TEXT = "text/plain";
const JSON_TYPE = "application/json";
const chooseType = createTypeChooser([JSON_TYPE, TEXT, HTML], JSON_TYPE);
const chooseBinaryType = createTypeChooser([JSON_TYPE, HTML], JSON_TYPE);

/**
 * `GET` and `HEAD` of a path in a namespace.
 *
 * @throws {Problem} `unauthorized`, `forbidden`, `not-found`, `bad-name`, `bad-query`
 * @throws {StoreError} if the store cannot read the world
 */
export function readWorld(
  { store }: Pick<ServerContext, "store">,
  waits: Waits,
  context: RequestContext,
): Response | Promise<Response> {
  const { target, caller } = context;
  assertCan(caller, "read", target.path);
  if (target.isCollection) return listCollection(store, context);
  const cached = store.peek(target.name);
  if (cached !== undefined && (target.query === "" || target.query === "raw")) {
    return respondWorld(store, context, redactFor(caller, cached), target.query === "raw");
  }
  return readUncached(store, waits, context);
}

/** Sends the representation that the Accept header selects. A read from memory ends here. */
function respondWorld(
  store: Store,
  { request, headers = request.headers, connection }: RequestContext,
  world: World,
  raw: boolean,
): Response | Promise<Response> {
  const read = { method: request.method, headers };
  // JSON needs up to 6 bytes for a byte of text.
  if (world.body.length > WATCHED_RESPONSE_BYTES / 8) connection?.largeContent?.();
  if (raw) return respondRepresentation(read, getRepresentation(world, "raw"), true);
  const accept = headers.get("accept");
  let mediaType = chooseType(accept);
  if (mediaType === TEXT && !hasUtf8Body(world)) mediaType = chooseBinaryType(accept);
  if (mediaType === HTML) return respondShell(store, request, { world });
  return respondRepresentation(
    read,
    getRepresentation(world, mediaType === TEXT ? "text" : "json"),
    false,
  );
}

/** A read that needs the disk or a query parameter, or whose path is a collection only. */
async function readUncached(
  store: Store,
  waits: Waits,
  context: RequestContext,
): Promise<Response> {
  const { target, caller } = context;
  const { name, path, query } = target;
  const raw = hasQuery(query, "raw");
  const at = readQueryNumber(query, "at", Number.MAX_SAFE_INTEGER);
  const knownVersion = readQueryNumber(query, "v", Number.MAX_SAFE_INTEGER);
  const namespace = !name.includes("/");
  if (!namespace) {
    assertValidName(name, "read");
    const seconds = readQueryNumber(query, "wait", MAX_WAIT_SECONDS) ?? 0;
    if (seconds > 0) await waitForVersion(store, waits, context, seconds, knownVersion);
    const world = at === undefined
      ? await store.read(name)
      : await store.readAt(name, at, toJobCaller(context));
    const lines = parseLineRange(readQueryValue(query, "lines") ?? "");
    const pair = parseVersionPair(readQueryValue(query, "diff") ?? "");
    if (world !== undefined && lines !== undefined) {
      return respondLines(context, redactFor(caller, world), lines);
    }
    if (world !== undefined && pair !== undefined) {
      const { from, to = world.version } = pair;
      const older = await store.readAt(name, from, toJobCaller(context));
      const newer = to === world.version
        ? world
        : await store.readAt(name, to, toJobCaller(context));
      return await respondDiff(store, context, redactFor(caller, older), redactFor(caller, newer));
    }
    if (world !== undefined) {
      // An earlier version, or a world that is too long for the cache.
      if (store.peek(name) !== world) context.connection?.ownContent?.();
      const response = await respondWorld(store, context, redactFor(caller, world), raw);
      if (raw) allowKeeping(response, context, world);
      const isKnown = knownVersion === world.version && at === undefined;
      return isKnown && response.ok ? toNotModifiedResponse(response) : response;
    }
  }
  if (!namespace && !store.isCollection(name)) {
    throw new Problem("not-found", `Cannot read ${path}: nothing is here; a PUT would create it`);
  }
  if (raw || at !== undefined || hasQuery(query, "lines") || hasQuery(query, "diff")) {
    throw new Problem(
      "not-found",
      `Cannot read the bytes of ${path}: it is a collection, not a world; GET ${path}/ lists it`,
    );
  }
  if (!wantsShell(context)) return listCollection(store, context);
  return new Response(null, {
    status: 302,
    headers: { "location": `${encodePath(path)}/`, "vary": "Accept" },
  });
}

/**
 * Lets a browser keep a file of the shell for ever if the request names its hash: another content has
 * another address (RFC 8246). Everyone can read these files.
 */
function allowKeeping(response: Response, { target }: RequestContext, { sha256 }: World): void {
  if (!target.path.startsWith("/usr/lib/shell/")) return;
  const expected = readQueryValue(target.query, "sha256");
  if (!expected || !sha256.startsWith(expected)) return;
  response.headers.set("cache-control", "public, max-age=31536000, immutable");
}

/**
 * Waits until the version of a world differs from the one that the client has, by `?v=` or by
 * `If-None-Match`. Returns at once if no world exists, or if the client names no version.
 */
async function waitForVersion(
  store: Store,
  waits: Waits,
  context: RequestContext,
  seconds: number,
  knownVersion: number | undefined,
): Promise<void> {
  const { target: { name }, request } = context;
  const tags = parsePrecondition(request.headers)?.noneMatch;
  const known = knownVersion === undefined
    ? tags === undefined || tags === "*" ? [] : tags.map(({ version }) => version)
    : [knownVersion];
  // Another server can have given the client a version that this one does not know yet.
  const isBehind = known.some((version) => version > (store.stat(name)?.version ?? -1));
  if (store.isShared && isBehind) await store.refresh();
  await waits.until(context, {
    seconds: request.method === "HEAD" ? 0 : seconds,
    look: () => known.includes(store.stat(name)?.version ?? -1) ? undefined : true,
    subscribe: (wake) => store.watch(name, wake),
  });
}
