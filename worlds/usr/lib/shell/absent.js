/**
 * What is shown where no world is: that the page listens, and how something gets there.
 */

import { h, style } from "./dom.js?raw";

await style("absent");

/**
 * @param {string} path
 * @param {boolean} deleted it was there until now
 */
export function absentView(path, deleted) {
  const command = `curl -X PUT ${location.origin}${path} -d '<h1>I am alive</h1>'`;
  return h(
    "div",
    { class: "empty" },
    h("span", { class: "pulse", "aria-hidden": "true" }),
    h("h2", {}, deleted ? "This world was deleted" : "Nothing is here yet"),
    h("p", {}, "This page is listening. Whatever is written here appears at once:"),
    h("pre", { class: "command", tabindex: "0" }, command),
  );
}
