/** Short notes in the corner of the page. Screen readers announce them. */

import { button, byId, h } from "./dom.js";

const NOTE_MS = 6000;

/** Shows a note for {@link NOTE_MS}. @param {string} kind `bad` for errors */
export function showNote(text, kind) {
  const node = h("p", { class: `note ${kind}` }, h("span", {}, text));
  node.append(button("×", () => node.remove(), { class: "quiet", "aria-label": "Dismiss" }));
  byId("notes").append(node);
  setTimeout(() => node.remove(), NOTE_MS);
}
