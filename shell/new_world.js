/** The button New: a menu of what can be created, and whose editor opens then. */

import { openNew, preload } from "./manage.js";
import { menuButton } from "./menu.js";
import { needs } from "./permissions.js";
import { pathOf } from "./place.js";
import { WORLD_KINDS } from "./world_kinds.js";

/** What the menu has. */
const ITEMS = { ...WORLD_KINDS, other: { label: "Other", hint: "any name and type" } };

/** The name of the world whose editor opens when its page is shown. */
let edited;

/** Whether the editor of a world is to be opened; true once after the world was created. */
export function takeEdit(name) {
  const isEdited = edited === name;
  edited = undefined;
  return isEdited;
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
