/**
 * Shows only the content of a world, in the whole window. A bar with the name of the world stays at the
 * top, so that content cannot pretend to be the page of the shell, and can always be left.
 */

import { isTyping } from "./typing.js";
import { button, h } from "./dom.js";

const CLASS = "full";

/**
 * Adds the key `f`, and `Esc`, until the view ends.
 *
 * @param {{ path: string, node: Element, signal: AbortSignal }} page
 * @returns {() => void} enters and leaves
 */
export function fullWindow({ path, node, signal }) {
  const bar = h(
    "div",
    { class: "full-bar" },
    h("span", {}, path),
    button([h("span", {}, "Leave full window"), h("kbd", {}, "Esc")], leave, { class: "quiet" }),
  );

  function toggle() {
    if (document.body.classList.contains(CLASS)) return leave();
    document.body.classList.add(CLASS);
    node.prepend(bar);
    bar.querySelector("button").focus();
    scrollTo(0, 0);
  }

  function leave() {
    if (!bar.isConnected) return;
    document.body.classList.remove(CLASS);
    bar.remove();
    document.getElementById("main")?.focus({ preventScroll: true });
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target)) return;
    if (event.key === "Escape") leave();
    else if (event.key === "f") {
      event.preventDefault();
      toggle();
    }
  }, { signal });
  // A frame reports the key, because its events do not reach the page.
  node.addEventListener("shell:escape", leave);
  signal.addEventListener("abort", leave);
  return toggle;
}
