/** Asks once what happens to all names that exist already. */

import { openDialog } from "./dialog.js";
import { button, h } from "./dom.js";
import { count } from "./format.js";

/** Most names that the dialog lists. */
const SHOWN = 8;

/**
 * Asks.
 *
 * @param {readonly string[]} names that exist
 * @param {{ replaced: string, keepBoth?: boolean }} options `replaced`: what happens to them
 * @returns {Promise<"replace" | "both" | "skip">} `skip` also if the dialog is closed
 */
export function askConflicts(names, { replaced, keepBoth = true }) {
  return new Promise((resolve) => {
    const choose = (choice) => () => {
      resolve(choice);
      node.close();
    };
    const more = names.length - SHOWN;
    const node = openDialog(
      `${count(names.length, "name")} ${names.length === 1 ? "exists" : "exist"} already`,
      namesList(names),
      more > 0 ? h("p", { class: "hint" }, `and ${count(more, "more name")}`) : null,
      h("p", {}, replaced),
      h(
        "div",
        { class: "actions" },
        button("Skip", choose("skip")),
        keepBoth ? button("Keep both", choose("both")) : null,
        button("Replace", choose("replace"), { class: "danger" }),
      ),
    );
    node.addEventListener("close", () => resolve("skip"));
  });
}

/** A list of the first names. */
export function namesList(names) {
  return h("ul", { class: "names" }, names.slice(0, SHOWN).map((name) => h("li", {}, name)));
}
