/**
 * Text and source. The whole text is one text node, so that it cannot become markup and can be selected
 * as a whole. The part that changed with a new version is highlighted for a moment.
 */

import { h } from "./dom.js";
import { paint } from "./highlight.js";

/** Extensions of prose: no line numbers, and long lines wrap. */
const PROSE = new Set(["txt", "log", "md", "markdown", "org", "tex", "srt", "vtt", "rst"]);

/** The viewer. */
export function codeView() {
  const gutter = h("pre", { class: "gutter", "aria-hidden": "true" });
  const text = h("pre", { class: "text", tabindex: "0" });
  const node = h("div", { class: "code" }, gutter, text);
  let before;

  function update(world) {
    const after = world.text ?? "";
    const prose = PROSE.has(world.ext);
    node.classList.toggle("prose", prose);
    gutter.hidden = prose;
    if (!prose) {
      const lines = after.split("\n").length - (after.endsWith("\n") ? 1 : 0);
      gutter.textContent = Array.from({ length: Math.max(1, lines) }, (_, at) => at + 1).join("\n");
    }
    text.textContent = after;
    if (text.firstChild !== null) paint(text.firstChild, after, world.ext);
    if (before !== undefined && before !== after) mark(changedSpan(before, after));
    before = after;
  }

  /** Highlights a span of the text for a moment. */
  function mark({ start, end }) {
    const range = document.createRange();
    const content = text.firstChild;
    if (content === null) return;
    range.setStart(content, start);
    range.setEnd(content, Math.max(end, start));
    const span = range.getBoundingClientRect();
    const box = text.getBoundingClientRect();
    if (span.height === 0) return;
    const light = h("span", { class: "light", "aria-hidden": "true" });
    light.style.top = `${span.top - box.top + text.scrollTop}px`;
    light.style.height = `${span.height}px`;
    text.append(light);
    light.addEventListener("animationend", () => light.remove());
  }

  return { node, update };
}

/**
 * The span of the new text between the common beginning and the common end of both texts.
 *
 * @param {string} before
 * @param {string} after
 */
export function changedSpan(before, after) {
  const most = Math.min(before.length, after.length);
  let start = 0;
  while (start < most && before[start] === after[start]) start++;
  let same = 0;
  while (
    same < most - start && before[before.length - 1 - same] === after[after.length - 1 - same]
  ) same++;
  return { start, end: after.length - same };
}
