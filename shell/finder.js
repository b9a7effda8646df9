/** Search by name over all worlds and collections that this tab can read. */

import { readRows, requestAnswer } from "./answers.js";
import { noteError } from "./chrome.js";
import { showDialog } from "./dialog.js";
import { h } from "./dom.js";
import { pathOf } from "./place.js";
import { rank } from "./rank.js";

/**
 * Opens the search.
 *
 * @param {string} [typed] what was typed before it opened
 */
export function openFinder(typed = "") {
  if (document.querySelector("dialog[open]") !== null) return;
  const list = h("ul", { id: "found", role: "listbox", "aria-label": "Found" });
  const input = h("input", {
    type: "search",
    value: typed,
    placeholder: "Search names, or type a path",
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
  let names = [];
  let found = [];
  let at = 0;

  function draw() {
    found = rank(names, input.value.trim());
    at = 0;
    list.replaceChildren(...found.map((name, index) =>
      h(
        "li",
        {
          id: `found-${index}`,
          role: "option",
          "aria-selected": String(index === 0),
          on: { click: () => go(name) },
        },
        `/${name}`,
      )
    ));
    point();
  }
  function point() {
    [...list.children].forEach((node, index) =>
      node.setAttribute("aria-selected", String(index === at))
    );
    list.children[at]?.scrollIntoView({ block: "nearest" });
    if (found.length > 0) input.setAttribute("aria-activedescendant", `found-${at}`);
    else input.removeAttribute("aria-activedescendant");
  }
  function go(name) {
    node.close();
    dispatchEvent(new CustomEvent("shell:go", { detail: pathOf(name) }));
  }
  input.addEventListener("input", draw);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      at = (at + (event.key === "ArrowDown" ? 1 : -1) + found.length) % Math.max(1, found.length);
      point();
    } else if (event.key === "Enter") {
      event.preventDefault();
      const typed = input.value.trim();
      if (found[at] !== undefined && !(typed.startsWith("/") && found.length === 0)) go(found[at]);
      else if (typed.startsWith("/")) go(typed.slice(1));
    }
  });
  const node = showDialog(
    "Search",
    input,
    list,
    h(
      "p",
      { class: "hint" },
      "↑ ↓ to choose, Enter to open. A path that does not exist yet can be opened too.",
    ),
  );
  node.classList.add("finder");
  requestAnswer("/proc/worlds", readRows).then((worlds) => {
    names = withCollections(worlds.map(({ name }) => name));
    draw();
  }, noteError);
}

function withCollections(worlds) {
  const all = new Set(worlds);
  for (const name of worlds) {
    for (let cut = name.lastIndexOf("/"); cut > 0; cut = name.lastIndexOf("/", cut - 1)) {
      const collection = `${name.slice(0, cut)}/`;
      if (all.has(collection)) break;
      all.add(collection);
    }
  }
  return [...all];
}
