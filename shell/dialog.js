/**
 * Dialogs. They use the browser's dialog element, which keeps the focus inside and gives it back.
 */

import { button, h } from "./dom.js";

/**
 * Opens a dialog, which is removed from the page when it is closed.
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

/** Asks for a confirmation. Resolves with true if it is given. */
export function confirmDialog(title, text, label) {
  return new Promise((resolve) => {
    const node = openDialog(
      title,
      h("p", {}, text),
      h(
        "div",
        { class: "actions" },
        button("Cancel", () => node.close()),
        button(label, () => {
          resolve(true);
          node.close();
        }, { class: "danger" }),
      ),
    );
    node.addEventListener("close", () => resolve(false));
  });
}
