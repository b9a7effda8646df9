/**
 * `/proc`: what the machine knows of itself and of its worlds' pasts. It only reads, and shows of
 * worlds what the caller may read.
 */

import { redacted, require } from "../../auth/policy.ts";
import type { Hono } from "../../deps/hono.ts";
import { type Exchange, queryNumber } from "../../request/request_context.ts";
import { encodePath } from "../../http/path.ts";
import { Problem } from "../../http/problem.ts";
import { storeProblem } from "../../response/store_problem.ts";
import { LOG_PAGE, MAX_LOG_PAGE } from "../../limits.ts";
import type { Machine } from "../../request/server_context.ts";
import { nameFault } from "../../world/name.ts";
import { type Live, metricsOf, respondMetrics } from "./metrics.ts";
import { facts, json, line } from "../../response/json_response.ts";
import { onlyMethods, restOf, routeApp, type RouteEnv } from "../handler.ts";
import { respondRows } from "../../response/row_listing.ts";
import { addSnapshotRoute } from "./snapshot.ts";
import { addSourceRoutes } from "./source.ts";
import { WorldsList } from "./worlds_list.ts";

const AUDIT = "/proc/audit/:world{.+}";
const LOG = "/proc/log/:world{.+}";
const HASH = /^[0-9a-f]{64}$/;
const FILES = [
  "audit/",
  "log/",
  "metrics",
  "snapshot/",
  "source/",
  "status",
  "uptime",
  "version",
  "worlds",
];

/** The routes below `/proc`. */
export function procRoutes(machine: Machine, live: Live): Hono<RouteEnv> {
  const { store } = machine;
  const app = routeApp();

  app.get("/proc", ({ env }) => {
    require(env.caller, "read", "/proc");
    const rows = FILES.map((name) => ({ name: name.replace(/\/$/, ""), dir: name.endsWith("/") }));
    return respondRows(store, env, rows);
  });

  app.get("/proc/status", ({ env }) => {
    require(env.caller, "read", "/proc/status");
    return facts(acceptOf(env), {
      pid: Deno.pid,
      uptime: uptime(machine),
      worlds: store.count(),
      plugins: machine.plugins.active,
      version: machine.version,
      // Said only while it is so: more plugins are to come, and nobody shall wait here for them.
      ...(machine.plugins.starting === undefined ? {} : { starting: true }),
      // Said only where it is less than it could be.
      ...(machine.plugins.containment === "worker" ? { containment: "worker" } : {}),
    });
  });

  app.get("/proc/uptime", ({ env }) => {
    require(env.caller, "read", "/proc/uptime");
    return line(acceptOf(env), uptime(machine));
  });

  app.get("/proc/version", ({ env }) => {
    require(env.caller, "read", "/proc/version");
    return line(acceptOf(env), machine.version);
  });

  const worlds = new WorldsList(store);
  app.get("/proc/worlds", ({ env }) => worlds.respond(env));

  app.get("/proc/metrics", ({ env }) => {
    require(env.caller, "read", "/proc/metrics");
    return respondMetrics(acceptOf(env), metricsOf(machine, live));
  });

  app.get(AUDIT, async ({ env }) => {
    const name = subject(env, "/proc/audit/");
    try {
      return json(shown(env, name, await store.audit(name)));
    } catch (error) {
      throw storeProblem(error, "audit", `/${name}`);
    }
  });

  app.get(LOG, async ({ env }) => {
    const name = subject(env, "/proc/log/");
    const { query } = env.target;
    const before = queryNumber(query, "before", Number.MAX_SAFE_INTEGER);
    const limit = queryNumber(query, "limit", MAX_LOG_PAGE) ?? LOG_PAGE;
    try {
      const page = { limit, ...(before === undefined ? {} : { before }) };
      const events = await store.log(name, page);
      const oldest = events.at(-1)?.id;
      const more = oldest !== undefined && oldest > 1 && events.length === limit;
      const next = `/proc/log/${encodePath(name)}?before=${oldest}&limit=${limit}`;
      return json(shown(env, name, events), more ? { "link": `<${next}>; rel="next"` } : {});
    } catch (error) {
      throw storeProblem(error, "read the log of", `/${name}`);
    }
  });

  addSnapshotRoute(app, store);
  addSourceRoutes(app, machine);

  const files = FILES.filter((name) => !name.endsWith("/")).map((name) => `/proc/${name}`);
  for (const path of ["/proc", ...files, AUDIT, LOG]) app.all(path, onlyMethods("GET, HEAD"));
  return app;
}

function acceptOf({ request }: Exchange): string | null {
  return request.headers.get("accept");
}

/** Seconds since the start. */
function uptime(machine: Machine): number {
  return Math.round((machine.now() - machine.startedAt) / 10) / 100;
}

/** The world a route is about, which the caller must be allowed to read. */
function subject(exchange: Exchange, prefix: string): string {
  const name = restOf(exchange, prefix);
  require(exchange.caller, "read", `/${name}`);
  const fault = nameFault(name);
  if (fault === undefined) return name;
  throw new Problem("bad-name", `Cannot look at /${name}: as a world's name ${fault}`);
}

/**
 * What a caller may know of a world's receipt. Who sees a world with its secrets struck out could
 * guess them offline against the hash of the whole; the HMACs are no such help without the key.
 */
function shown(exchange: Exchange, name: string, value: unknown): unknown {
  if (!redacted(exchange.caller, `/${name}`)) return value;
  const strike = (key: string, fact: unknown) =>
    typeof fact === "string" && HASH.test(fact) && !key.endsWith("hmac") ? "***" : fact;
  return JSON.parse(JSON.stringify(value, strike));
}
