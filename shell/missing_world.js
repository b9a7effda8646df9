/** The content of a page whose world does not exist: what can be written there. */

import { button, h } from "./dom.js";
import { createWorld } from "./manage.js";
import { needs } from "./permissions.js";
import { pathOf } from "./place.js";
import { kindsFor, WORLD_KINDS } from "./world_kinds.js";

/**
 * @param {string} name
 * @param {{ deleted: boolean, edit: () => unknown }} options `deleted`: whether the world existed until
 * now; `edit` opens the editor without a first content
 */
export function missingView(name, { deleted, edit }) {
  const path = pathOf(name);
  const command = `curl -X PUT '${location.origin}${
    path.replaceAll("'", "%27")
  }' --data-binary @file`;
  const kinds = kindsFor(name).map((kind) =>
    button(WORLD_KINDS[kind].label, () => createWorld(kind, name), {
      title: WORLD_KINDS[kind].hint,
    })
  );
  const other = button(kinds.length === 0 ? "Write it" : "Empty", edit, {
    title: "Opens the editor without content",
  });
  return h(
    "div",
    { class: "empty" },
    h("span", { class: "pulse", "aria-hidden": "true" }),
    h("h2", {}, deleted ? "This world was deleted" : "Nothing is here yet"),
    h("p", {}, "Begin with:"),
    h(
      "div",
      { class: "actions", role: "group", "aria-label": "Begin with" },
      [...kinds, other].map((control) => needs(control, path, "PUT")),
    ),
    h("p", {}, "Or write it with another program. This page then shows it:"),
    h("pre", { class: "command", tabindex: "0" }, command),
  );
}
