/**
 * Text and source. The whole text is one node, so nothing in it can be anything but text and a
 * reader can select it all; what changed with a new version lights up for a moment.
 */

import { h } from "./dom.js?raw";
import { paint } from "./highlight.js?raw";

/** Extensions that are read as prose: no line numbers, and long lines wrap. */
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

  /** Lays a fading light over a span of the text. */
  function mark({ start, end }) {
    const range = document.createRange();
    const letters = text.firstChild;
    if (letters === null) return;
    range.setStart(letters, start);
    range.setEnd(letters, Math.max(end, start));
    const span = range.getBoundingClientRect();
    const home = text.getBoundingClientRect();
    if (span.height === 0) return;
    const light = h("span", { class: "light", "aria-hidden": "true" });
    light.style.top = `${span.top - home.top + text.scrollTop}px`;
    light.style.height = `${span.height}px`;
    text.append(light);
    light.addEventListener("animationend", () => light.remove());
  }

  return { node, update };
}

/**
 * The span of the new text that is not in the old one: what lies between their common beginning and
 * their common end.
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
