/**
 * `/auth`: what the caller is, and capabilities for callers that need less. Tokens leave the server here
 * and nowhere else; the server does not store them.
 */

import { mint } from "../auth/capability.ts";
import { assertCan, CHALLENGE } from "../auth/policy.ts";
import { isCanonicalPath } from "../http/path.ts";
import { Problem } from "../http/problem.ts";
import { readQueryNumber, readQueryValue } from "../http/query.ts";
import { CAPABILITY_TTL_SECONDS, MAX_CAPABILITY_TTL_SECONDS } from "../limits.ts";
import type { RequestContext } from "../request/request_context.ts";
import type { ServerContext } from "../request/server_context.ts";
import { jsonResponse } from "../response/json_response.ts";

/** `GET /auth/whoami`: the tier of the caller and, of a capability, its prefix, mode and time left. */
export function whoami({ now }: Pick<ServerContext, "now">, { caller }: RequestContext): Response {
  assertCan(caller, "read", "/auth/whoami");
  if (caller.rejected) {
    throw new Problem(
      "unauthorized",
      "Cannot identify the caller: the credential is unknown or has expired",
      { "www-authenticate": CHALLENGE },
    );
  }
  const { tier, by, scope } = caller;
  if (scope === undefined) return jsonResponse({ tier, by });
  return jsonResponse({
    tier,
    by,
    prefix: scope.prefixes.reduce((a, b) => b.length > a.length ? b : a),
    prefixes: scope.prefixes,
    mode: scope.mode,
    exp: scope.exp,
    ttl_sec: Math.max(0, Math.floor(scope.exp - now() / 1000)),
  });
}

/** `POST /auth/mint?prefix=&ttl=&mode=`: a capability for a prefix. */
export function mintCapability(
  { key, now }: Pick<ServerContext, "key" | "now">,
  context: RequestContext,
): Response {
  const { prefix, mode, exp, ttl } = readGrant(context, now());
  assertCan(context.caller, "mint", prefix);
  const token = mint({ key, prefix, mode, exp });
  return jsonResponse({ token, prefix, mode, ttl_sec: ttl, exp });
}

function readGrant(context: RequestContext, now: number) {
  const { query } = context.target;
  // Who may not mint learns nothing but that, whatever else is wrong with the request.
  assertCan(context.caller, "mint", "/");
  const asked = readQueryValue(query, "prefix");
  if (asked === null) {
    throw new Problem(
      "bad-query",
      "Cannot mint a capability: ?prefix= is missing; /home/scratch would do",
    );
  }
  // Of one slash at the end, as collections have it: `//` must not become the whole tree.
  const prefix = /[^/]\/$/.test(asked) ? asked.slice(0, -1) : asked;
  if (!isCanonicalPath(prefix) || prefix.includes("|")) {
    throw new Problem(
      "bad-query",
      "Cannot mint a capability: ?prefix= is no canonical absolute path; /home/scratch would do",
    );
  }
  const mode = readQueryValue(query, "mode") ?? "rw";
  if (mode !== "r" && mode !== "rw") {
    throw new Problem("bad-query", "Cannot mint a capability: ?mode= is neither r nor rw");
  }
  const ttl = readQueryNumber(query, "ttl", MAX_CAPABILITY_TTL_SECONDS) ?? CAPABILITY_TTL_SECONDS;
  if (ttl < 1) throw new Problem("bad-query", "Cannot mint a capability: ?ttl= is below 1 second");
  return { prefix, mode, ttl, exp: Math.floor(now / 1000) + ttl } as const;
}
