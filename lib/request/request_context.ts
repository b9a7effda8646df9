/**
 * One request on its way through the machine, after the gate: where it goes and who sent it. Routes
 * get this value and never look at the URL or the Authorization header themselves.
 */

import type { Caller } from "../auth/caller.ts";
import type { RequestTarget } from "../http/path.ts";
import { Problem } from "../http/problem.ts";
import { nameFault } from "../world/name.ts";

/** What the gate found out about a request. */
export interface RequestContext {
  readonly request: Request;
  readonly target: RequestTarget;
  readonly caller: Caller;
  /** How many plugins have passed this request on; absent from outside. */
  readonly depth?: number;
  /** The connection it came by; absent when a plugin asks. */
  readonly connection?: Connection;
}

/** What the server knows of a request's connection. */
export interface Connection {
  readonly remoteAddr: Deno.Addr;
  /** Settles when the response is delivered; rejects when the caller went away before. */
  readonly completed: Promise<void>;
}

/** Whether something failed for no other reason than that its caller went away. */
export function isClientGone(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/**
 * Checks that a name can be the name of a world.
 *
 * @param name canonical name without its leading slash, `home/x`
 * @param action what the caller wants, as a verb: `write`
 * @throws {Problem} `bad-name`
 */
export function assertValidName(name: string, action: string): void {
  const fault = nameFault(name);
  if (fault === undefined) return;
  throw new Problem("bad-name", `Cannot ${action} /${name}: as a world's name ${fault}`);
}

/**
 * The part of the canonical path behind a route's own prefix.
 *
 * @param prefix the prefix with its trailing slash: `/proc/audit/`
 * @returns `home/x` of `/proc/audit/home/x`
 */
export function restOf(context: RequestContext, prefix: string): string {
  return context.target.path.slice(prefix.length);
}
