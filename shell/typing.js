/** Whether a key is for what has the focus, and not for the page. */

const FIELDS = [
  "input:not([type=checkbox])",
  "textarea",
  "select",
  "dialog[open]",
  "[role=menu]",
  "[contenteditable]:not([contenteditable=false])",
].join();

/** @param {EventTarget | null} target of the event of a key */
export function isTyping(target) {
  return target instanceof Element && target.closest(FIELDS) !== null;
}
