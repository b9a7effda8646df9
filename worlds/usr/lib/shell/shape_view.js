/**
 * Shows a shape while it is being written, and once it is whole as what it is: pages and pictures in a
 * cage where nothing runs, tables as tables, JSON as a tree, everything else as text.
 */

import { h } from "./dom.js?raw";
import { growingStage } from "./growing_stage.js?raw";
import { makeViewer } from "./viewers.js?raw";

/** What one can ask for, by media type. */
export const FORMS = {
  "text/plain": "text",
  "text/markdown": "Markdown",
  "text/html": "page",
  "application/json": "JSON",
  "text/csv": "table",
  "image/svg+xml": "picture",
  "application/xml": "XML",
};
/** Fits a picture to the window. */
const FRAME =
  "<!doctype html><style>body{margin:0}svg{display:block;width:100%;height:100vh}</style>";
/** The viewer of a form that is whole, and the extension it goes by. */
const WHOLE = {
  "text/markdown": ["markdown", "md"],
  "application/json": ["json", "json"],
  "text/csv": ["table", "csv"],
};

/**
 * Makes the view of one shape.
 *
 * @param {string} type media type
 * @param {string} name of the source
 * @returns {{ node: Node, push: (text: string) => void, end: (whole: boolean) => Promise<void> }}
 */
export function growing(type, name) {
  if (type === "text/html") return growingStage(name);
  if (type === "image/svg+xml") return growingStage(name, FRAME);
  return growingText(type, name);
}

function growingText(type, name) {
  const text = h("pre", { class: "shape-text", tabindex: "0" });
  const node = h("div", {}, text);
  return {
    node,
    push: (piece) => text.append(piece),
    async end(whole) {
      const [kind, ext] = WHOLE[type] ?? [];
      if (!whole || kind === undefined) return;
      const viewer = await makeViewer(kind, { onLink() {} });
      await viewer.update({ name, ext, version: 1, text: text.textContent });
      node.replaceChildren(viewer.node);
    },
  };
}
