/**
 * The text of an editor. It begins as a text area, which is replaced by the editor of `lazy/editor.js` as
 * soon as that is loaded, with what was typed until then. If it cannot be loaded, the text area stays.
 * Tab and Shift+Tab indent in both; after Escape, Tab moves the focus as usual.
 */

import { h } from "./dom.js";
import { indentLines } from "./indent.js";
import { lazyUrl } from "./lazy_url.js";

/** A text area needs seconds to lay out a longer text, in characters. */
const LONG_CHARS = 200_000;

/**
 * @param {{ label: string, text: string, ext: string, caret: number, onInput: () => void }} options
 */
export function textPane({ label, text, ext, caret, onInput }) {
  const area = h("textarea", {
    "aria-label": label,
    spellcheck: "false",
    autocapitalize: "none",
    value: text.length > LONG_CHARS ? "" : text,
    hidden: text.length > LONG_CHARS,
    on: {
      input: onInput,
      keydown: onKey,
      blur: () => doesTabLeave = false,
      compositionstart: () => isComposing = true,
      compositionend: () => {
        isComposing = false;
        setTimeout(() => replace?.());
      },
    },
  });
  const node = h("div", { class: "text-pane" }, area);
  area.setSelectionRange(caret, caret);
  let doesTabLeave = false;
  let isComposing = false;
  let wantsFocus = false;
  /** The loaded editor, and what puts it in the place of the text area. */
  let editor;
  let replace;

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

  async function load() {
    const { createTextEditor } = await import(lazyUrl("editor"));
    replace = () => {
      replace = undefined;
      const hasFocus = document.activeElement === area || wantsFocus;
      const host = h("div", { class: "code-editor" });
      const root = host.attachShadow({ mode: "open" });
      area.before(host);
      editor = createTextEditor({
        root,
        label,
        text: textOfArea(),
        ext,
        selection: [area.selectionStart, area.selectionEnd],
        onInput,
      });
      area.remove();
      if (hasFocus) editor.focus();
    };
    // An input method writes into the text area; its text would be lost.
    if (!isComposing) replace();
  }
  load().catch(() => {
    // Offline, or a browser without what the editor needs: the text area stays.
    area.value = textOfArea();
    area.hidden = false;
  });

  function textOfArea() {
    return area.hidden ? text : area.value;
  }

  return {
    node,
    get text() {
      return editor?.text ?? textOfArea();
    },
    set text(value) {
      if (editor !== undefined) editor.text = value;
      else {
        text = value;
        area.value = value;
        onInput();
      }
    },
    setExt(value) {
      if (value === ext) return;
      ext = value;
      editor?.setExt(value);
    },
    focus() {
      wantsFocus = area.hidden;
      (editor ?? area).focus();
    },
  };
}
