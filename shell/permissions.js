/**
 * What the caller may do: the methods that the server allows on a path (`Allow` of OPTIONS), and in one
 * sentence why a method is missing. The server decides each request again; this only tells the user
 * before.
 */

import { request } from "./api.js";
import { currentCaller, knownCaller, onCaller } from "./caller.js";
import { note, signInAction } from "./chrome.js";
import { missingRight } from "./missing_right.js";
import { onSession } from "./session.js";

/** All methods, while the server does not answer: the request itself then says why it failed. */
const ALL = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "MOVE", "OPTIONS"];
/** Most paths whose answers are kept. */
const MAX_PATHS = 500;

/** @type {Map<string, Promise<Set<string>>>} */
const known = new Map();
// Another caller may do other things. After an expiry there is another caller, too.
onSession(() => known.clear());
onCaller(() => known.clear());

/**
 * The methods that the caller may use on a path. To create below a collection, ask for the path of the
 * child. The answers are kept until the caller changes.
 *
 * @param {string} path with a slash at the end for a collection
 * @returns {Promise<Set<string>>}
 */
export function allowed(path) {
  const found = known.get(path);
  if (found !== undefined) return found;
  if (known.size >= MAX_PATHS) known.clear();
  const asked = askMethods(path);
  known.set(path, asked);
  return asked;
}

async function askMethods(path) {
  // For `reason`, which needs it at once.
  await knownCaller();
  const response = await request(path, { method: "OPTIONS" }).catch(() => undefined);
  if (response?.status === 401 || response?.status === 403) return new Set();
  const allow = response?.ok ? response.headers.get("allow") : null;
  return new Set(allow === null || allow === undefined ? ALL : allow.split(/\s*,\s*/));
}

/** Why the caller may not use a method on a path, as one sentence. */
export function reason(path, method) {
  return missingRight(currentCaller(), path, method);
}

/** Runs an action, or shows why the caller may not use its method. */
export async function ifAllowed(path, method, run) {
  if ((await allowed(path)).has(method)) return run();
  note(reason(path, method), { action: signInAction() });
}

/**
 * Marks a control as not available if the caller may not use a method on a path. It keeps the focus of
 * the keyboard, and a click shows the reason in place of the action.
 *
 * @template {HTMLElement} T
 * @param {T} control
 * @param {string} path
 * @param {string} method
 * @returns {T}
 */
export function needs(control, path, method) {
  let sentence = "";
  control.addEventListener("click", (event) => {
    if (sentence === "") return;
    event.preventDefault();
    event.stopImmediatePropagation();
    note(sentence, { action: signInAction() });
  }, { capture: true });
  allowed(path).then((methods) => {
    if (methods.has(method)) return;
    sentence = reason(path, method);
    control.setAttribute("aria-disabled", "true");
    control.title = sentence;
  });
  return control;
}
