/**
 * The history of the tab. Each entry has its number, so that Back and Forward can be undone while the
 * user decides about text that is not saved.
 */

import { hasUnsaved, mayEndEditing } from "./unsaved.js";

let at = history.state?.at ?? 0;
let shown = "";
let isReturning = false;

/** Adds an entry for a path that is shown now. */
export function pushPath(path) {
  at += 1;
  history.pushState({ at }, "", path);
  shown = page();
}

/** Replaces the query of the address, without a new entry. */
export function replaceQuery(query) {
  if (location.search === query) return;
  history.replaceState({ ...history.state, at }, "", location.pathname + query);
  shown = page();
}

/** Calls the listener when the user went to another page with Back or Forward. */
export function onHistory(listener) {
  history.replaceState({ ...history.state, at }, "");
  shown = page();
  addEventListener("popstate", async () => {
    if (isReturning) return;
    // A link to a heading of the page adds an entry without a number.
    const to = history.state?.at ?? at + 1;
    if (history.state?.at === undefined) history.replaceState({ ...history.state, at: to }, "");
    // Back from it: the browser scrolls to where the page was.
    if (page() === shown && to !== at) {
      at = to;
      return;
    }
    const steps = to - at;
    if (steps !== 0 && hasUnsaved()) {
      await move(-steps);
      if (await mayEndEditing("Leave the page")) history.go(steps);
      return;
    }
    at = to;
    shown = page();
    listener();
  });
}

/** Goes to another entry of the history without showing it. */
async function move(steps) {
  isReturning = true;
  await new Promise((resolve) => {
    addEventListener("popstate", resolve, { once: true });
    history.go(steps);
  });
  isReturning = false;
}

function page() {
  return location.pathname + location.search;
}
