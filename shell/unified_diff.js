/**
 * A unified diff (`?diff=` of a world) as lines, each marked as added or removed: what is read before a
 * plugin is approved, exactly as the server wrote it. `diff_rows.js` pairs the lines and marks words for
 * the comparison of versions, which is in a file of its own (`lazy/compare.js`): the pages of plugins do
 * not load it.
 */

import { h } from "./dom.js";

const KINDS = { "+": "added", "-": "removed", "@": "place" };

/**
 * @param {string} text
 * @param {string} label for screen readers
 */
export function unifiedDiff(text, label) {
  const lines = text.replace(/\n$/, "").split("\n");
  // The names of both versions come first.
  const start = lines.findIndex((line) => line.startsWith("@@"));
  const shown = start < 0 ? [] : lines.slice(start);
  return h(
    "pre",
    { class: "diff", tabindex: "0", "aria-label": label },
    shown.map((line) => h("span", { class: KINDS[line[0]] ?? "" }, `${line}\n`)),
  );
}

/** How many lines a unified diff adds and removes. */
export function countLines(text) {
  const start = text.indexOf("\n@@");
  const lines = start < 0 ? [] : text.slice(start).split("\n");
  const starting = (sign) => lines.filter((line) => line.startsWith(sign)).length;
  return { added: starting("+"), removed: starting("-") };
}
