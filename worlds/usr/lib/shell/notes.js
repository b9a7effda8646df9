/**
 * Short notes at the page's corner, read out by a screen reader, gone by themselves.
 */

import { button, byId, h, style } from "./dom.js?raw";

await style("notes");

const MS = 6000;

/** Shows one; `bad` is a kind. */
export function showNote(text, kind) {
  const node = h("p", { class: `note ${kind}` }, h("span", {}, text));
  node.append(button("×", () => node.remove(), { class: "quiet", "aria-label": "Dismiss" }));
  byId("notes").append(node);
  setTimeout(() => node.remove(), MS);
}
