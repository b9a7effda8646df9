/** Times in the time zone of the user, with the time in UTC as their title. */

import { h } from "./dom.js";
import { ago } from "./format.js";

/** Formats a time as `2026-11-28 09:25:03 UTC`. */
export function utc(iso) {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return String(iso);
  return `${time.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** Formats a time in the time zone and the language of the user. */
export function local(iso) {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? String(iso) : time.toLocaleString();
}

/** The title of a time, which the page shows as the time since then. */
export function titleOf(iso) {
  return `${local(iso)} (${utc(iso)})`;
}

/**
 * Creates an element with the time since a point in time. The page keeps the text up to date, and sets
 * the title with `setTitle()`: the first local time of a page loads the data of its language, which
 * takes longer than everything else of a first view.
 */
export function timeAgo(iso, props = {}) {
  return h("time", { datetime: iso, ...props }, ago(iso));
}

/** Gives an element of `timeAgo()` its title, if it has none. */
export function setTitle(node) {
  if (node.title === "") node.title = titleOf(node.dateTime);
}

/** Creates an element with a point in time. */
export function timeAt(iso, props = {}) {
  return h("time", { datetime: iso, title: utc(iso), "data-at": true, ...props }, local(iso));
}
