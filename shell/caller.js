/**
 * The caller of this tab, as the server sees it: tier, name, the prefix and mode of a capability, and
 * when its credential ends.
 *
 * @typedef {{
 *   tier?: string, by?: string, names?: string[], prefix?: string, mode?: string,
 *   until?: number, rejected?: string, unreachable?: boolean,
 * }} Caller `until`: end of the credential in ms since 1970; `rejected`: why the server refused the
 * credential, or refused to answer without one; `unreachable`: the server did not answer
 */

import { readCaller, requestAnswer } from "./answers.js";
import { authorization, onSession } from "./session.js";

/** @type {Promise<Caller> | undefined} */
let latest;
/** @type {Caller} */
let current = {};
/** The credential that `current` is about. */
let asked = null;
/** The credential that the server accepted last. */
let accepted = null;
/** @type {Set<(caller: Caller) => void>} */
const listeners = new Set();

/** The caller of the last answer; empty before the first one. */
export function currentCaller() {
  return current;
}

/** The caller; asks the server only if it was not asked before. */
export function knownCaller() {
  return latest ?? refreshCaller();
}

/** Whether the server accepted the credential of this tab before, so that it has ended if it is refused. */
export function wasAccepted() {
  return accepted !== null && accepted === authorization();
}

/** Asks the server for the caller. Of overlapping calls only the last one is kept. */
export function refreshCaller() {
  const credential = authorization();
  const mine = requestCaller().then((answer) => {
    // While the server does not answer, what it said last is shown.
    const caller = answer.unreachable && credential === asked ? current : answer;
    if (mine === latest) {
      current = caller;
      asked = credential;
      if (caller.tier !== undefined) accepted = credential;
      for (const listener of listeners) listener(caller);
    }
    return caller;
  });
  latest = mine;
  return mine;
}

/** Calls the listener with each answer. */
export function onCaller(listener) {
  listeners.add(listener);
}

onSession(refreshCaller);

async function requestCaller() {
  try {
    const { ttl_sec: seconds, ...caller } = await requestAnswer("/auth/whoami", readCaller);
    return seconds === undefined ? caller : { ...caller, until: Date.now() + seconds * 1000 };
  } catch ({ status, message }) {
    return status === 401 || status === 403 ? { rejected: message } : { unreachable: true };
  }
}
