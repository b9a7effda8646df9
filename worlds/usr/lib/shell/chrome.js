/**
 * The bar at the top and the notes at the bottom: where you are, whether it is live, who you are.
 * Everything a world could imitate is drawn here, outside its frame, and only from names.
 */

import { request } from "./api.js?raw";
import { byId, h } from "./dom.js?raw";
import { duration } from "./format.js?raw";
import { pathOf } from "./place.js?raw";
import { authorization } from "./session.js?raw";

const LIVE = { live: "live", waiting: "reconnecting", off: "" };

/** Draws the path; every segment but the last leads to its collection. */
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

/** Says whether what is shown follows the machine: `live`, `waiting`, `off`. */
export function setLive(state) {
  const live = byId("live");
  live.className = state;
  if (live.textContent !== LIVE[state]) live.textContent = LIVE[state];
}

/** Asks the machine who this tab is, and shows it. */
export async function refreshWho() {
  const response = await request("/auth/whoami").catch(() => undefined);
  const caller = response?.ok ? await response.json() : { rejected: true };
  const signedIn = authorization() !== null;
  const text = caller.prefix ?? (signedIn ? (caller.by ?? "unknown") : "Sign in");
  const node = byId("who");
  node.textContent = text;
  node.title = caller.prefix
    ? `A capability for ${caller.prefix}, ${caller.mode}, ${duration(caller.ttl_sec)} left`
    : `Tier ${caller.tier ?? "none"}`;
  return caller;
}

/** Shows a note for some seconds. */
export async function note(text, kind = "") {
  (await import("./notes.js?raw")).showNote(text, kind);
}

/** Shows why something was refused. */
export function noteRefusal(error) {
  note(error.status ? `${error.status}: ${error.message}` : error.message, "bad");
}
