/**
 * Broadcast: one write goes to every world that `/etc/fanout.conf` names. Each write has the rights of
 * the caller, and the response has one result per world. A target is never a route, so a broadcast
 * cannot call itself. Manual: `/usr/share/doc/fanout.md`.
 */

import { chooseType } from "../kit/accept.ts";
import type { PluginCaller, PluginConfig } from "../kit/env.ts";
import { Problem, problemResponse } from "../kit/problem.ts";
import { broadcast, findRefused, isWritten, type Result, statusOf } from "./broadcast.ts";
import { readShared } from "./shared_body.ts";
import { readTargets, type Target } from "./targets.ts";

export const description = "writes what it receives to every world of /etc/fanout.conf";
export const routes = ["/dev/fanout"];
export const auth = "T2";
export const config = ["/etc/fanout.conf"];
/** No permissions. A line that cannot be used is reported to T3 in the state of the plugin. */
export const permissions = ({ config }: { config: PluginConfig }): { fault?: string } => {
  const invalid = readTargets(config[CONF] ?? "").find(({ fault }) => fault !== undefined);
  return invalid === undefined ? {} : { fault: `${CONF} line ${invalid.line}: ${invalid.fault}` };
};

interface Env {
  readonly config: PluginConfig;
  readonly caller: PluginCaller;
}

const ROUTE = "/dev/fanout";
const CONF = "/etc/fanout.conf";

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    try {
      return await respond(request, env);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return problemResponse(error, request.headers.get("accept"), request.method === "HEAD");
    }
  },
};

async function respond(request: Request, env: Env): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  const { method } = request;
  if (pathname !== ROUTE) {
    throw new Problem("not-found", `Cannot ${method} ${pathname}: the only path is ${ROUTE}`);
  }
  assertCanBroadcast(env.caller);
  const targets = readTargets(env.config[CONF] ?? "");
  if (method === "GET" || method === "HEAD") return targetsResponse(request, targets);
  if (method !== "POST" && method !== "PUT") {
    const detail = `Cannot ${method} ${ROUTE}: use PUT to replace, POST to append`;
    throw new Problem("method-not-allowed", detail, { allow: "GET, HEAD, POST, PUT" });
  }
  for (const key of searchParams.keys()) {
    if (key === "ext") continue;
    throw new Problem("bad-query", `Cannot write to the targets: ?${key} is unknown; use ?ext`);
  }
  if (targets.every(({ fault }) => fault !== undefined)) {
    throw new Problem(
      "unavailable",
      `Cannot write to the targets: ${CONF} names no world; T3 can write it, one name per line`,
    );
  }
  const refused = await findRefused(targets, env.caller.fetch);
  if (refused.length > 0) return refusedResponse(request, refused);
  return await readShared(request, async (body) => {
    const results = await broadcast(request, body, targets, searchParams, env.caller.fetch);
    return resultsResponse(request, results);
  });
}

/** A capability is valid below its own prefix; the targets are elsewhere. */
function assertCanBroadcast({ tier, by }: PluginCaller): void {
  const isCapability = by.startsWith("cap:");
  if (!isCapability && (tier === "T2" || tier === "T3")) return;
  const found = isCapability
    ? "a capability is valid for worlds below its own prefix only"
    : `the caller has ${tier}`;
  throw new Problem("forbidden", `Cannot use ${ROUTE}: ${found}; T2 is required`);
}

function targetsResponse(request: Request, targets: readonly Target[]): Response {
  const lines = targets.map(({ path, fault }) =>
    fault === undefined ? `${path}\n` : `${path}\t${fault}\n`
  );
  const rows = targets.map(({ line, path, fault }) => ({
    line,
    target: path,
    ...(fault && { fault }),
  }));
  return textOrJson(request, 200, lines.join(""), rows);
}

/** The caller cannot write all targets, so none was written. */
function refusedResponse(request: Request, refused: readonly Result[]): Response {
  const [first, ...others] = refused;
  const also = others.length === 0 ? "" : ` (and ${others.length} other targets)`;
  const problem = new Problem(
    "forbidden",
    `Cannot write to the targets: ${first?.target}${also} was refused, so none was written: ${first?.detail}`,
  );
  const members = { ...summaryOf(refused) };
  return problemResponse(problem, request.headers.get("accept"), false, { members });
}

interface Summary {
  /** Names of the worlds that were written. */
  readonly written: readonly string[];
  readonly failed: readonly {
    readonly target: string;
    readonly status: number;
    readonly error: string;
  }[];
}

function summaryOf(results: readonly Result[]): Summary {
  const nameOf = ({ target }: Result): string => target.slice(1);
  return {
    written: results.filter(isWritten).map(nameOf),
    failed: results.filter((result) => !isWritten(result)).map((result) => ({
      target: nameOf(result),
      status: result.status,
      error: result.detail ?? "it was refused",
    })),
  };
}

function resultsResponse(request: Request, results: readonly Result[]): Response {
  const lines = results.map(({ target, status, detail }) =>
    `${status}\t${target}${detail === undefined ? "" : `\t${detail}`}\n`
  );
  const summary = { ...summaryOf(results), results };
  return textOrJson(request, statusOf(results), lines.join(""), summary);
}

function textOrJson(request: Request, status: number, text: string, json: unknown): Response {
  const types = ["application/json", "text/plain"];
  const asText = chooseType(request.headers.get("accept"), types) === "text/plain";
  const body = asText ? text : `${JSON.stringify(json)}\n`;
  return new Response(request.method === "HEAD" ? null : body, {
    status,
    headers: {
      "content-type": asText ? "text/plain; charset=utf-8" : "application/json",
      "cache-control": "no-store",
      "vary": "Accept",
    },
  });
}
