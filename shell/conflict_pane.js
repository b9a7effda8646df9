/** Shows the current version of a world next to the text of an editor. */

import { changedSpan } from "./code_view.js";
import { button, h } from "./dom.js";

/**
 * @param {{ mine: string, latest: { version: number, text: string }, onUse: () => void, onClose: () => void }}
 * options `onUse` takes the text of the current version
 */
export function conflictPane({ mine, latest: { version, text }, onUse, onClose }) {
  const { start, end } = changedSpan(mine, text);
  return h(
    "div",
    { class: "conflict" },
    h(
      "p",
      { role: "alert" },
      `Version ${version} was written while you edited. Saving replaces it with your text.`,
    ),
    h(
      "pre",
      { tabindex: "0", "aria-label": `Version ${version}` },
      text.slice(0, start),
      h("mark", {}, text.slice(start, end)),
      text.slice(end),
    ),
    h(
      "div",
      { class: "actions" },
      button("Use this text", onUse),
      button("Close the comparison", onClose, { class: "quiet" }),
    ),
  );
}
