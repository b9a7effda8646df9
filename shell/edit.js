/** Opens the editor of a world. Its code is loaded when it is first needed (`lazy/editing.js`). */

import { send } from "./api.js";
import { noteError } from "./chrome.js";
import { openDialog } from "./dialog.js";
import { lazyGroup } from "./lazy_group.js";
import { lazyUrl } from "./lazy_url.js";
import { authorization, nextSession } from "./session.js";
import { signIn } from "./sign_in.js";
import { guardText, mayEndEditing } from "./unsaved.js";
import { kindOf, makeViewer } from "./viewers.js";

/** What the module gets. To add a function, name it here and in `connected.js`. */
const FUNCTIONS = {
  authorization,
  guardText,
  kindOf,
  makeViewer,
  mayEndEditing,
  nextSession,
  noteError,
  openDialog,
  send,
  signIn,
};

const open = lazyGroup("editing", FUNCTIONS).action(
  "openEditor",
  (name, _world, _signal, _done, caret = 0) => {
    // The page opens it, and must get it.
    dispatchEvent(new CustomEvent("shell:edit", { detail: { name, caret } }));
    dispatchEvent(new CustomEvent("shell:go", { detail: location.href }));
  },
);

/**
 * Opens the editor.
 *
 * @param {Parameters<typeof import("./editor.js").openEditor>} args
 * @returns {Promise<Awaited<ReturnType<typeof import("./editor.js").openEditor>>>} undefined if it cannot be
 * opened
 */
export function openEditor(...args) {
  // The text field is needed next.
  import(lazyUrl("editor")).catch(() => {
    // A text area takes its place.
  });
  return open(...args);
}
