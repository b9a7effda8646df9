/**
 * A caller as a text, for another server that shares the store: it must recognise the credential of the
 * holder of a lock. The text contains no secret. It comes back from the database, so its form is checked.
 */

import type { Caller, CapabilityMode, Scope, Tier } from "./caller.ts";

const TIERS: readonly string[] = ["T1", "T2", "T3"] satisfies readonly Tier[];
const MODES: readonly string[] = ["r", "rw", "rwd"] satisfies readonly CapabilityMode[];

/**
 * Writes what identifies the credential of a caller. Of a plugin it has the name only, and of a plugin
 * that calls on behalf of a caller it has what the caller's rights are compared with.
 *
 * @param account the mark of its account; absent for another credential
 */
export function writeCaller({ tier, by, scope }: Caller, account?: string): string {
  return JSON.stringify({ tier, by, scope, account });
}

/**
 * Reads what {@link writeCaller} wrote. The caller can be compared with others. It has no rights to act:
 * an authenticator does not know it.
 *
 * @throws {TypeError} if the text does not have that form
 */
export function readCaller(text: string): Caller {
  const value: unknown = JSON.parse(text);
  if (!isRecord(value)) throw new TypeError("a caller is not an object");
  const { tier, by, scope, account } = value;
  if (!isTier(tier) || typeof by !== "string") throw new TypeError("a caller has no tier or name");
  if (account !== undefined && typeof account !== "string") {
    throw new TypeError("the mark of an account is not a text");
  }
  return {
    tier,
    by,
    ...(scope === undefined ? {} : { scope: readScope(scope) }),
    ...(account === undefined ? {} : { account }),
  };
}

function readScope(value: unknown): Scope {
  if (!isRecord(value)) throw new TypeError("a scope is not an object");
  const { prefixes, mode, exp, id, names, root } = value;
  if (
    !isTexts(prefixes) || !isMode(mode) || typeof exp !== "number" || typeof root !== "string" ||
    id !== undefined && typeof id !== "string" || names !== undefined && !isTexts(names)
  ) throw new TypeError("a scope does not have its form");
  return {
    prefixes,
    mode,
    exp,
    root,
    ...(id === undefined ? {} : { id }),
    ...(names === undefined ? {} : { names }),
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isTier(value: unknown): value is Tier {
  return typeof value === "string" && TIERS.includes(value);
}

function isMode(value: unknown): value is CapabilityMode {
  return typeof value === "string" && MODES.includes(value);
}
