/**
 * JSON as a tree: one document, or one value per line. A branch is drawn when it is opened, so that a
 * large document opens fast. A text that does not parse is shown as text.
 */

import { button, h, style } from "./dom.js?raw";

/** Children drawn at a time. */
const STEP = 200;
/** Levels that are open at first, and most children of an open branch. */
const OPEN_LEVELS = 2;
const OPEN_CHILDREN = 50;

/** The viewer. */
export function jsonView() {
  const node = h("div", { class: "json" });
  async function update(world) {
    try {
      const value = /^(?:jsonl|ndjson)$/.test(world.ext)
        ? world.text.split("\n").filter((line) => line.trim() !== "").map((line) =>
          JSON.parse(line)
        )
        : JSON.parse(world.text);
      node.replaceChildren(branch(undefined, value, 0));
    } catch (error) {
      await style("code");
      const plain = (await import("./code_view.js?raw")).codeView();
      plain.update(world);
      node.replaceChildren(
        h("p", { class: "fault" }, `This is not JSON: ${error.message}`),
        plain.node,
      );
    }
  }
  return { node, update };
}

function branch(key, value, level) {
  const label = key === undefined ? null : h("span", { class: "key" }, `${key}: `);
  if (value === null || typeof value !== "object") {
    return h("div", { class: "leaf" }, label, scalar(value));
  }
  const list = Array.isArray(value);
  const keys = list ? value : Object.keys(value);
  const summary = list ? `[${keys.length}]` : `{${keys.length}}`;
  if (keys.length === 0) return h("div", { class: "leaf" }, label, list ? "[]" : "{}");
  const inside = h("div", { class: "branch" });
  const open = level < OPEN_LEVELS && (level === 0 || keys.length <= OPEN_CHILDREN);
  const details = h(
    "details",
    { open },
    h("summary", {}, label, h("span", { class: "count" }, summary)),
    inside,
  );
  function fill() {
    if (!details.open || inside.firstChild !== null) return;
    more(0);
  }
  function more(from) {
    const names = list ? undefined : keys.slice(from, from + STEP);
    const parts = list
      ? value.slice(from, from + STEP).map((child, at) =>
        branch(String(from + at), child, level + 1)
      )
      : names.map((name) => branch(name, value[name], level + 1));
    inside.append(...parts);
    const left = keys.length - from - STEP;
    if (left <= 0) return;
    const next = button(`${left} more`, () => {
      next.remove();
      more(from + STEP);
    }, { class: "quiet" });
    inside.append(next);
  }
  details.addEventListener("toggle", fill);
  fill();
  return details;
}

function scalar(value) {
  const kind = value === null ? "null" : typeof value;
  return h("span", { class: `value ${kind}` }, JSON.stringify(value));
}
