/**
 * Text and source. The whole text is one text node, so that it cannot become markup and can be selected
 * as a whole. The part that changed with a new version is highlighted for a moment. Of a long text the
 * first part is shown until the user asks for the rest.
 */

import { button, h } from "./dom.js";
import { size } from "./format.js";
import { paint } from "./highlight.js";

/** Extensions of prose: no line numbers, and long lines wrap. */
const PROSE = new Set(["txt", "log", "md", "markdown", "org", "tex", "srt", "vtt", "rst"]);

/** Longest text that is shown at once, in characters. */
const PART = 500_000;

/** Characters that reorder what is shown of a line, or have no width. */
const DECEPTIVE = /[\u200b\u202a-\u202e\u2060-\u2069]/u;

/** The viewer. */
export function codeView() {
  const gutter = h("pre", { class: "gutter", "aria-hidden": "true" });
  const text = h("pre", { class: "text", tabindex: "0" });
  const code = h("div", { class: "code" }, gutter, text);
  const rest = h("p", { class: "rest", hidden: true });
  const warning = h("p", { class: "fault", hidden: true });
  const node = h("div", {}, warning, code, rest);
  let before;
  let isWhole = false;
  let latest;

  function showAll() {
    isWhole = true;
    update(latest);
  }

  function update(world) {
    latest = world;
    const whole = world.text ?? "";
    const after = isWhole ? whole : firstLines(whole, PART);
    rest.hidden = after.length === whole.length;
    if (!rest.hidden) {
      rest.replaceChildren(
        `The first ${size(after.length)} of ${size(whole.length)} are shown. `,
        button("Show all", showAll),
      );
    }
    const prose = PROSE.has(world.ext);
    code.classList.toggle("prose", prose);
    gutter.hidden = prose;
    warning.textContent = prose ? "" : deceptionOf(whole) ?? "";
    warning.hidden = warning.textContent === "";
    if (!prose) {
      const lines = after.split("\n").length - (after.endsWith("\n") ? 1 : 0);
      gutter.textContent = Array.from({ length: Math.max(1, lines) }, (_, at) => at + 1).join("\n");
    }
    text.textContent = after;
    if (text.firstChild !== null) paint(text.firstChild, world.ext);
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

  /** Scrolls to a line and marks it. */
  function showLine(line) {
    let range = rangeOfLine(text, line);
    if (range === undefined && !rest.hidden) {
      showAll();
      range = rangeOfLine(text, line);
    }
    if (range === undefined) return;
    if ("highlights" in CSS) CSS.highlights.set("at-line", new Highlight(range));
    const { top } = range.getBoundingClientRect();
    scrollBy({ top: top - innerHeight / 3 });
    text.focus({ preventScroll: true });
  }

  return { node, update, showLine };
}

/** A warning if source can look different from what it does; undefined if it cannot. */
export function deceptionOf(text) {
  const at = text.search(DECEPTIVE);
  if (at < 0) return undefined;
  const code = text.charCodeAt(at).toString(16).toUpperCase();
  const line = text.slice(0, at).split("\n").length;
  return `This source can look different from what it does: U+${code} in line ${line} is invisible, or reorders the line.`;
}

/** The range of a line in the text of a node; undefined if there are fewer lines. */
function rangeOfLine(node, line) {
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  let at = 1;
  let isStarted = false;
  for (let part = walker.nextNode(); part !== null; part = walker.nextNode()) {
    let from = 0;
    for (;;) {
      if (at === line && !isStarted) {
        range.setStart(part, from);
        isStarted = true;
      }
      const end = part.data.indexOf("\n", from);
      if (end < 0) break;
      if (at === line) {
        range.setEnd(part, end);
        return range;
      }
      at += 1;
      from = end + 1;
    }
    if (isStarted) range.setEnd(part, part.data.length);
  }
  return isStarted ? range : undefined;
}

/**
 * The beginning of a text, with whole lines if possible.
 *
 * @param {string} text
 * @param {number} most characters
 */
export function firstLines(text, most) {
  if (text.length <= most) return text;
  const end = text.lastIndexOf("\n", most) + 1;
  return text.slice(0, end > most / 2 ? end : most);
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
