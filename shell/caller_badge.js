/**
 * The button at the top right: the caller of this tab, what it may do, and when its credential ends.
 * Five minutes before the end it warns; at the end it asks to sign in again.
 */

import { currentCaller, onCaller, refreshCaller, wasAccepted } from "./caller.js";
import { byId, fill, h } from "./dom.js";
import { describeCaller, nameOf, rightsOf } from "./describe_caller.js";
import { duration } from "./format.js";
import { showNote } from "./notes.js";
import { authorization } from "./session.js";
import { signIn } from "./sign_in.js";

/** Time before the end at which the user is warned. */
const WARN_MS = 5 * 60_000;
/** Interval at which the time is looked at: a timer stops while a computer sleeps. */
const TICK_MS = 10_000;

/** End of the credential for which the user was warned last. */
let warnedFor = 0;
/** The credential that was refused and for which the user was asked. */
let askedFor = null;

/** Draws the button now and after each change. */
export function startBadge() {
  onCaller(draw);
  setInterval(tick, TICK_MS);
  document.addEventListener("visibilitychange", tick);
}

function draw(caller) {
  const node = byId("who");
  const credential = authorization();
  const left = caller.until === undefined ? undefined : caller.until - Date.now();
  const refused = caller.rejected !== undefined && credential !== null;
  fill(
    node,
    h("span", { class: "name" }, refused ? "Sign in again" : nameOf(caller, credential !== null)),
    h("small", { class: "rights" }, rightsOf(caller)),
    left === undefined ? null : h("small", { class: "left" }, formatLeft(left)),
  );
  node.classList.toggle("warn", refused || left !== undefined && left <= WARN_MS);
  node.title = describeCaller(caller, credential !== null);
  if (refused) ask(credential);
  else if (left !== undefined && left <= WARN_MS) warn(caller.until);
}

function tick() {
  if (document.hidden) return;
  const caller = currentCaller();
  if (caller.until === undefined) return;
  if (caller.until > Date.now()) draw(caller);
  else if (caller.rejected === undefined) refreshCaller();
}

/** Once for each end of a credential. */
function warn(until) {
  if (warnedFor === until) return;
  warnedFor = until;
  showNote(`Your sign-in ends in ${formatLeft(until - Date.now())}`, {
    level: "warn",
    seconds: 60,
    action: { label: "Sign in", run: () => signIn() },
  });
}

/** Once for each credential. The page stays as it is; a page without content has a form of its own. */
function ask(credential) {
  if (askedFor === credential || !wasAccepted()) return;
  askedFor = credential;
  if (byId("main").querySelector("form.sign-in") !== null) return;
  signIn("Your sign-in has expired or was revoked. The page stays as it is.");
}

function formatLeft(ms) {
  return duration(Math.max(0, ms) / 1000);
}
