/**
 * Short notes in the corner of the page. Screen readers announce them. A note can have one action, such
 * as "Undo", and stays as long as the pointer or the focus is on it.
 */

import { button, byId, h } from "./dom.js";

const NOTE_SECONDS = 6;
/** Time to read a note and to reach its button, with the keyboard too. */
const ACTION_SECONDS = 20;
/** Further notes replace the oldest. */
const MAX_NOTES = 4;

/**
 * Shows a note.
 *
 * @typedef {{
 *   level?: "" | "warn" | "bad",
 *   action?: { label: string, run: () => unknown },
 *   seconds?: number,
 * }} NoteOptions `level`: `bad` for errors. `action`: a button, which closes the note. `seconds`:
 * `Infinity` for a note that stays until it is dismissed
 *
 * @param {string} text
 * @param {"" | "bad" | NoteOptions} [options] the level, or all options
 * @returns {() => void} closes the note
 */
export function showNote(text, options = {}) {
  const { level = "", action, seconds = action ? ACTION_SECONDS : NOTE_SECONDS } =
    typeof options === "string" ? { level: options } : options;
  let timer = 0;
  const node = h("p", { class: `note ${level}` }, h("span", {}, text));

  function close() {
    clearTimeout(timer);
    const focused = node.contains(document.activeElement);
    node.remove();
    if (focused) byId("main").focus({ preventScroll: true });
  }
  function pause() {
    clearTimeout(timer);
  }
  function resume() {
    clearTimeout(timer);
    if (!node.isConnected || !Number.isFinite(seconds) || node.matches(":hover, :focus-within")) {
      return;
    }
    timer = setTimeout(close, seconds * 1000);
  }
  function onAction() {
    close();
    action.run();
  }

  if (action) node.append(button(action.label, onAction, { class: "act" }));
  node.append(button("×", close, { class: "quiet", "aria-label": "Dismiss" }));
  for (const event of ["pointerenter", "focusin"]) node.addEventListener(event, pause);
  for (const event of ["pointerleave", "focusout"]) {
    // After the event: the state of the node is the new one then.
    node.addEventListener(event, () => setTimeout(resume));
  }
  const notes = byId("notes");
  while (notes.children.length >= MAX_NOTES) notes.firstElementChild.remove();
  notes.append(node);
  resume();
  return close;
}
