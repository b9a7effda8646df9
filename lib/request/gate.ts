/**
 * The gate: the checks that every request from outside passes before it is routed.
 *
 * - The Host header is well-formed; without tokens it must also name this server (DNS rebinding).
 * - The path has one canonical spelling, and the method is known.
 * - An unsafe method does not come from a page of another site.
 * - A service worker is a script of the shell.
 * - The Authorization header is turned into a caller. A request that a page of another origin
 *   caused has no rights by its connection or by stored Basic credentials.
 * - With tokens, a client on another computer has a valid credential; only public files need none.
 *
 * The result is a `RequestContext`. Code behind the gate uses it and never the URL or the headers
 * above. The gate uses neither the store nor the body. If other servers share the store, the accounts
 * must follow it before a caller counts, so the steps of the gate can also be called one by one.
 */

import type { Authenticator } from "../auth/authenticate.ts";
import type { Caller } from "../auth/caller.ts";
import { ALLOWED, assertAllowed, decideEntry } from "../auth/policy.ts";
import type { ClientFinder } from "../http/client_address.ts";
import type { RequestContext } from "./request_context.ts";
import { HeaderSnapshot, type IterableHeaders } from "../http/header_snapshot.ts";
import { hostFault, isKnownHost, readHost } from "../http/host.ts";
import { foreignOriginFault, isFromForeignPage } from "../http/origin.ts";
import { parseTarget } from "../http/path.ts";
import { Problem } from "../http/problem.ts";
import { toSiteTarget } from "./site_file.ts";

/** Methods that some route of the server supports; any other gets 501 (RFC 9110 §15.6.2). */
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

/**
 * Folder of the scripts that can be service workers. A service worker answers for all pages of its
 * scope, so no world below T3 and no plugin may be one.
 */
const SHELL_FOLDER = "/usr/lib/shell/";

/** What the gate needs of the server. */
export interface GateOptions {
  readonly authenticator: Authenticator;
  readonly findClient: ClientFinder;
  /** A token is set, so clients on other computers need a credential even to read. */
  readonly requiresCredential: boolean;
  /** Configured Host names in lower case, in addition to those of loopback. */
  readonly allowedHosts: ReadonlySet<string>;
}

/** A request that passed every check which needs no caller. */
export interface CheckedRequest extends Omit<RequestContext, "caller"> {
  readonly headers: HeaderSnapshot;
  readonly client: string;
  /** The client itself runs on this computer. */
  readonly loopback: boolean;
  /** A page of another origin caused the request, so that it has no rights by its connection. */
  readonly isForeign: boolean;
  /** Its Host names this server. */
  readonly isKnown: boolean;
}

/** The gate of a server. */
export interface Gate {
  /**
   * Checks a request: all three steps.
   *
   * @param request the request
   * @param peer address of the other end of the connection
   * @throws {Problem} if the request is refused
   */
  (request: Request, peer: string): RequestContext;
  /** First step: checks everything but the caller. @throws {Problem} if the request is refused */
  check(request: Request, peer: string): CheckedRequest;
  /** Second step: determines the caller, with the accounts that memory has now. */
  authenticate(checked: CheckedRequest): Caller;
  /** Last step: checks whether the caller can enter. @throws {Problem} if it cannot */
  admit(checked: CheckedRequest, caller: Caller): RequestContext;
}

/**
 * Creates the gate of a server.
 *
 * @returns the gate, which throws {@link Problem} for a request that it refuses
 */
export function createGate(
  { authenticator, findClient, requiresCredential, allowedHosts }: GateOptions,
): Gate {
  function check(request: Request, peer: string): CheckedRequest {
    const { method, url } = request;
    const headers = new HeaderSnapshot(request.headers);
    const host = readHost({ headers, url });
    const fault = hostFault(host);
    if (fault !== undefined) throw new Problem("bad-header", `Cannot route the request: ${fault}`);
    const target = parseTarget(url);
    if (!KNOWN_METHODS.has(method)) {
      throw new Problem(
        "not-implemented",
        `Cannot ${method.slice(0, 40)}: the method is not supported`,
      );
    }
    if (isServiceWorker(headers) && !target.path.startsWith(SHELL_FOLDER)) {
      throw new Problem(
        "forbidden",
        `Cannot register ${target.path} as a service worker: only scripts below ${SHELL_FOLDER} ` +
          "can be one",
        // Unregisters one that an earlier version of the server allowed.
        { "clear-site-data": '"storage"' },
      );
    }
    const isKnown = isKnownHost(host, allowedHosts);
    if (!requiresCredential && !isKnown) {
      throw new Problem(
        "unknown-host",
        "Cannot answer under this Host name: without a token the server answers only to localhost " +
          "and 127.0.0.1; use one of these, or add the name to ELASTIK_HOSTS",
      );
    }
    if (method !== "GET" && method !== "HEAD") {
      const site = headers.get("sec-fetch-site");
      const originFault = foreignOriginFault(method, host, headers.get("origin"), site);
      if (originFault !== undefined) {
        throw new Problem("foreign-origin", `Cannot ${method} ${target.path}: ${originFault}`);
      }
    }
    const { address: client, loopback } = findClient(peer, headers);
    const authorization = headers.get("authorization");
    // A page cannot send a Bearer credential to another origin, but a browser adds stored Basic ones.
    const isForeign = (authorization === null ? loopback : isBasic(authorization)) &&
      isFromForeignPage(host, headers);
    return { request, headers, target, client, loopback, isForeign, isKnown };
  }

  function authenticate({ headers, loopback, isForeign }: CheckedRequest): Caller {
    return authenticator.authenticate(
      isForeign ? null : headers.get("authorization"),
      loopback && !isForeign,
    );
  }

  function admit(checked: CheckedRequest, caller: Caller): RequestContext {
    const { request, headers, target, client, loopback, isKnown } = checked;
    if (requiresCredential) {
      // Under an unknown Host, a loopback connection does not count as local: the page may have a
      // name that was rebound to 127.0.0.1, or a proxy may send no proxy header.
      const decision = decideEntry(caller, target.path, loopback && isKnown);
      if (decision !== ALLOWED) {
        // Site files are public. The target is the file itself, so no other route can answer.
        const site = toSiteTarget(request.method, target);
        if (site !== undefined) return { request, headers, target: site, caller, client };
        assertAllowed(decision);
      }
    }
    return { request, headers, target, caller, client };
  }

  function gate(request: Request, peer: string): RequestContext {
    const checked = check(request, peer);
    return admit(checked, authenticate(checked));
  }

  return Object.assign(gate, { check, authenticate, admit });
}

/** Whether a browser requests the script of a service worker (Service Workers §4, Fetch §2.2.6). */
function isServiceWorker(headers: IterableHeaders): boolean {
  return headers.get("service-worker") !== null ||
    headers.get("sec-fetch-dest") === "serviceworker";
}

function isBasic(authorization: string): boolean {
  return authorization.slice(0, 6).toLowerCase() === "basic ";
}
