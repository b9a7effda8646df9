/** Offers a deleted world on the page of its path. */

import { readTrash, requestAnswer } from "./answers.js";
import { knownCaller } from "./caller.js";
import { note, signInAction } from "./chrome.js";
import { button, h } from "./dom.js";
import { restoreAll } from "./manage.js";
import { restoreRefusal } from "./missing_right.js";
import { parentOf, pathOf } from "./place.js";
import { timeAgo } from "./times.js";

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
  const refusal = restoreRefusal(await knownCaller(), name);
  const onRestore = () =>
    refusal === undefined ? restoreAll([found]) : note(refusal, { action: signInAction() });
  return h(
    "p",
    { class: "trash-notice" },
    `Version ${found.version} is in the trash, deleted by ${found.by}`,
    found.deleted_at === undefined ? null : timeAgo(found.deleted_at),
    button("Restore", onRestore, { "aria-disabled": refusal && "true", title: refusal }),
    h("a", { class: "button", href: list }, "Trash"),
  );
}
