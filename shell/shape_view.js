/**
 * Shows the response of `/shaped/…` while a model writes it: pages and pictures in a sandboxed frame
 * without scripts, everything else as text. A complete table, JSON or Markdown gets its viewer.
 */

import { h } from "./dom.js";
import { streamedStage } from "./streamed_stage.js";
import { makeViewer } from "./viewers.js";

/** The forms that can be requested, by media type. */
export const FORMS = {
  "text/plain": "text",
  "text/markdown": "Markdown",
  "text/html": "page",
  "application/json": "JSON",
  "text/csv": "table",
  "image/svg+xml": "picture",
  "application/xml": "XML",
};
/** Fits an SVG picture to the frame. */
const FRAME =
  "<!doctype html><style>body{margin:0}svg{display:block;width:100%;height:100vh}</style>";
/** The viewer of a complete response, and its extension. */
const COMPLETE = {
  "text/markdown": ["markdown", "md"],
  "application/json": ["json", "json"],
  "text/csv": ["table", "csv"],
};

/**
 * Creates the view of one response.
 *
 * @param {string} type media type
 * @param {string} name of the source
 * @returns {{ node: Node, push: (text: string) => void, end: (isComplete: boolean) => Promise<void> }}
 */
export function streamedView(type, name) {
  if (type === "text/html") return streamedStage(name);
  if (type === "image/svg+xml") return streamedStage(name, FRAME);
  return streamedText(type, name);
}

function streamedText(type, name) {
  const text = h("pre", { class: "shape-text", tabindex: "0" });
  const node = h("div", {}, text);
  return {
    node,
    push: (piece) => text.append(piece),
    async end(isComplete) {
      const [kind, ext] = COMPLETE[type] ?? [];
      if (!isComplete || kind === undefined) return;
      const viewer = makeViewer(kind, { onLink() {} });
      await viewer.update({ name, ext, version: 1, text: text.textContent });
      node.replaceChildren(viewer.node);
    },
  };
}
