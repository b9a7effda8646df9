/**
 * JSON as a tree: one document, or one value per line, as it is written. A branch is drawn when it is
 * opened, so that a large document opens fast. A text that does not parse is shown as text.
 */

import { codeView } from "./code_view.js";
import { button, h } from "./dom.js";
import { parseJsonLines, parseJsonText } from "./json_text.js";

/** Children drawn at a time. */
const STEP = 200;
/** Levels that are open at first, and most children of an open branch. */
const OPEN_LEVELS = 2;
const OPEN_CHILDREN = 50;

/** The viewer. */
export function jsonView() {
  const node = h("div", { class: "json" });
  function update(world) {
    try {
      const parse = /^(?:jsonl|ndjson)$/.test(world.ext) ? parseJsonLines : parseJsonText;
      const value = parse(world.text);
      node.replaceChildren(branch(undefined, value, 0));
    } catch (error) {
      const plain = codeView();
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
  const list = value.kind === "array";
  const children = list ? value.items : value.members;
  if (children === undefined) return h("div", { class: "leaf" }, label, scalar(value));
  const summary = list ? `[${children.length}]` : `{${children.length}}`;
  if (children.length === 0) return h("div", { class: "leaf" }, label, list ? "[]" : "{}");
  const inside = h("div", { class: "branch" });
  const open = level < OPEN_LEVELS && (level === 0 || children.length <= OPEN_CHILDREN);
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
    inside.append(
      ...children.slice(from, from + STEP).map((child, at) =>
        list
          ? branch(String(from + at), child, level + 1)
          : branch(child.name, child.value, level + 1)
      ),
    );
    const left = children.length - from - STEP;
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

function scalar({ kind, text }) {
  return h("span", { class: `value ${kind}` }, text);
}
