/** Shows what is typed in the editor as the page will show it, next to the text. */

import { kindOf, makeViewer } from "./connected.js";
import { h } from "./dom.js";

/** Kinds of content that look different from their text. */
const KINDS = new Set(["markdown", "stage", "table"]);
/** Delay after the last input. Longer texts take longer to draw. */
const DELAY_MS = 200;
const LONG_CHARS = 100_000;
const LONG_DELAY_MS = 1500;

/** Whether text of a type has a preview. */
export function hasPreview(ext) {
  return KINDS.has(kindOf({ ext, text: "" }));
}

/**
 * @param {string} name of the world, against which links are resolved
 * @param {() => { text: string, ext: string }} read what the editor has now
 */
export function livePreview(name, read) {
  const content = h("div", { class: "content" });
  const hint = h("p", { class: "hint", role: "status" });
  const node = h("section", { class: "preview", "aria-label": "Preview" }, content, hint);
  let viewer;
  let shown = "";
  let timer = 0;
  let isDrawing = false;
  let isAgain = false;

  async function draw() {
    clearTimeout(timer);
    if (isDrawing) {
      isAgain = true;
      return;
    }
    isDrawing = true;
    const { text, ext } = read();
    const kind = kindOf({ ext, text });
    try {
      if (viewer === undefined || kind !== shown) {
        viewer = makeViewer(kind, { onLink: (url) => say(`The content links to ${url}`) });
        shown = kind;
        content.className = `content ${kind}-content`;
        content.replaceChildren(viewer.node);
      }
      // Scripts that are half written can do anything, such as never end.
      const hasScript = kind === "stage" && /<script|\son\w+\s*=/i.test(text);
      say(hasScript ? "Scripts run after saving." : "");
      const size = new TextEncoder().encode(text).length;
      await viewer.update({ name, text, ext, version: 0, size, runsScripts: false });
    } catch (error) {
      say(`Cannot show a preview: ${error.message}`);
    } finally {
      isDrawing = false;
    }
    if (isAgain) {
      isAgain = false;
      update();
    }
  }
  function say(text) {
    if (hint.textContent !== text) hint.textContent = text;
  }
  function update() {
    clearTimeout(timer);
    timer = setTimeout(draw, read().text.length > LONG_CHARS ? LONG_DELAY_MS : DELAY_MS);
  }

  return { node, draw, update, stop: () => clearTimeout(timer) };
}
