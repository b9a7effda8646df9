/** Names a caller and what it may do, in plain words. Pure, except for the clock. */

import { duration } from "./format.js";
import { isAnonymous } from "./missing_right.js";

const RIGHTS = {
  T1: "Can read what is public.",
  T2: "Can also write below /home, and plugin sources below /lib.",
  T3: "Can do everything: write anywhere, delete, activate plugins, mint capabilities.",
};
const MODES = { r: "read", rw: "read and write", rwd: "read, write, delete and move" };

/** @typedef {import("./caller.js").Caller} Caller */

/**
 * The short name: that of an account, of the holder of a capability, or the tier of a token.
 *
 * @param {Caller} caller
 * @param {boolean} signedIn whether the tab has a credential
 */
export function nameOf({ by, names = [], prefix }, signedIn) {
  if (!signedIn) return "Sign in";
  if (prefix !== undefined) return names.length > 0 ? names.join("/") : "capability";
  if (by === undefined) return "…";
  return by.startsWith("user:") ? by.slice("user:".length) : by;
}

/** Tier, or prefix and mode; empty if the name says it. @param {Caller} caller */
export function rightsOf({ tier, by, prefix, mode }) {
  if (prefix !== undefined) return `${prefix} ${mode}`;
  return tier === undefined || tier === by ? "" : tier;
}

/**
 * Whole sentences about the caller.
 *
 * @param {Caller} caller
 * @param {boolean} signedIn whether the tab has a credential
 */
export function describeCaller(caller, signedIn) {
  const { by, tier, prefix, mode, until, rejected, unreachable } = caller;
  if (unreachable) return "The server does not answer.";
  if (rejected !== undefined) {
    return signedIn
      ? "The server no longer accepts this credential."
      : "This server requires a credential for reading, too.";
  }
  if (tier === undefined) return "";
  if (prefix !== undefined) {
    const name = nameOf(caller, true);
    const left = until === undefined
      ? ""
      : `, valid for another ${duration(Math.max(0, until - Date.now()) / 1000)}`;
    return `${name === "capability" ? "A capability" : `${name}, a capability`}: can ${
      MODES[mode] ?? mode
    } below ${prefix}${left}.`;
  }
  const start = isAnonymous(by) && !signedIn
    ? `Without a credential: tier ${tier}.`
    : by === tier
    ? `The token of tier ${tier}.`
    : `${by}, tier ${tier}.`;
  return `${start} ${RIGHTS[tier] ?? ""}`;
}
