/**
 * The credential of this tab. It lives in the tab's session storage and goes out in a header; never
 * in a URL, never in a cookie, and nowhere once the tab is closed or signed out.
 */

const KEY = "elastik.authorization";
/** @type {Set<() => void>} */
const listeners = new Set();

/** The Authorization header's value, or null. */
export function authorization() {
  return sessionStorage.getItem(KEY);
}

/** Keeps a credential, or forgets it with null. */
export function setAuthorization(value) {
  if (value === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, value);
  for (const listener of listeners) listener();
}

/** Calls back when somebody signs in or out. */
export function onSession(listener) {
  listeners.add(listener);
}
