/**
 * A box over the page that asks for one thing. The browser's own dialog keeps the focus inside and
 * gives it back.
 */

import { button, h, style } from "./dom.js?raw";

await style("boxes");

/**
 * Opens one; it is gone from the page once it is closed.
 *
 * @param {string} title
 * @param {...unknown} content
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, ...content) {
  const node = h(
    "dialog",
    { "aria-label": title },
    h(
      "div",
      { class: "title" },
      h("h2", {}, title),
      button("×", () => node.close(), { class: "quiet", "aria-label": "Close" }),
    ),
    content,
  );
  node.addEventListener("close", () => node.remove());
  node.addEventListener("click", (event) => {
    if (event.target === node) node.close();
  });
  document.body.append(node);
  node.showModal();
  return node;
}

/** Asks before something that cannot be taken back lightly; resolves with the answer. */
export function confirmDialog(title, text, act) {
  return new Promise((resolve) => {
    const node = openDialog(
      title,
      h("p", {}, text),
      h(
        "div",
        { class: "actions" },
        button("Cancel", () => node.close()),
        button(act, () => {
          resolve(true);
          node.close();
        }, { class: "danger" }),
      ),
    );
    node.addEventListener("close", () => resolve(false));
  });
}
