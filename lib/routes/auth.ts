/**
 * `/auth`: what a caller is, and capabilities for those who shall have less. Tokens leave the machine
 * here and nowhere else, and are kept by nobody on the way.
 */

import { mint } from "../auth/capability.ts";
import { require } from "../auth/policy.ts";
import { CHALLENGE } from "../auth/policy.ts";
import type { Hono } from "../deps/hono.ts";
import { type Exchange, queryNumber, queryValue } from "../request/request_context.ts";
import { isCanonical } from "../http/path.ts";
import { Problem } from "../http/problem.ts";
import { CAPABILITY_TTL_SECONDS, MAX_CAPABILITY_TTL_SECONDS } from "../limits.ts";
import type { Machine } from "../request/server_context.ts";
import { json } from "../response/json_response.ts";
import { onlyMethods, routeApp, type RouteEnv } from "./handler.ts";

/** The routes below `/auth`. */
export function authRoutes(machine: Machine): Hono<RouteEnv> {
  const app = routeApp();

  app.get("/auth/whoami", ({ env: { caller } }) => {
    require(caller, "read", "/auth/whoami");
    if (caller.rejected) {
      throw new Problem(
        "unauthorized",
        "Cannot tell who you are: the credential sent is unknown or has expired",
        { "www-authenticate": CHALLENGE },
      );
    }
    const { tier, by, scope } = caller;
    if (scope === undefined) return json({ tier, by });
    return json({
      tier,
      by,
      prefix: scope.prefixes.reduce((a, b) => b.length > a.length ? b : a),
      prefixes: scope.prefixes,
      mode: scope.mode,
      exp: scope.exp,
      ttl_sec: Math.max(0, Math.floor(scope.exp - machine.now() / 1000)),
    });
  });
  app.all("/auth/whoami", onlyMethods("GET, HEAD"));

  app.post("/auth/mint", ({ env }) => {
    const grant = readGrant(env, machine.now());
    require(env.caller, "mint", grant.prefix);
    const { prefix, mode, exp, ttl } = grant;
    const token = mint({ key: machine.key, prefix, mode, exp });
    return json({ token, prefix, mode, ttl_sec: ttl, exp });
  });
  app.all("/auth/mint", onlyMethods("POST"));
  return app;
}

function readGrant(exchange: Exchange, now: number) {
  const { query } = exchange.target;
  // Who may not mint learns nothing but that, whatever else is wrong with the request.
  require(exchange.caller, "mint", "/");
  const asked = queryValue(query, "prefix");
  if (asked === null) {
    throw new Problem(
      "bad-query",
      "Cannot mint a capability: ?prefix= is missing; /home/scratch would do",
    );
  }
  // Of one slash at the end, as collections have it: `//` must not become the whole tree.
  const prefix = /[^/]\/$/.test(asked) ? asked.slice(0, -1) : asked;
  if (!isCanonical(prefix) || prefix.includes("|")) {
    throw new Problem(
      "bad-query",
      "Cannot mint a capability: ?prefix= is no canonical absolute path; /home/scratch would do",
    );
  }
  const mode = queryValue(query, "mode") ?? "rw";
  if (mode !== "r" && mode !== "rw") {
    throw new Problem("bad-query", "Cannot mint a capability: ?mode= is neither r nor rw");
  }
  const ttl = queryNumber(query, "ttl", MAX_CAPABILITY_TTL_SECONDS) ?? CAPABILITY_TTL_SECONDS;
  if (ttl < 1) throw new Problem("bad-query", "Cannot mint a capability: ?ttl= is below 1 second");
  return { prefix, mode, ttl, exp: Math.floor(now / 1000) + ttl } as const;
}
