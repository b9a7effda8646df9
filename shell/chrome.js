/**
 * The bar at the top and the notes at the bottom: path, connection, caller. They are outside the frame
 * of the content and use only its name, so that content cannot imitate them.
 */

import { byId, h } from "./dom.js";
import { showNote } from "./notes.js";
import { pathOf, shownName } from "./place.js";

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
      h("a", { href: pathOf(target), "aria-current": last && "page" }, shownName(segment)),
    );
  });
  const root = h("li", { class: "root" }, h("a", { href: "/" }, "elastik"));
  const list = h("ol", {}, segments.length === 0 ? root : crumbs);
  byId("crumbs").replaceChildren(list);
  // With the layout of the next frame: at once it would cost one more.
  requestAnimationFrame(() => list.scrollLeft = list.scrollWidth);
  document.title = name === "" ? "elastik" : `/${shownName(name)}${collection ? "/" : ""}`;
}

/** Shows the state of the event stream: `live`, `waiting` or `off`. */
export function setLive(state) {
  const live = byId("live");
  live.className = state;
  if (live.textContent !== LIVE[state]) live.textContent = LIVE[state];
}

/**
 * Shows a note for some seconds. An error of its action is shown as a note, too.
 *
 * @see showNote
 */
export function note(text, options = {}) {
  const all = typeof options === "string" ? { level: options } : options;
  const run = async () => {
    try {
      await all.action.run();
    } catch (error) {
      noteError(error);
    }
  };
  return showNote(text, all.action ? { ...all, action: { ...all.action, run } } : all);
}

/** Shows an error as a note, which offers to sign in if the credential is the reason. */
export function noteError(error) {
  const text = error.status ? `${error.status}: ${error.message}` : error.message;
  const needsCredential = error.status === 401 || error.status === 403;
  note(text, { level: "bad", action: needsCredential ? signInAction(error.status) : undefined });
}

/** The action of a note that opens the sign-in. */
export function signInAction(status = 401) {
  return {
    label: status === 401 ? "Sign in" : "Use another credential",
    run: () => dispatchEvent(new CustomEvent("shell:sign-in")),
  };
}
