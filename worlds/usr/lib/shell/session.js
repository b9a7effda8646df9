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

/** The header value for a token (RFC 6750). Headers carry bytes, so the token goes out as UTF-8. */
export function bearer(token) {
  return `Bearer ${bytesAsText(token)}`;
}

/** The header value for an account (RFC 7617). */
export function basic(user, password) {
  return `Basic ${btoa(bytesAsText(`${user}:${password}`))}`;
}

function bytesAsText(text) {
  return Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
}
