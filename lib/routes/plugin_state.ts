/**
 * `/lib/<name>/state`: describes a plugin, approves it, or disables it. An approval accepts the
 * routes, the tier, the grants and the permissions that the response shows.
 */

import { assertCan, decide } from "../auth/policy.ts";
import { parsePrecondition } from "../http/conditional.ts";
import { Problem } from "../http/problem.ts";
import { hasQuery } from "../http/query.ts";
import { readBody } from "../http/read_body.ts";
import { MAX_STATE_BODY_BYTES } from "../limits.ts";
import { assertValidName, type RequestContext } from "../request/request_context.ts";
import { ROUTE_QUERIES } from "../request/route_query.ts";
import type { ServerContext } from "../request/server_context.ts";
import { jsonResponse } from "../response/json_response.ts";
import type { NodeEntry } from "../world/coordination.ts";
import { StoreError, type World } from "../world/store.ts";
import { handleMethods, type Handler } from "./handler.ts";
import { addLastRuns, describeNodes } from "./plugin_nodes.ts";

/**
 * Returns the world of the plugin that a `/lib/<name>/state` path is about; undefined for other
 * paths.
 */
export function parseStatePath(name: string): string | undefined {
  if (!name.startsWith("lib/") || !name.endsWith("/state")) return undefined;
  const plugin = name.slice(0, -"/state".length);
  return plugin.length > "lib/".length && plugin.indexOf("/", 4) < 0 ? plugin : undefined;
}

/** Creates the handler of `/lib/:name/state`. */
export function createPluginStateHandler(server: ServerContext): Handler {
  return handleMethods({
    GET: (context) => showState(server, context),
    PUT: (context) => changeState(server, context),
  }, ROUTE_QUERIES.pluginState);
}

/** `GET`: the state of a plugin; with `?asks` also what its source requests. */
async function showState(server: ServerContext, context: RequestContext): Promise<Response> {
  const { target, caller } = context;
  const name = readSubject(context, "read");
  const state = await describe(server, context, name);
  if (!hasQuery(target.query, "asks")) return jsonResponse(state);
  // This runs the source once, so the caller must be able to approve it.
  assertCan(caller, "activate", `/${name}`);
  return jsonResponse({ ...state, asks: await server.plugins.admin.requestedGrants(name) });
}

/** `PUT` of `active` or `disabled`: approves the current source, or removes its routes (T3). */
async function changeState(server: ServerContext, context: RequestContext): Promise<Response> {
  const { request, caller } = context;
  const name = readSubject(context, "activate");
  const precondition = parsePrecondition(request.headers);
  const body = await readBody(request, MAX_STATE_BODY_BYTES, context.connection);
  const { state, asks } = parseStateChange(name, body);
  const change = {
    by: caller.by,
    ...(precondition === undefined ? {} : { precondition }),
    ...(asks === undefined ? {} : { asks }),
  };
  const { admin } = server.plugins;
  if (state === "active") await admin.activate(name, change);
  else await admin.disable(name, change);
  return jsonResponse(await describe(server, context, name));
}

/**
 * Parses the content: `active` or `disabled`, or the same as JSON with the digest of what the caller
 * was shown.
 *
 * @throws {Problem} `bad-body`
 */
function parseStateChange(
  name: string,
  body: Uint8Array,
): { readonly state: "active" | "disabled"; readonly asks?: string } {
  const text = new TextDecoder().decode(body).trim();
  const isJson = text.startsWith("{");
  const { state, asks, ...others } = isJson ? parseObject(name, text) : { state: text };
  if (state !== "active" && state !== "disabled") {
    const found = isJson ? "the member `state`" : "the content";
    throw new Problem(
      "bad-body",
      `Cannot set the state of /${name}: ${found} is neither active nor disabled`,
    );
  }
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new Problem(
      "bad-body",
      `Cannot set the state of /${name}: the member ${JSON.stringify(unknown.slice(0, 40))} is ` +
        "unknown; use state and asks",
    );
  }
  if (asks === undefined) return { state };
  if (typeof asks !== "string" || !/^[0-9a-f]{64}$/.test(asks)) {
    throw new Problem(
      "bad-body",
      `Cannot set the state of /${name}: the member \`asks\` is not a digest of 64 hexadecimal ` +
        "digits; GET ?asks shows it",
    );
  }
  return { state, asks };
}

function parseObject(name: string, text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch { /* the same problem */ }
  throw new Problem("bad-body", `Cannot set the state of /${name}: the content is not valid JSON`);
}

/** The world that the path is about, if the caller can perform the action on it. */
function readSubject(context: RequestContext, action: "read" | "activate"): string {
  const name = context.target.name.slice(0, -"/state".length);
  assertCan(context.caller, action, `/${name}`);
  assertValidName(name, action);
  return name;
}

async function describe(
  { store, plugins }: ServerContext,
  { caller }: RequestContext,
  name: string,
): Promise<Record<string, unknown>> {
  const source = await readSource(store, name);
  await plugins.admin.settle(name);
  const trusted = decide(caller, "activate", `/${name}`).allowed;
  const { health, ...described } = plugins.admin.describe(name, trusted);
  const nodes = await readNodes(store, caller);
  return {
    name: name.slice("lib/".length),
    state: source.state,
    version: source.version,
    sha256: source.sha256,
    updated_at: source.updatedAt,
    ...described,
    ...(nodes === undefined ? { health } : {
      health: addLastRuns(health, nodes, name, trusted),
      nodes: describeNodes(nodes, name, trusted),
    }),
  };
}

/**
 * Returns the servers of a cluster; undefined if there is none, if the caller cannot see them, or while the
 * database cannot be reached: the state of this server is known without them.
 */
async function readNodes(
  { coordination }: ServerContext["store"],
  caller: RequestContext["caller"],
): Promise<readonly NodeEntry[] | undefined> {
  if (coordination.node === undefined) return undefined;
  if (!decide(caller, "read", "/proc/nodes").allowed) return undefined;
  try {
    return await coordination.nodes();
  } catch (error) {
    if (error instanceof StoreError) return undefined;
    throw error;
  }
}

async function readSource(store: ServerContext["store"], name: string): Promise<World> {
  const source = await store.read(name);
  if (source !== undefined && source.layer === "upper") return source;
  throw new Problem(
    "not-found",
    `Cannot read the state of /${name}: there is no source; PUT one first`,
  );
}
