/**
 * The credential. It is sent in a header, never in a URL or a cookie. By default it is kept in the
 * session storage of the tab, and closing the tab deletes it. If the user asks for it, it is kept in the
 * local storage of the origin, which all tabs share, until the user signs out in one of them. Only the
 * shell's own scripts can read either: each other page of this server has an opaque origin.
 */

const KEY = "elastik.authorization";
const DAY_MS = 86_400_000;
/** Days without use after which a shared credential is deleted. */
export const KEPT_DAYS = 30;

/** @type {Set<() => void>} */
const listeners = new Set();
/** The credential of the tab, if the browser blocks its storage. */
let held = null;
/** What the listeners were called for. */
let known = authorization();

/** The Authorization header's value, or null. That of the tab comes before the shared one. */
export function authorization() {
  return ofTab() ?? shared()?.authorization ?? null;
}

/** Whether the credential is the shared one. */
export function isShared() {
  return ofTab() === null && shared() !== undefined;
}

/** Whether there is a shared credential. */
export function hasShared() {
  return shared() !== undefined;
}

/**
 * Stores a credential.
 *
 * @param {string} value of the Authorization header
 * @param {boolean} share for all tabs, after this browser is closed, too
 * @returns whether it could be stored as wanted; otherwise it is stored for the tab
 */
export function setAuthorization(value, share = false) {
  const isDone = share && write(localStorageOrNull(), formatShared(value));
  setOfTab(isDone ? null : value);
  notify();
  return isDone || !share;
}

/** Deletes the credential of the tab. The shared one, if there is one, counts again. */
export function leaveTab() {
  setOfTab(null);
  notify();
}

/** Deletes the credential of the tab and the shared one, so that every other tab loses it, too. */
export function signOut() {
  setOfTab(null);
  write(localStorageOrNull(), null);
  notify();
}

/** Calls the listener after the user signed in or out, in this tab or in another one. */
export function onSession(listener) {
  listeners.add(listener);
}

/** Calls the listener once. @returns {() => void} so that it is not called any more */
export function onNextSession(listener) {
  function once() {
    listeners.delete(once);
    listener();
  }
  listeners.add(once);
  return () => listeners.delete(once);
}

/** Resolves after the user signed in or out, or when the signal is aborted. */
export function nextSession(signal) {
  return new Promise((resolve) => {
    signal.addEventListener("abort", onNextSession(resolve), { once: true });
    signal.addEventListener("abort", resolve, { once: true });
  });
}

function notify() {
  known = authorization();
  for (const listener of [...listeners]) listener();
}

function notifyIfChanged() {
  if (authorization() !== known) notify();
}

function ofTab() {
  return read(sessionStorageOrNull()) ?? held;
}

function setOfTab(value) {
  held = write(sessionStorageOrNull(), value) ? null : value;
}

/** The shared credential; undefined if there is none, or if it was not used for too long. */
function shared() {
  const storage = localStorageOrNull();
  const text = read(storage);
  if (text === null) return undefined;
  const found = parseShared(text);
  const age = Date.now() - (found?.used ?? 0);
  if (found === undefined || age > KEPT_DAYS * DAY_MS) {
    write(storage, null);
    return undefined;
  }
  if (age > DAY_MS) write(storage, formatShared(found.authorization));
  return found;
}

function formatShared(value) {
  return JSON.stringify({ authorization: value, used: Date.now() });
}

function parseShared(text) {
  try {
    const { authorization: value, used } = JSON.parse(text);
    return typeof value === "string" && Number.isFinite(used)
      ? { authorization: value, used }
      : undefined;
  } catch {
    return undefined;
  }
}

// The property throws if the browser blocks storage.
function sessionStorageOrNull() {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null;
  }
}

function localStorageOrNull() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}

function read(storage) {
  return storage?.getItem(KEY) ?? null;
}

/** Returns whether it is stored; storage can be full or blocked. */
function write(storage, value) {
  try {
    if (storage === null) return false;
    if (value === null) storage.removeItem(KEY);
    else storage.setItem(KEY, value);
    return true;
  } catch {
    return false;
  }
}

// Another tab signed in or out. A page that was frozen gets no event, so it looks when it is back.
globalThis.addEventListener?.("storage", notifyIfChanged);
globalThis.addEventListener?.("pageshow", notifyIfChanged);
globalThis.document?.addEventListener("visibilitychange", notifyIfChanged);
