/**
 * JSON as a tree: one document, or one value per line, as it is written. A branch is drawn when it is
 * opened, so that a large document opens fast. A text that does not parse is shown as text.
 */

import { codeView } from "./code_view.js";
import { button, h } from "./dom.js";
import { grouped } from "./format.js";
import { childrenOf, searchJson } from "./json_search.js";
import { parseJsonLines, parseJsonText } from "./json_text.js";

/** Children drawn at a time. */
const STEP = 200;
/** Levels that are open at first, and most children of an open branch. */
const OPEN_LEVELS = 2;
const OPEN_CHILDREN = 50;
/** Most branches that "Expand all" opens at a time, and most matches of a search. */
const MAX_EXPANDED = 500;
const MAX_MATCHES = 1000;
/** Delay after a key of the search, in milliseconds. */
const SEARCH_MS = 150;

/** The viewer. */
export function jsonView() {
  const find = h("input", {
    type: "search",
    "aria-label": "Find in the JSON",
    placeholder: "Find",
    on: {
      input: () => {
        clearTimeout(timer);
        timer = setTimeout(search, SEARCH_MS);
      },
      keydown: (event) => {
        if (event.key !== "Enter") return;
        event.preventDefault();
        clearTimeout(timer);
        if (find.value !== query) search();
        else step(event.shiftKey ? -1 : 1);
      },
    },
  });
  const facts = h("span", { class: "hint", role: "status" });
  const previous = button("↑", () => step(-1), { "aria-label": "Previous match", disabled: true });
  const next = button("↓", () => step(1), { "aria-label": "Next match", disabled: true });
  const tree = h("div", { class: "json" });
  const bar = h(
    "div",
    { class: "view-bar" },
    find,
    previous,
    next,
    facts,
    button("Expand all", expandAll),
    button("Collapse all", collapseAll),
  );
  const node = h("div", {}, bar, tree);
  let timer = 0;
  let query = "";
  let value;
  let root;
  let matches = [];
  let at = -1;

  function update(world) {
    try {
      const parse = /^(?:jsonl|ndjson)$/.test(world.ext) ? parseJsonLines : parseJsonText;
      value = parse(world.text);
      root = new Branch(undefined, value, 0);
      tree.replaceChildren(root.node);
      node.replaceChildren(bar, tree);
      query = "";
      if (find.value !== "") search();
    } catch (error) {
      const plain = codeView();
      plain.update(world);
      node.replaceChildren(
        h("p", { class: "fault rest" }, `This is not JSON: ${error.message}`),
        plain.node,
      );
    }
  }

  function search() {
    query = find.value;
    matches = searchJson(value, query, MAX_MATCHES);
    at = -1;
    previous.disabled = next.disabled = matches.length === 0;
    if (matches.length > 0) return step(1);
    tree.querySelector(".match")?.classList.remove("match");
    facts.textContent = query === "" ? "" : "not found";
  }

  /** Shows the next match, or the one before. */
  function step(by) {
    if (matches.length === 0) return;
    at = (at + by + matches.length) % matches.length;
    tree.querySelector(".match")?.classList.remove("match");
    const line = root.show(matches[at]);
    line.classList.add("match");
    line.scrollIntoView({ block: "center" });
    const all = matches.length === MAX_MATCHES ? `${MAX_MATCHES} or more` : matches.length;
    facts.textContent = `${at + 1} of ${all}`;
  }

  function expandAll() {
    let left = MAX_EXPANDED;
    const waiting = [root];
    // Level by level, so that a limit leaves out the deepest levels.
    for (let index = 0; index < waiting.length && left > 0; index++, left--) {
      waiting[index].open();
      waiting.push(...waiting[index].branches());
    }
    facts.textContent = left > 0
      ? ""
      : `The first ${MAX_EXPANDED} branches are open; open the others one by one`;
  }

  function collapseAll() {
    facts.textContent = "";
    for (const details of tree.querySelectorAll("details[open]")) details.open = false;
    root.open();
  }

  return { node, update };
}

/** A value with its children. */
class Branch {
  #children;
  #drawn = [];
  /** Children behind the drawn ones that a search showed, by position. */
  #found = new Map();
  #inside;
  #more;

  constructor(key, value, level) {
    this.level = level;
    this.value = value;
    this.#children = childrenOf(value);
    const label = key === undefined ? null : h("span", { class: "key" }, `${key}: `);
    const isList = value.kind === "array";
    if (value.text !== undefined || this.#children.length === 0) {
      const text = value.text ?? (isList ? "[]" : "{}");
      const kind = value.text === undefined ? "" : value.kind;
      this.node = h("div", { class: "member" }, label, h("span", { class: `value ${kind}` }, text));
      return;
    }
    const { length } = this.#children;
    this.#inside = h("div", { class: "branch" });
    this.node = h(
      "details",
      {
        open: level < OPEN_LEVELS && (level === 0 || length <= OPEN_CHILDREN),
        on: { toggle: () => this.#fill() },
      },
      h(
        "summary",
        {},
        label,
        h("span", { class: "count" }, isList ? `[${length}]` : `{${length}}`),
      ),
      this.#inside,
    );
    this.#fill();
  }

  #fill() {
    if (this.node.open && this.#drawn.length === 0) this.#drawTo(STEP);
  }

  /** Draws the children up to a position. */
  #drawTo(end) {
    const from = this.#drawn.length;
    const length = Math.min(end, this.#children.length) - from;
    const added = Array.from({ length }, (_, index) => this.#child(from + index));
    this.#drawn.push(...added);
    this.#more?.remove();
    const found = [...this.#found].sort(([a], [b]) => a - b);
    this.#found = new Map(found.filter(([index]) => index >= this.#drawn.length));
    this.#inside.append(...added.map(({ node }) => node));
    const left = this.#children.length - this.#drawn.length;
    if (left <= 0) return;
    this.#more = button(`${grouped(left)} more`, () => {
      this.#drawTo(this.#drawn.length + STEP);
    }, { class: "quiet" });
    this.#inside.append(this.#more, ...[...this.#found.values()].map(({ node }) => node));
  }

  #child(index) {
    const child = this.#children[index];
    return this.#found.get(index) ??
      (this.value.kind === "array"
        ? new Branch(String(index), child, this.level + 1)
        : new Branch(child.name, child.value, this.level + 1));
  }

  /** Opens the branch. A value without children has none. */
  open() {
    if (this.#inside === undefined) return;
    this.node.open = true;
    this.#fill();
  }

  /** The children that are drawn and have children. */
  branches() {
    return this.#drawn.filter((child) => child.#inside !== undefined);
  }

  /** Opens the branches above a descendant and returns its node. */
  show([first, ...rest]) {
    if (first === undefined) return this.#inside === undefined ? this.node : this.node.firstChild;
    this.open();
    const drawn = this.#drawn.length;
    if (first >= drawn && first < drawn + STEP) this.#drawTo(drawn + STEP);
    else if (first >= drawn && !this.#found.has(first)) {
      this.#found.set(first, this.#child(first));
      this.#drawTo(drawn);
    }
    return (this.#drawn[first] ?? this.#found.get(first)).show(rest);
  }
}
