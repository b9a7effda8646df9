/**
 * `/proc`: facts about the server, and the audit and the event log of worlds. It only reads, and
 * only worlds that the caller can read.
 */

import { type Caller, isAtLeast } from "../../auth/caller.ts";
import { assertCan, canRead, isRedacted, readScopeKey, seesSecrets } from "../../auth/policy.ts";
import { toReadScope } from "../../auth/read_scope.ts";
import { showEvent } from "../../auth/redact.ts";
import { encodePath } from "../../http/path.ts";
import { readQueryNumber } from "../../http/query.ts";
import { LOG_PAGE_EVENTS, MAX_LOG_PAGE_EVENTS, MAX_READABLE_COUNTS } from "../../limits.ts";
import { CORE_ROUTES } from "../../request/core_routes.ts";
import { toJobCaller } from "../../request/job_caller.ts";
import { type RequestContext, restOf } from "../../request/request_context.ts";
import type { ServerContext } from "../../request/server_context.ts";
import { jsonResponse, lineResponse, objectResponse } from "../../response/json_response.ts";
import { respondRows } from "../../response/row_listing.ts";
import { readCollectionLog } from "./changes.ts";
import { toKeyId } from "../../world/key_id.ts";
import type { AuditResult, Store } from "../../world/store.ts";
import type { StoreHealth } from "../../world/store_health.ts";
import { assertSubject, withAbsenceExplained } from "../missing_world.ts";

const HASHES = /[0-9a-f]{8,64}|\d+/g;
const ROOT = "/proc/";
/** Routes that are followed by the name of a world or of a file. */
const FOLDERS: ReadonlySet<string> = new Set([
  "audit",
  "changes",
  "log",
  "search",
  "snapshot",
  "source",
  "trash",
  "usage",
]);
const ROWS = Object.keys(CORE_ROUTES)
  .filter((path) => path.startsWith(ROOT))
  .map((path) => path.slice(ROOT.length))
  .map((name) => ({ name, dir: FOLDERS.has(name) }));

/** `GET /proc`: lists its routes. */
export function listProc(
  { store }: Pick<ServerContext, "store">,
  context: RequestContext,
): Response | Promise<Response> {
  assertCan(context.caller, "read", "/proc");
  return respondRows(store, context, ROWS);
}

/**
 * `GET /proc/status`: pid, uptime, worlds, plugins, the largest request body, version, for T3 the id of
 * the signing key, and for T2 and T3 the state of a shared database.
 */
export function status(
  server: ServerContext,
  context: RequestContext,
): Response | Promise<Response> {
  const { caller } = context;
  assertCan(caller, "read", "/proc/status");
  if (caller.scope === undefined) return respondStatus(server, context, server.store.count());
  // The number of all worlds would show a capability that others create and delete worlds.
  return countReadable(server.store, caller).then((worlds) =>
    respondStatus(server, context, worlds)
  );
}

function respondStatus(server: ServerContext, context: RequestContext, worlds: number): Response {
  const { plugins, version, config } = server;
  return objectResponse(acceptOf(context), {
    pid: Deno.pid,
    uptime: uptime(server),
    worlds,
    plugins: plugins.activeCount,
    max_body: config.maxBodyBytes,
    version,
    ...(seesSecrets(context.caller) ? { key_id: toKeyId(server.key) } : {}),
    ...showCluster(server.store.health(), context.caller),
    // Present only while plugins are being started: this route does not wait for them.
    ...(plugins.isStarting ? { starting: true } : {}),
    // Present only if the isolation is weaker than one process per plugin.
    ...(plugins.containment === "worker" ? { containment: "worker" } : {}),
  });
}

/**
 * Returns what T2 and T3 see of the database that several servers share; its address is for T3. A data
 * folder has nothing to show.
 */
function showCluster(
  { engine, readable, cluster }: StoreHealth,
  { tier, scope, grants }: Caller,
): Record<string, unknown> {
  if (cluster === undefined || !isAtLeast(tier, "T2")) return {};
  if (scope !== undefined || grants !== undefined) return {};
  const { primary, timeline, leaseAgeMs, feedLagMs, sessions } = cluster;
  return {
    engine,
    readable,
    ...(primary !== undefined && tier === "T3" ? { primary } : {}),
    ...(timeline === undefined ? {} : { timeline }),
    ...(Number.isFinite(leaseAgeMs) ? { lease_age: Math.round(leaseAgeMs) / 1000 } : {}),
    ...(Number.isFinite(feedLagMs) ? { feed_lag: Math.round(feedLagMs) / 1000 } : {}),
    sessions,
  };
}

/** Numbers of readable worlds by read scope, until a world changes. */
interface ReadableCounts {
  readonly revision: number;
  readonly byScope: Map<string, number>;
}

const readableCounts = new WeakMap<object, ReadableCounts>();

/** Counts the worlds that a capability can read. The count is made once until a world changes. */
async function countReadable(
  store: Pick<Store, "walk" | "listingRevision">,
  caller: Caller,
): Promise<number> {
  const revision = store.listingRevision;
  let counts = readableCounts.get(store);
  if (counts === undefined || counts.revision !== revision) {
    readableCounts.set(store, counts = { revision, byScope: new Map() });
  }
  const key = readScopeKey(caller) ?? "";
  const known = counts.byScope.get(key);
  if (known !== undefined) return known;
  let count = 0;
  for (const { name } of toReadScope(caller)) {
    for (const entry of await store.walk(name)) if (canRead(caller, `/${entry.name}`)) count++;
  }
  if (counts.byScope.size < MAX_READABLE_COUNTS) counts.byScope.set(key, count);
  return count;
}

/** `GET /proc/uptime`: seconds since the start. */
export function uptimeSeconds(server: ServerContext, context: RequestContext): Response {
  assertCan(context.caller, "read", "/proc/uptime");
  return lineResponse(acceptOf(context), uptime(server));
}

/** `GET /proc/version`: the version of the server. */
export function version(server: ServerContext, context: RequestContext): Response {
  assertCan(context.caller, "read", "/proc/version");
  return lineResponse(acceptOf(context), server.version);
}

/**
 * `GET /proc/audit/<name>`: checks whether the chain is intact and the bytes match its last event.
 */
export async function audit(
  { store }: Pick<ServerContext, "store">,
  context: RequestContext,
): Promise<Response> {
  const name = readSubject(context, "/proc/audit", "audit");
  const pending = store.audit(name, toJobCaller(context));
  const verdict = await withAbsenceExplained(store, context.caller, name, "audit", pending);
  return jsonResponse(isRedacted(context.caller, `/${name}`) ? withoutHashes(verdict) : verdict);
}

/** `GET /proc/log/<name>`: the events of a world; with a trailing slash, of what is below it. */
export function readLog(
  server: Pick<ServerContext, "store">,
  context: RequestContext,
): Promise<Response> {
  const { name, isCollection } = context.target;
  return isCollection || name === "proc/log"
    ? readCollectionLog(server, context)
    : readWorldLog(server, context);
}

/**
 * `GET /proc/log/<name>?before=&limit=`: the events of a world, newest first, one page at a time.
 */
async function readWorldLog(
  { store }: Pick<ServerContext, "store">,
  context: RequestContext,
): Promise<Response> {
  const action = "read the log of";
  const name = readSubject(context, "/proc/log", action);
  const { query } = context.target;
  const before = readQueryNumber(query, "before", Number.MAX_SAFE_INTEGER);
  const limit = readQueryNumber(query, "limit", MAX_LOG_PAGE_EVENTS) ?? LOG_PAGE_EVENTS;
  context.connection?.ownContent?.();
  const pending = store.log(name, { limit, ...(before === undefined ? {} : { before }) });
  const events = await withAbsenceExplained(
    store,
    context.caller,
    name,
    action,
    pending,
    `GET /proc/log${encodePath(`/${name}`)}/ sends the events of its worlds`,
  );
  const oldest = events.at(-1)?.id;
  const more = oldest !== undefined && oldest > 1 && events.length === limit;
  const next = `/proc/log/${encodePath(name)}?before=${oldest}&limit=${limit}`;
  return jsonResponse(
    events.map((event) => showEvent(context.caller, name, event)),
    more ? { "link": `<${next}>; rel="next"` } : {},
  );
}

/** The name after a route, of a world that the caller can read. */
function readSubject(context: RequestContext, route: string, action: string): string {
  const name = restOf(context, `${route}/`);
  assertCan(context.caller, "read", `/${name}`);
  assertSubject(name, route, action);
  return name;
}

function acceptOf({ request }: RequestContext): string | null {
  return request.headers.get("accept");
}

/** Seconds since the start. */
function uptime(server: Pick<ServerContext, "monotonic" | "startedAt">): number {
  return Math.round((server.monotonic() - server.startedAt) / 10) / 100;
}

/** Hides the hashes of the content, with which a caller could guess its secrets offline. */
function withoutHashes({ body, ...verdict }: AuditResult): AuditResult {
  const { ok, reason, expected } = body;
  return {
    ...verdict,
    body: {
      ok,
      sha256: "***",
      ...(expected === undefined ? {} : { expected: "***" }),
      ...(reason === undefined ? {} : { reason: reason.replace(HASHES, "***") }),
    },
  };
}
