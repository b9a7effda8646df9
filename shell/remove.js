/** Deletes several worlds and collections, after one confirmation. They move to the trash. */

import { confirmDialog, noteError, requestDeleted } from "./connected.js";
import { shownName } from "./place.js";
import { countTargets, runAll, showFailures, targetsOf } from "./targets.js";
import { noteDeleted, trashedOf } from "./undo_delete.js";

/**
 * Asks, and deletes.
 *
 * @param {readonly import("./targets.js").Entry[]} entries
 * @returns {Promise<boolean>} whether something was deleted
 */
export async function removeEntries(entries) {
  const targets = targetsOf(entries);
  const isDeep = targets.some(({ slash }) => slash === "/");
  const one = targets.length === 1
    ? `/${shownName(targets[0].name)}${targets[0].slash}`
    : undefined;
  const text = `${one ?? countTargets(targets)} ${one ? "moves" : "move"} to the trash, with ${
    isDeep ? "everything below and with the history" : "the history"
  }.`;
  if (!await confirmDialog("Delete?", text, "Delete")) return false;
  const deleted = [];
  try {
    const { conflicts, failures } = await runAll("Deleting", targets, async (target) => {
      const headers = target.version === undefined ? {} : { "if-match": `"${target.version}"` };
      const answer = await requestDeleted(target.path, { method: "DELETE", headers });
      deleted.push(...trashedOf(answer));
    });
    const changed = new Error("It was changed since this page showed it");
    showFailures("Not deleted", [
      ...failures,
      ...conflicts.map(({ name }) => ({ name: `/${name}`, error: changed })),
    ]);
  } catch (error) {
    noteError(error);
  }
  noteDeleted(deleted);
  return deleted.length > 0;
}
