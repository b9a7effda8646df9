/**
 * The credential of this tab. It is kept in session storage and sent in a header, never in a URL or a
 * cookie. Signing out or closing the tab deletes it.
 */

const KEY = "elastik.authorization";
/** @type {Set<() => void>} */
const listeners = new Set();

/** The Authorization header's value, or null. */
export function authorization() {
  return sessionStorage.getItem(KEY);
}

/** Stores a credential; null deletes it. */
export function setAuthorization(value) {
  if (value === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, value);
  for (const listener of listeners) listener();
}

/** Calls the listener after signing in or out. */
export function onSession(listener) {
  listeners.add(listener);
}
