/**
 * The search dialog. It opens at once, so that no key is lost; what it finds is loaded when it is first
 * needed (`lazy/find.js`).
 */

import { knownCaller } from "./caller.js";
import { showDialog } from "./dialog.js";
import { button, h } from "./dom.js";
import { loadFind, openHelp } from "./find.js";
import { noteRetry } from "./lazy_group.js";

/**
 * Opens the search.
 *
 * @param {string} [typed] what was typed before it opened
 */
export function openFinder(typed = "") {
  if (document.querySelector("dialog[open]") !== null) return;
  const list = h("div", { id: "found", role: "listbox", "aria-label": "Found" });
  const status = h("p", { class: "hint", role: "status" });
  const input = h("input", {
    type: "search",
    value: typed,
    maxlength: 1000,
    placeholder: "Search names and text, or type a path",
    role: "combobox",
    "aria-label": "Search",
    "aria-controls": "found",
    "aria-expanded": "true",
    "aria-autocomplete": "list",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    autofocus: true,
  });
  const keys = button("All keys", () => {
    node.close();
    openHelp();
  }, { class: "quiet" });
  const node = showDialog(
    "Search",
    input,
    status,
    list,
    h(
      "div",
      { class: "finder-end" },
      h("p", { class: "hint" }, "↑ ↓ to choose, Enter to open"),
      keys,
    ),
  );
  node.classList.add("finder");
  // A search field uses the first Escape to become empty.
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.isComposing) return;
    event.preventDefault();
    node.close();
  });
  // Enter before the code is loaded must not be lost.
  let isEntered = false;
  const onEarlyKey = (event) => isEntered ||= event.key === "Enter";
  input.addEventListener("keydown", onEarlyKey);
  Promise.all([loadFind(), knownCaller()]).then(([{ attachFinder }, caller]) => {
    input.removeEventListener("keydown", onEarlyKey);
    attachFinder({ node, input, list, status }, caller);
    if (isEntered) input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter" }));
  }).catch((error) => {
    node.close();
    noteRetry(error, () => openFinder(input.value));
  });
}
