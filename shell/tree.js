/** A collapsible part of the tree. A level is drawn when it is opened. */

import { h } from "./dom.js";
import { lastOf, pathOf } from "./place.js";

/** Most entries of one level; the rest is on the page of the collection. */
const MAX_ENTRIES = 100;
/** Names of open parts, which stay open when the tree is drawn again. */
const opened = new Set();

/**
 * @param {string} name of the collection
 * @param {string} [about]
 * @param {Map<string, unknown>} worlds by name
 */
export function tree(name, about, worlds) {
  const below = [...worlds.keys()].filter((world) => world.startsWith(`${name}/`));
  const inside = h("div", { class: "inside" });
  const fold = h("button", { type: "button", class: "fold", on: { click: toggle } }, "›");
  const node = h(
    "div",
    { class: "tree" },
    h(
      "div",
      { class: "tree-row" },
      fold,
      h("a", { href: `${pathOf(name)}/` }, lastOf(name), h("i", {}, "/")),
      about ? h("small", {}, about) : null,
      h("span", { class: "count" }, String(below.length)),
    ),
    inside,
  );
  function toggle() {
    if (!opened.delete(name)) opened.add(name);
    draw();
  }
  function draw() {
    const open = opened.has(name);
    fold.setAttribute("aria-expanded", String(open));
    fold.setAttribute("aria-label", `Contents of ${name}`);
    inside.hidden = !open;
    if (open && inside.firstChild === null) inside.append(...level(name, below, worlds));
  }
  draw();
  return node;
}

function level(name, below, worlds) {
  const children = new Map();
  for (const world of below) {
    const [child, deeper] = world.slice(name.length + 1).split("/", 2);
    children.set(child, children.get(child) || deeper !== undefined);
  }
  const nodes = [];
  for (const [child, dir] of [...children].sort(([a], [b]) => a < b ? -1 : 1)) {
    if (nodes.length >= MAX_ENTRIES) {
      nodes.push(
        h(
          "a",
          { href: `${pathOf(name)}/`, class: "more" },
          `${children.size - MAX_ENTRIES} more …`,
        ),
      );
      break;
    }
    const path = `${name}/${child}`;
    if (worlds.has(path)) nodes.push(h("a", { href: pathOf(path), class: "leaf" }, child));
    if (dir) nodes.push(tree(path, "", worlds));
  }
  if (nodes.length === 0) nodes.push(h("span", { class: "hint" }, "empty"));
  return nodes;
}
