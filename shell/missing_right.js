/** Says which right a caller lacks for a request. Pure. */

const VERBS = {
  GET: "Reading",
  HEAD: "Reading",
  PUT: "Writing",
  POST: "Writing",
  PATCH: "Editing",
  DELETE: "Deleting",
  MOVE: "Moving",
};
const REMOVALS = new Set(["DELETE", "MOVE"]);
const READS = new Set(["GET", "HEAD"]);

/**
 * @param {import("./caller.js").Caller} caller
 * @param {string} path
 * @param {string} method
 * @returns {string} one sentence without a final period
 */
export function missingRight(caller, path, method) {
  return `${verbOf(path, method)} needs ${neededFor(path, method)}; ${describeAuthority(caller)}`;
}

/** Why the caller may not restore a deleted world; undefined if it may. The server decides it again. */
export function restoreRefusal(caller, name) {
  const { tier, prefix, mode } = caller;
  const may = prefix === undefined
    ? tier === "T3"
    : mode?.includes("d") && `/${name}/`.startsWith(prefix.endsWith("/") ? prefix : `${prefix}/`);
  if (may) return undefined;
  const needed = "T3, or a capability with mode rwd for this path";
  return `Restoring needs ${needed}; ${describeAuthority(caller)}`;
}

/** What the caller has: the end of a sentence. */
export function describeAuthority({ rejected, prefix, mode, tier, by }) {
  if (rejected !== undefined) return "the server does not accept this sign-in";
  if (prefix !== undefined) return `your capability covers ${prefix} with mode ${mode}`;
  if (tier === undefined) return "the server does not know you";
  return isAnonymous(by) ? `you are not signed in and have ${tier}` : `you have ${tier}`;
}

/** Whether `by` is what the server calls a request without a credential. */
export function isAnonymous(by) {
  return by === undefined || by === "T1" || by.endsWith(":local");
}

function verbOf(path, method) {
  if (path === "/auth/mint") return "Minting a capability";
  if (/^\/lib\/[^/]+\/state$/.test(path)) return "Activating and disabling a plugin";
  return VERBS[method] ?? `${method} of ${path}`;
}

function neededFor(path, method) {
  if (READS.has(method)) return "T3, or a capability for this path";
  const isPlugin = /^\/lib\/[^/]+$/.test(path);
  if (REMOVALS.has(method)) {
    return path.startsWith("/home/") ? "T3, or a capability with mode rwd for this path" : "T3";
  }
  return path.startsWith("/home/") || isPlugin
    ? "T2, or a capability with mode rw for this path"
    : "T3";
}
