/** The newest changes of the whole server, from `/proc/log/`, as a list. */

import { readChanges, requestAnswer } from "./answers.js";
import { changeRow } from "./change_row.js";
import { mergeChanges } from "./change_text.js";
import { fill, h } from "./dom.js";

const MAX_ROWS = 12;
/** More than the rows, because changes of one world are merged. */
export const RECENT_PATH = "/proc/log/?limit=24";

/** @param {AbortSignal} signal */
export function recentChanges(signal) {
  const node = h("ul", { class: "recent" });
  /** Cursors of the changes that are shown. */
  let shown;
  let turn = 0;

  /**
   * Requests the changes and draws them, if no later call has begun. Resolves with the newest cursor, or
   * `""`.
   */
  async function update() {
    const mine = ++turn;
    const changes = await requestAnswer(RECENT_PATH, readChanges, { signal });
    if (signal.aborted) return "";
    if (mine !== turn) return changes[0]?.cursor ?? "";
    const isNew = ({ cursor }) => shown !== undefined && !shown.has(cursor);
    fill(node, mergeChanges(changes, MAX_ROWS).map((change) => changeRow(change, isNew(change))));
    if (changes.length === 0) {
      node.append(
        h(
          "li",
          { class: "empty-line" },
          "No changes yet. What is written below /home appears here.",
        ),
      );
    }
    shown = new Set(changes.map(({ cursor }) => cursor));
    return changes[0]?.cursor ?? "";
  }

  return { node, update };
}
