/** The dialog that lists all keys. */

import { showDialog } from "./connected.js";
import { h } from "./dom.js";

/** @type {[where: string, keys: [keys: string[], what: string][]][]} */
const KEYS = [
  ["Everywhere", [
    [["/"], "search names and text; Ctrl K does the same"],
    [["?"], "show these keys"],
    [["Esc"], "close the dialog or the menu"],
  ]],
  ["A world", [
    [["e"], "edit"],
    [["f"], "show the content in the whole window; again or Esc leaves it"],
  ]],
  ["The editor", [
    [["Ctrl S"], "save"],
    [["Tab", "Shift Tab"], "indent, and less"],
    [["Esc", "Tab"], "one after the other: go to the next control"],
  ]],
  ["A list", [
    [["↓", "↑"], "next and previous entry; j and k do the same"],
    [["Home", "End"], "first and last entry"],
    [["Enter"], "open"],
    [["x"], "select"],
    [["Shift ↓", "Shift ↑"], "select several"],
    [["Ctrl A"], "select all"],
    [["F2"], "rename or move"],
    [["Delete"], "delete"],
    [["Esc"], "select nothing"],
  ]],
];

/** Opens the list. On a Mac, Command can be used in place of Ctrl. */
export function openHelp() {
  if (document.querySelector("dialog[open]") !== null) return;
  const isMac = /mac/i.test(navigator.userAgentData?.platform ?? navigator.platform);
  const node = showDialog(
    "Keys",
    KEYS.map(([where, keys]) => [
      h("h3", {}, where),
      h(
        "dl",
        { class: "keys" },
        keys.map(([names, what]) => [
          h("dt", {}, names.map((name) => h("kbd", {}, isMac ? name.replace("Ctrl", "⌘") : name))),
          h("dd", {}, what),
        ]),
      ),
    ]),
  );
  node.classList.add("help");
}
