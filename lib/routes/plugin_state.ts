/**
 * `/lib/<name>/state`: what a plugin is, and the switch that approves it or turns it off. To approve is
 * to say yes to what the answer shows: its routes, its tier, its grants, its permissions.
 */

import type { Caller } from "../auth/caller.ts";
import { may, require } from "../auth/policy.ts";
import { readBody } from "../http/read_body.ts";
import { precondition } from "../http/conditional.ts";
import { type Exchange, hasQuery } from "../request/request_context.ts";
import { Problem } from "../http/problem.ts";
import { storeProblem } from "../response/store_problem.ts";
import { MAX_STATE_BYTES } from "../limits.ts";
import type { Machine } from "../request/server_context.ts";
import type { CellHealth } from "../plugin/cell/cell.ts";
import type { Wanted } from "../plugin/host/loaded_plugin.ts";
import type { PluginStatus } from "../plugin/host/plugin_host.ts";
import { nameFault } from "../world/name.ts";
import type { World } from "../world/store.ts";
import { json } from "../response/json_response.ts";

const METHODS = "GET, HEAD, PUT, OPTIONS";

/** The plugin's world of a `/lib/<name>/state` path, or `undefined` when it is another path. */
export function pluginOfState(name: string): string | undefined {
  if (!name.startsWith("lib/") || !name.endsWith("/state")) return undefined;
  const plugin = name.slice(0, -"/state".length);
  return plugin.length > "lib/".length && plugin.indexOf("/", 4) < 0 ? plugin : undefined;
}

/**
 * Answers a request for a plugin's state.
 *
 * @param name the plugin's world, `lib/gpu`
 * @throws {Problem}
 */
export async function handleState(
  machine: Machine,
  exchange: Exchange,
  name: string,
): Promise<Response> {
  const { request, target, caller } = exchange;
  const path = `/${name}`;
  if (request.method === "OPTIONS") {
    return new Response(null, { status: 204, headers: { "allow": METHODS } });
  }
  if (request.method === "PUT") {
    require(caller, "activate", path);
    mustFit(name);
    return await setState(machine, exchange, name);
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    const detail = `Cannot ${request.method} ${target.path}: it takes ${METHODS}`;
    throw new Problem("method-not-allowed", detail, { "allow": METHODS });
  }
  require(caller, "read", path);
  mustFit(name);
  const source = await sourceOf(machine, name);
  const host = await machine.plugins.host();
  const told = describe(source, host.status(name), caller);
  if (!hasQuery(target.query, "asks")) return json(told);
  // A probe starts a process, so only who may approve has it done.
  require(caller, "activate", path);
  return json({ ...told, asks: asked(await host.asks(name)) });
}

async function setState(machine: Machine, exchange: Exchange, name: string): Promise<Response> {
  const { request, caller } = exchange;
  const demanded = precondition(request.headers);
  const body = await readBody(request, MAX_STATE_BYTES);
  const state = new TextDecoder().decode(body).trim();
  if (state !== "active" && state !== "disabled") {
    throw new Problem(
      "bad-body",
      `Cannot set the state of /${name}: the content is neither active nor disabled`,
    );
  }
  const host = await machine.plugins.host();
  const approval = {
    by: caller.by,
    ...(demanded === undefined ? {} : { precondition: demanded }),
  };
  try {
    const status = state === "active"
      ? await host.activate(name, approval)
      : await host.disable(name, approval);
    return json(describe(await sourceOf(machine, name), status, caller));
  } catch (error) {
    throw storeProblem(error, "change the state of", `/${name}`);
  }
}

async function sourceOf(machine: Machine, name: string): Promise<World> {
  try {
    const source = await machine.store.read(name);
    if (source !== undefined && source.layer === "upper") return source;
  } catch (error) {
    throw storeProblem(error, "read", `/${name}`);
  }
  throw new Problem(
    "not-found",
    `Cannot tell the state of /${name}: no source is here; PUT one first`,
  );
}

function mustFit(name: string): void {
  const fault = nameFault(name);
  if (fault === undefined) return;
  throw new Problem("bad-name", `Cannot tell the state of /${name}: as a world's name ${fault}`);
}

/** What is told of a plugin; words that may be its own go to those who could approve it. */
function describe(
  source: World,
  { up, loaded, fault }: PluginStatus,
  caller: Caller,
): Record<string, unknown> {
  const trusted = may(caller, "activate", `/${source.name}`).allowed;
  const health = loaded?.cell.health();
  return {
    name: source.name.slice("lib/".length),
    state: source.state,
    version: source.version,
    sha256: source.sha256,
    updated_at: source.updatedAt,
    up,
    ...(loaded === undefined ? {} : {
      ...loaded.manifest,
      permissions: loaded.permissions,
    }),
    health: health === undefined ? { state: "down" } : healthOf(health, trusted),
    ...(fault === undefined ? {} : { fault: trusted ? fault : "told to T3" }),
  };
}

function healthOf(health: CellHealth, trusted: boolean): Record<string, unknown> {
  const { state, transport, pid, residentKiB, startedAt, requests, waiting, crashes, reason } =
    health;
  return {
    state,
    ...(transport === undefined ? {} : { transport }),
    ...(startedAt === undefined ? {} : { started_at: new Date(startedAt).toISOString() }),
    ...(residentKiB === undefined ? {} : { resident_kib: residentKiB }),
    requests,
    waiting,
    crashes,
    ...(trusted && pid !== undefined ? { pid } : {}),
    ...(reason === undefined ? {} : { reason: trusted ? reason : "told to T3" }),
  };
}

function asked({ manifest, permissions, config, fault }: Wanted): Record<string, unknown> {
  return {
    ...manifest,
    permissions,
    configured: Object.keys(config),
    ...(fault === undefined ? {} : { fault }),
  };
}
