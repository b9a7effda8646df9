/** The content of a page whose world does not exist: how to write it. */

import { h } from "./dom.js";

/**
 * @param {string} path
 * @param {boolean} deleted whether the world existed until now
 */
export function missingView(path, deleted) {
  const command = `curl -X PUT ${location.origin}${path} -d '<h1>Hello</h1>'`;
  return h(
    "div",
    { class: "empty" },
    h("span", { class: "pulse", "aria-hidden": "true" }),
    h("h2", {}, deleted ? "This world was deleted" : "Nothing is here yet"),
    h("p", {}, "As soon as the world is written, this page shows it:"),
    h("pre", { class: "command", tabindex: "0" }, command),
  );
}
