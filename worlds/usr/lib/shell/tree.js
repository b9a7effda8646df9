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
  const details = h(
    "details",
    { class: "tree", open: opened.has(name) },
    h(
      "summary",
      {},
      h("a", { href: `${pathOf(name)}/` }, lastOf(name), h("i", {}, "/")),
      about ? h("small", {}, about) : null,
      h("span", { class: "count" }, String(below.length)),
    ),
    inside,
  );
  function fill() {
    if (details.open) opened.add(name);
    else opened.delete(name);
    if (details.open && inside.firstChild === null) inside.append(...level(name, below, worlds));
  }
  details.addEventListener("toggle", fill);
  fill();
  return details;
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
