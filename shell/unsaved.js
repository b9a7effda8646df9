/**
 * Protects text that is not saved: an open editor registers a guard, which is asked before something
 * would end it. The browser asks before the tab is closed or loads another page.
 */

/** @typedef {{ isUnsaved: () => boolean, ask: (action: string) => Promise<boolean> }} Guard */

/** @type {Set<Guard>} */
const guards = new Set();
let isAsking = false;

/**
 * Registers an editor until it ends. Then `shell:edited` is dispatched, because its view may be out of
 * date.
 *
 * @param {Guard} guard `ask` resolves with true if the text was saved or can be discarded
 * @param {AbortSignal} signal
 */
export function guardText(guard, signal) {
  guards.add(guard);
  if (guards.size === 1) addEventListener("beforeunload", onUnload);
  signal.addEventListener("abort", () => {
    guards.delete(guard);
    if (guards.size > 0) return;
    // Without it, the browser can keep the page for a return with Back.
    removeEventListener("beforeunload", onUnload);
    dispatchEvent(new CustomEvent("shell:edited"));
  }, { once: true });
}

/** Whether an editor is open. */
export function isEditing() {
  return guards.size > 0;
}

/** Whether an editor has text that is not saved. */
export function hasUnsaved() {
  return [...guards].some((guard) => guard.isUnsaved());
}

/**
 * Asks the user if there is text that is not saved.
 *
 * @param {string} action what would end the editor, such as "Leave the page"
 * @returns {Promise<boolean>} whether the action may continue
 */
export async function mayEndEditing(action) {
  if (isAsking) return false;
  isAsking = true;
  try {
    for (const guard of [...guards]) {
      if (guard.isUnsaved() && !await guard.ask(action)) return false;
    }
    return true;
  } finally {
    isAsking = false;
  }
}

function onUnload(event) {
  if (hasUnsaved()) event.preventDefault();
}
