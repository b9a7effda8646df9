/** Shows the current version of a world next to the text of an editor. */

import { button, h } from "./dom.js";
import { markWords } from "./word_diff.js";

/**
 * @param {{ mine: string, latest: { version: number, text: string }, onUse: () => void, onClose: () => void }}
 * options `onUse` takes the text of the current version
 */
export function conflictPane({ mine, latest: { version, text }, onUse, onClose }) {
  const { after } = markWords(mine, text);
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
      after.map((span) => span.isMarked ? h("mark", {}, span.text) : span.text),
    ),
    h(
      "div",
      { class: "actions" },
      button("Use this text", onUse),
      button("Close the comparison", onClose, { class: "quiet" }),
    ),
  );
}
