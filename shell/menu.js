/**
 * A button with a menu of actions (ARIA menu button). The menu is a popover: the browser closes it on
 * Escape and on a click outside, and gives the focus back to the button.
 */

import { button, h } from "./dom.js";

/** Space between the menu and the edges of the window, in pixels. */
const MARGIN = 8;

/**
 * An action of a menu.
 *
 * @typedef {object} Item
 * @property {string} label
 * @property {string} [hint]
 * @property {() => void} run
 * @property {string} [disabled] why the action is not available
 * @property {boolean} [danger]
 */

/**
 * Makes the button.
 *
 * @param {unknown} label
 * @param {() => Item[] | Promise<Item[]>} items called each time the menu opens
 * @param {Record<string, unknown>} [props] of the button
 */
export function menuButton(label, items, props = {}) {
  const node = button(label, async () => openMenu(node, await items()), {
    "aria-haspopup": "menu",
    "aria-expanded": "false",
    ...props,
  });
  return node;
}

/** Opens a menu at a button, with the focus on its first action. */
function openMenu(opener, items) {
  if (opener.getAttribute("aria-expanded") === "true") return;
  const menu = h(
    "div",
    { class: "menu", role: "menu", popover: "auto", "aria-label": labelOf(opener) },
    items.map((item) => entry(item, () => menu.hidePopover())),
  );
  menu.addEventListener("keydown", moveFocus);
  const closing = new AbortController();
  // The menu does not follow its button.
  for (const event of ["resize", "scroll"]) {
    addEventListener(event, () => menu.hidePopover(), { signal: closing.signal });
  }
  menu.addEventListener("toggle", ({ newState }) => {
    if (newState !== "closed") return;
    closing.abort();
    opener.setAttribute("aria-expanded", "false");
    menu.remove();
  });
  // Not next to the button, which a change of a list can remove.
  (opener.closest("main, header, dialog") ?? document.body).append(menu);
  menu.showPopover();
  opener.setAttribute("aria-expanded", "true");
  const at = opener.getBoundingClientRect();
  const below = at.bottom + MARGIN / 2;
  const isAbove = below + menu.offsetHeight > innerHeight - MARGIN && at.top > menu.offsetHeight;
  menu.style.top = `${isAbove ? at.top - menu.offsetHeight - MARGIN / 2 : below}px`;
  const rightmost = innerWidth - menu.offsetWidth - MARGIN;
  const isLeft = at.left <= rightmost;
  menu.style.left = `${Math.max(MARGIN, isLeft ? at.left : at.right - menu.offsetWidth)}px`;
  (menu.querySelector("button:not([aria-disabled])") ?? menu.firstElementChild)?.focus();
}

function labelOf(opener) {
  return opener.getAttribute("aria-label") ?? opener.textContent;
}

function entry({ label, hint, run, disabled, danger }, close) {
  const act = () => {
    if (disabled) return;
    close();
    run();
  };
  return button(
    [h("span", {}, label), disabled || hint ? h("small", {}, disabled ?? hint) : null],
    act,
    {
      role: "menuitem",
      tabindex: "-1",
      class: danger ? "danger" : "",
      "aria-disabled": disabled ? "true" : null,
    },
  );
}

/** Arrow keys, Home, End, and the first letter of an action. */
function moveFocus(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const entries = [...event.currentTarget.children];
  const at = entries.indexOf(document.activeElement);
  const { key } = event;
  const next = key === "ArrowDown"
    ? at + 1
    : key === "ArrowUp"
    ? at - 1
    : key === "Home"
    ? 0
    : key === "End"
    ? -1
    : findLetter(entries, at, key);
  if (key === "Tab") return event.currentTarget.hidePopover();
  if (next === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  entries.at(next % entries.length).focus();
}

function findLetter(entries, at, key) {
  if (key.length !== 1 || key === " ") return undefined;
  const isMatch = (node) => node.textContent.toLowerCase().startsWith(key.toLowerCase());
  const order = [...entries.keys()].map((_, step) => (at + 1 + step) % entries.length);
  return order.find((index) => isMatch(entries[index]));
}
