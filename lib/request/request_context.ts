/**
 * One request on its way through the machine, after the gate: where it goes and who sent it. Routes
 * get this value and never look at the URL or the Authorization header themselves.
 */

import type { Caller } from "../auth/caller.ts";
import type { Target } from "../http/path.ts";
import { Problem } from "../http/problem.ts";

/** What the gate found out about a request. */
export interface Exchange {
  readonly request: Request;
  readonly target: Target;
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
export function isCallerGone(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/**
 * One query parameter, or null. The last one wins when it is sent twice.
 *
 * @throws {Problem} `bad-query` when its escapes are broken
 */
export function queryValue(query: string, name: string): string | null {
  if (query === "") return null;
  let found: string | null = null;
  for (const pair of query.split("&")) {
    const equals = pair.indexOf("=");
    const key = equals < 0 ? pair : pair.slice(0, equals);
    if (key !== name) continue;
    found = decodeQuery(equals < 0 ? "" : pair.slice(equals + 1), name);
  }
  return found;
}

/** Whether a parameter is there, with or without a value: `?raw`. */
export function hasQuery(query: string, name: string): boolean {
  return query === name || (query !== "" && queryValue(query, name) !== null);
}

/**
 * A parameter that is a whole number, or undefined.
 *
 * @throws {Problem} `bad-query`
 */
export function queryNumber(query: string, name: string, most: number): number | undefined {
  const text = queryValue(query, name);
  if (text === null) return undefined;
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && value <= most) return value;
  throw new Problem(
    "bad-query",
    `Cannot read ?${name}=${text.slice(0, 40)}: a whole number of at most ${most} is needed`,
  );
}

function decodeQuery(text: string, name: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw new Problem(
      "bad-query",
      `Cannot read ?${name}: its percent escapes are broken; send UTF-8, percent-encoded`,
    );
  }
}
