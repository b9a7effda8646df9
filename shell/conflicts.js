/** Asks once what happens to all names that exist already. */

import { openDialog } from "./connected.js";
import { h } from "./dom.js";
import { count } from "./format.js";

/** Most names that a dialog lists. */
const SHOWN = 8;

/**
 * Asks.
 *
 * @param {readonly string[]} names that exist
 * @param {{ replaced: string, keepBoth?: boolean, skip?: string }} options `replaced`: what Replace does
 * @returns {Promise<"replace" | "both" | "skip">}
 */
export async function askConflicts(names, { replaced, keepBoth = true, skip = "Skip" }) {
  const answer = await openDialog({
    title: `${count(names.length, "name")} ${names.length === 1 ? "exists" : "exist"} already`,
    text: [namesList(names), h("p", {}, replaced)],
    confirm: "Replace",
    cancel: skip,
    danger: true,
    actions: keepBoth ? { both: { label: "Keep both" } } : {},
  });
  if (answer === null) return "skip";
  return answer.action === "both" ? "both" : "replace";
}

/** A list of the first names. */
export function namesList(names) {
  const more = names.length - SHOWN;
  return h(
    "ul",
    { class: "names" },
    names.slice(0, SHOWN).map((name) => h("li", {}, name)),
    more > 0 ? h("li", {}, `and ${count(more, "more name")}`) : null,
  );
}
