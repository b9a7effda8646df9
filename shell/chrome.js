/**
 * The bar at the top and the notes at the bottom: path, connection, caller. They are outside the frame
 * of the content and use only its name, so that content cannot imitate them.
 */

import { onCaller } from "./caller.js";
import { byId, h } from "./dom.js";
import { duration } from "./format.js";
import { showNote } from "./notes.js";
import { pathOf } from "./place.js";
import { authorization } from "./session.js";

const LIVE = { live: "live", waiting: "reconnecting", off: "" };

/** Draws the path; each segment except the last links to its collection. */
export function setPlace({ name, collection }) {
  const segments = name === "" ? [] : name.split("/");
  const crumbs = segments.map((segment, at) => {
    const last = at === segments.length - 1;
    const target = segments.slice(0, at + 1).join("/") + (last && !collection ? "" : "/");
    return h(
      "li",
      {},
      h("a", { href: pathOf(target), "aria-current": last && "page" }, segment),
    );
  });
  const root = h("li", { class: "root" }, h("a", { href: "/" }, "elastik"));
  const list = h("ol", {}, segments.length === 0 ? root : crumbs);
  byId("crumbs").replaceChildren(list);
  list.scrollLeft = list.scrollWidth;
  document.title = name === "" ? "elastik" : `/${name}${collection ? "/" : ""}`;
}

/** Shows the state of the event stream: `live`, `waiting` or `off`. */
export function setLive(state) {
  const live = byId("live");
  live.className = state;
  if (live.textContent !== LIVE[state]) live.textContent = LIVE[state];
}

/** Shows the caller of this tab. */
function drawCaller(caller) {
  const signedIn = authorization() !== null;
  const text = caller.prefix ?? (signedIn ? (caller.by ?? "unknown") : "Sign in");
  const node = byId("who");
  node.textContent = text;
  node.title = caller.prefix
    ? `A capability for ${caller.prefix}, ${caller.mode}, ${
      duration((caller.until - Date.now()) / 1000)
    } left`
    : `Tier ${caller.tier ?? "none"}`;
}
onCaller(drawCaller);

/** Shows a note for some seconds. @see showNote */
export function note(text, options = "") {
  showNote(text, options);
}

/** Shows an error as a note. */
export function noteError(error) {
  note(error.status ? `${error.status}: ${error.message}` : error.message, "bad");
}
