/**
 * The gate: the first thing a request meets. Behind it every path is canonical, every method known,
 * the Host believable, no foreign page at work, and the caller is one value. It looks nothing up.
 */

import type { Authenticator } from "../auth/authenticate.ts";
import { ALLOWED, assertAllowed, decideEntry } from "../auth/policy.ts";
import type { ClientFinder } from "../http/client_address.ts";
import type { RequestContext } from "./request_context.ts";
import { hostFault, isKnownHost, readHost } from "../http/host.ts";
import { foreignOriginFault } from "../http/origin.ts";
import { parseTarget } from "../http/path.ts";
import { Problem } from "../http/problem.ts";
import { toSiteTarget } from "./site_file.ts";

/** Methods that mean something somewhere on the machine; everything else is 501 (RFC 9110 §15.6.2). */
export const KNOWN_METHODS: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "PUT",
  "POST",
  "DELETE",
  "OPTIONS",
  "PATCH",
  "PROPFIND",
  "PROPPATCH",
  "MKCOL",
  "COPY",
  "MOVE",
  "LOCK",
  "UNLOCK",
]);

/** What the gate needs to know. */
export interface GateOptions {
  readonly authenticator: Authenticator;
  readonly findClient: ClientFinder;
  /** Tokens are set, so who is not on this machine needs a credential even to read. */
  readonly requiresCredential: boolean;
  /** Lower-case Host names under which callers on this machine are at home, beside its own. */
  readonly allowedHosts: ReadonlySet<string>;
}

/** Lets a request in, or throws. */
export type Gate = (request: Request, peer: string) => RequestContext;

/**
 * Makes the gate.
 *
 * @returns a function of the request and its peer's address, which throws a {@link Problem} for
 * whatever may not come in
 */
export function createGate(
  { authenticator, findClient, requiresCredential: guarded, allowedHosts: hosts }: GateOptions,
): Gate {
  return function gate(request, peer) {
    const { headers, method } = request;
    const host = readHost(request);
    const fault = hostFault(host);
    if (fault !== undefined) throw new Problem("bad-header", `Cannot take the request: ${fault}`);
    const target = parseTarget(request.url);
    if (!KNOWN_METHODS.has(method)) {
      throw new Problem(
        "not-implemented",
        `Cannot ${method.slice(0, 40)}: the method is not known here`,
      );
    }
    const known = isKnownHost(host, hosts);
    if (!guarded && !known) {
      throw new Problem(
        "unknown-host",
        "Cannot answer under this Host name: an open machine answers to localhost and 127.0.0.1 " +
          "alone; use one of these, or name the Host in ELASTIK_HOSTS",
      );
    }
    if (method !== "GET" && method !== "HEAD") {
      const site = headers.get("sec-fetch-site");
      const foreign = foreignOriginFault(method, host, headers.get("origin"), site);
      if (foreign !== undefined) {
        throw new Problem("foreign-origin", `Cannot ${method} ${target.path}: ${foreign}`);
      }
    }
    const { loopback } = findClient(peer, headers);
    const caller = authenticator.authenticate(headers.get("authorization"), loopback);
    if (guarded) {
      // Under a foreign name even a connection from this machine may be a stranger's: a page whose
      // name was rebound to 127.0.0.1, or a proxy that leaves no trace of itself.
      const verdict = decideEntry(caller, target.path, loopback && known);
      if (verdict !== ALLOWED) {
        // A stranger gets such a file itself and nothing that may stand in its place.
        const site = toSiteTarget(method, target);
        if (site !== undefined) return { request, target: site, caller };
        assertAllowed(verdict);
      }
    }
    return { request, target, caller };
  };
}
