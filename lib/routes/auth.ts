/**
 * `/auth`: describes the caller and creates capabilities. The server returns a capability once and
 * does not store it.
 */

import { type Caller, innermostPrefix } from "../auth/caller.ts";
import { createCapabilityId, isCapabilityMode, mint } from "../auth/capability.ts";
import { assertCan, CHALLENGE } from "../auth/policy.ts";
import { misleadingFault } from "../base/misleading_text.ts";
import { isCanonicalPath } from "../http/path.ts";
import { CHALLENGE_HEADER, PROOF_HEADER } from "../http/server_proof.ts";
import { Problem } from "../http/problem.ts";
import { readQueryNumber, readQueryValue } from "../http/query.ts";
import { CAPABILITY_TTL_SECONDS, MAX_CAPABILITY_TTL_SECONDS } from "../limits.ts";
import type { RequestContext } from "../request/request_context.ts";
import type { ServerContext } from "../request/server_context.ts";
import { jsonResponse } from "../response/json_response.ts";
import { isCapabilityName } from "../world/revoked_list.ts";
import type { Store } from "../world/store.ts";
import { currentWriteChecks } from "../world/write_checks.ts";

/**
 * `GET /auth/whoami`: the tier of the caller; for a capability also its id, the names of its holders,
 * prefix, mode and remaining time. A challenge is answered with the proof that this server holds its data folder.
 */
export function whoami(
  { now, prove }: Pick<ServerContext, "now" | "prove">,
  { caller, request }: RequestContext,
): Response {
  assertCan(caller, "read", "/auth/whoami");
  if (caller.rejected) {
    throw new Problem(
      "unauthorized",
      `Cannot identify the caller: ${
        caller.revoked ? "the capability was revoked" : "the credential is unknown or expired"
      }`,
      { "www-authenticate": CHALLENGE },
    );
  }
  const response = jsonResponse(describeCaller(caller, now()));
  const proof = prove?.(request.headers.get(CHALLENGE_HEADER));
  if (proof !== undefined) response.headers.set(PROOF_HEADER, proof);
  return response;
}

function describeCaller({ tier, by, scope }: Caller, now: number): Record<string, unknown> {
  if (scope === undefined) return { tier, by };
  return {
    tier,
    by,
    id: scope.id ?? null,
    names: scope.names ?? [],
    prefix: innermostPrefix(scope),
    prefixes: scope.prefixes,
    mode: scope.mode,
    exp: scope.exp,
    ttl_sec: Math.max(0, Math.floor(scope.exp - now / 1000)),
  };
}

/**
 * `POST /auth/mint?prefix=&ttl=&mode=&name=`: creates a capability for a prefix. It lasts longer than the
 * lease of a server that shares its store, so the caller must still have its authority when memory has
 * followed the other servers.
 *
 * @throws {Problem} `unauthorized`, `forbidden`, `bad-query`; `conflict` if `/etc/revoked` revokes it
 * @throws {StoreError} `unreachable`: the server cannot follow
 */
export async function mintCapability(
  { key, now, store, authenticator }: Pick<
    ServerContext,
    "key" | "now" | "store" | "authenticator"
  >,
  context: RequestContext,
): Promise<Response> {
  const { prefix, mode, exp, ttl, name } = readGrant(context, now());
  assertCan(context.caller, "mint", prefix);
  if (store.isShared) await followChecks(store);
  const id = createCapabilityId(now(), crypto.getRandomValues(new Uint8Array(8)));
  const token = mint({ key, prefix, mode, exp, id, ...(name === null ? {} : { name }) });
  if (authenticator.authenticate(`Bearer ${token}`, false).revoked) {
    throw new Problem(
      "conflict",
      "Cannot create a capability: a line of /etc/revoked revokes its name or its prefix, or the list " +
        "is malformed; choose another name, or correct the list",
    );
  }
  return jsonResponse({ token, id, prefix, mode, name, ttl_sec: ttl, exp });
}

/** Follows the other servers, and runs the checks of the request on what is known then. */
async function followChecks(store: Pick<Store, "refresh">): Promise<void> {
  await store.refresh();
  const checks = currentWriteChecks();
  await checks?.pending;
  checks?.run();
}

function readGrant(context: RequestContext, now: number) {
  const { query } = context.target;
  // Checked first: a caller below T3 learns nothing else about the request.
  assertCan(context.caller, "mint", "/");
  const requested = readQueryValue(query, "prefix");
  if (requested === null) {
    throw new Problem(
      "bad-query",
      "Cannot create a capability: ?prefix= is missing; a path such as /home/scratch is needed",
    );
  }
  // Removes one trailing slash of a collection. `//` must not become the whole tree.
  const prefix = (/[^/]\/$/.test(requested) ? requested.slice(0, -1) : requested).normalize("NFC");
  if (/%[0-9A-Fa-f]{2}/.test(prefix)) {
    throw new Problem(
      "bad-query",
      "Cannot create a capability: ?prefix= still contains a percent escape after it was decoded; " +
        "percent-encode the path once",
    );
  }
  if (!isCanonicalPath(prefix) || prefix.includes("|")) {
    throw new Problem(
      "bad-query",
      "Cannot create a capability: ?prefix= is not a canonical absolute path such as /home/scratch",
    );
  }
  const fault = misleadingFault(prefix);
  if (fault !== undefined) {
    throw new Problem(
      "bad-query",
      `Cannot create a capability: ?prefix= can be mistaken for another path: ${fault}`,
    );
  }
  const mode = readQueryValue(query, "mode") ?? "rw";
  if (!isCapabilityMode(mode)) {
    throw new Problem("bad-query", "Cannot create a capability: ?mode= is not r, rw or rwd");
  }
  const name = readQueryValue(query, "name");
  if (name !== null && !isCapabilityName(name)) {
    throw new Problem(
      "bad-query",
      "Cannot create a capability: ?name= is not a name of 1 to 64 letters, digits, dots, " +
        "underscores and hyphens",
    );
  }
  const ttl = readQueryNumber(query, "ttl", MAX_CAPABILITY_TTL_SECONDS) ?? CAPABILITY_TTL_SECONDS;
  if (ttl < 1) {
    throw new Problem("bad-query", "Cannot create a capability: ?ttl= is below 1 second");
  }
  return { prefix, mode, name, ttl, exp: Math.floor(now / 1000) + ttl } as const;
}
