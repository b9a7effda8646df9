/** The button New: a menu of what can be created, and whose editor opens then. */

import { openNew, preload } from "./manage.js";
import { menuButton } from "./menu.js";
import { needs } from "./permissions.js";
import { pathOf } from "./place.js";
import { WORLD_KINDS } from "./world_kinds.js";

/** What the menu has. */
const ITEMS = { ...WORLD_KINDS, other: { label: "Other", hint: "any name and type" } };

/**
 * The world whose editor opens when its page is shown.
 *
 * @type {{ name: string, caret: number } | undefined}
 */
let edited;

/** Where the editor of a world is to be opened, once after the world was created; otherwise undefined. */
export function takeEdit(name) {
  const caret = edited?.name === name ? edited.caret : undefined;
  edited = undefined;
  return caret;
}

addEventListener("shell:edit", ({ detail }) => edited = detail);

/**
 * A button with a menu: New page, note, table, or any other world.
 *
 * @param {string} prefix name of the collection without slashes at its ends, such as `home`
 * @param {Record<string, unknown>} [props] of the button
 */
export function newMenu(prefix, props = {}) {
  const items = Object.entries(ITEMS).map(([kind, { label, hint }]) => ({
    label,
    hint,
    run: () => openNew(kind, prefix),
  }));
  const open = () => {
    preload();
    return items;
  };
  const node = menuButton("New", open, { class: "new", ...props });
  return needs(node, pathOf(`${prefix}/new`), "PUT");
}
