/**
 * The text of an editor: a text area, in which Tab and Shift+Tab indent. After Escape, Tab moves the focus
 * as usual, so that the keyboard can leave it.
 */

import { h } from "./dom.js";
import { indentLines } from "./indent.js";

/**
 * @param {{ label: string, text: string, onInput: () => void }} options
 */
export function textPane({ label, text, onInput }) {
  const area = h("textarea", {
    "aria-label": label,
    spellcheck: "false",
    autocapitalize: "none",
    value: text,
    on: { input: onInput, keydown: onKey, blur: () => doesTabLeave = false },
  });
  const node = h("div", { class: "text-pane" }, area);
  let doesTabLeave = false;

  function onKey(event) {
    if (event.key === "Escape") doesTabLeave = true;
    else if (event.key !== "Tab" && event.key !== "Shift") doesTabLeave = false;
    if (event.key !== "Tab" || doesTabLeave || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    event.preventDefault();
    const { selectionStart, selectionEnd, value } = area;
    const change = indentLines(value, selectionStart, selectionEnd, event.shiftKey);
    area.setSelectionRange(change.from, change.to);
    // Deprecated, and the only way that keeps the browser's undo.
    if (change.insert === "") document.execCommand("delete");
    else document.execCommand("insertText", false, change.insert);
    area.setSelectionRange(change.start, change.end);
  }

  return {
    node,
    get text() {
      return area.value;
    },
    set text(value) {
      area.value = value;
      onInput();
    },
    focus: () => area.focus(),
  };
}
