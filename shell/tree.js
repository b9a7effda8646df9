/**
 * The tree of all worlds. A level is requested when it is opened, so that the page costs the same on a
 * server with many worlds, and again when an event shows that it has changed.
 */

import { readRows, requestAnswer } from "./answers.js";
import { fill, h } from "./dom.js";
import { lastOf, pathOf } from "./place.js";

/** Most entries of one level; the rest is on the page of the collection. */
const MAX_ENTRIES = 50;
const RELOAD_DELAY_MS = 150;
/** Names of open collections, which stay open when the page is shown again. */
const opened = new Set(["home"]);

/**
 * Creates a collection of the tree.
 *
 * @param {string} name without slashes at its ends
 * @param {string} about
 * @param {AbortSignal} signal
 * @returns {{
 *   node: HTMLElement, ready: Promise<void>, changed: (world: string, isDeleted: boolean) => void,
 *   reload: () => void,
 * }} `changed` is to be called with each event, `reload` if events were missed
 */
export function branch(name, about, signal) {
  const inside = h("ul", { class: "inside", id: `tree-${name}` });
  const fold = h("button", {
    type: "button",
    class: "fold",
    "aria-label": `Contents of ${name}`,
    "aria-controls": inside.id,
    on: { click: toggle },
  }, "›");
  const node = h(
    "li",
    { class: "tree" },
    h(
      "div",
      { class: "tree-row" },
      fold,
      h("a", { href: `${pathOf(name)}/` }, lastOf(name), h("i", {}, "/")),
      about ? h("small", {}, about) : null,
    ),
    inside,
  );
  /** @type {Map<string, { isWorld: boolean, below?: ReturnType<typeof branch> }>} */
  let children = new Map();
  let isLoaded = false;
  let timer = 0;
  let turn = 0;

  function toggle() {
    if (!opened.delete(name)) opened.add(name);
    return draw();
  }

  async function draw() {
    const isOpen = opened.has(name);
    fold.setAttribute("aria-expanded", String(isOpen));
    inside.hidden = !isOpen;
    if (isOpen && !isLoaded) await load();
  }

  async function load() {
    const mine = ++turn;
    isLoaded = true;
    let fault = "";
    const rows = await requestAnswer(levelPath(name), readRows, { signal }).catch((error) => {
      if (error.status !== 404) fault = faultOf(error);
      return [];
    });
    if (mine !== turn || signal.aborted) return;
    if (fault !== "") isLoaded = false;
    const shown = rows.slice(0, MAX_ENTRIES);
    const known = children;
    children = new Map(shown.map((row) => {
      const below = row.dir
        ? known.get(row.name)?.below ?? branch(`${name}/${row.name}`, "", signal)
        : undefined;
      return [row.name, { isWorld: row.version !== undefined, below }];
    }));
    fill(
      inside,
      [...children].map(([child, { isWorld, below }]) => [
        isWorld ? leaf(`${name}/${child}`) : null,
        below?.node,
      ]),
      rows.length > MAX_ENTRIES
        ? h("li", {}, h("a", { href: `${pathOf(name)}/`, class: "more" }, "All entries …"))
        : null,
      rows.length === 0 ? h("li", { class: "hint" }, fault || "empty") : null,
    );
    await Promise.all([...children.values()].map(({ below }) => below?.ready));
  }

  function reload() {
    if (!isLoaded) return;
    if (!opened.has(name)) {
      // It is requested when it is opened again.
      isLoaded = false;
      return;
    }
    clearTimeout(timer);
    timer = setTimeout(load, RELOAD_DELAY_MS);
    for (const { below } of children.values()) below?.reload();
  }

  function changed(world, isDeleted) {
    if (!isLoaded || !world.startsWith(`${name}/`)) return;
    const rest = world.slice(name.length + 1);
    const [child] = rest.split("/", 1);
    const found = children.get(child);
    const isKnown = child === rest ? found?.isWorld : found?.below;
    if (isDeleted || !isKnown) {
      if (opened.has(name)) {
        clearTimeout(timer);
        timer = setTimeout(load, RELOAD_DELAY_MS);
      } else isLoaded = false;
    }
    found?.below?.changed(world, isDeleted);
  }

  return { node, ready: draw(), changed, reload };
}

/** The request of a level: one more than is shown, to know whether there are more. */
export function levelPath(name) {
  return `${pathOf(name)}/?limit=${MAX_ENTRIES + 1}`;
}

function leaf(name) {
  return h("li", {}, h("a", { href: pathOf(name), class: "leaf" }, lastOf(name)));
}

function faultOf({ status, message }) {
  return status === 401 || status === 403 ? "You cannot read it." : message;
}
