/** Offers a deleted world on the page of its path. */

import { readTrash, requestAnswer } from "./answers.js";
import { button, h } from "./dom.js";
import { ago } from "./format.js";
import { restoreAll } from "./manage.js";
import { parentOf, pathOf } from "./place.js";

/**
 * @param {string} name
 * @param {AbortSignal} signal
 * @returns {Promise<HTMLElement | undefined>} undefined if the trash does not have the world among the
 * last ones that were deleted next to it
 */
export async function trashNotice(name, signal) {
  const list = `/proc/trash${pathOf(parentOf(name))}/`;
  const entries = await requestAnswer(list, readTrash, { signal }).catch(() => []);
  const found = entries.find((entry) => entry.name === name);
  if (found === undefined) return undefined;
  const when = ago(found.deleted_at ?? "");
  return h(
    "p",
    { class: "trash-notice" },
    `Version ${found.version} is in the trash, deleted by ${found.by}`,
    h("time", { datetime: found.deleted_at, title: found.deleted_at }, when),
    button("Restore", () => restoreAll([found])),
    h("a", { class: "button", href: list }, "Trash"),
  );
}
