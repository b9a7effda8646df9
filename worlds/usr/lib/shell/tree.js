/**
 * A part of the tree to fold open, drawn from the names alone and only as deep as it is opened.
 */

import { h } from "./dom.js?raw";
import { lastOf, pathOf } from "./place.js?raw";

/** Entries of one level drawn before the collection's own page is the better place. */
const MOST = 100;
/** What is open stays open when the tree is drawn anew. */
const opened = new Set();

/**
 * @param {string} name of the collection
 * @param {string} [about]
 * @param {Map<string, unknown>} worlds by name
 */
export function tree(name, about, worlds) {
  const below = [...worlds.keys()].filter((world) => world.startsWith(`${name}/`));
  const inside = h("div", { class: "inside" });
  const fold = h("button", { type: "button", class: "fold", on: { click: turn } }, "›");
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
  function turn() {
    if (!opened.delete(name)) opened.add(name);
    draw();
  }
  function draw() {
    const open = opened.has(name);
    fold.setAttribute("aria-expanded", String(open));
    fold.setAttribute("aria-label", `What is in ${name}`);
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
    if (nodes.length >= MOST) {
      nodes.push(
        h("a", { href: `${pathOf(name)}/`, class: "more" }, `${children.size - MOST} more …`),
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
