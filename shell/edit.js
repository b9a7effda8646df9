/** Opens the editor of a world. Its code is loaded when it is first needed (`lazy/editing.js`). */

import { send } from "./api.js";
import { note, noteError } from "./chrome.js";
import { openDialog } from "./dialog.js";
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

/** @type {Promise<typeof import("./lazy/editing.js")> | undefined} */
let loading;

async function load() {
  // The text field is needed next.
  import(lazyUrl("editor")).catch(() => {
    // A text area takes its place.
  });
  const module = await import(lazyUrl("editing"));
  module.connect(FUNCTIONS);
  return module;
}

/**
 * Opens the editor.
 *
 * @param {Parameters<typeof import("./editor.js").openEditor>} args
 * @returns {Promise<Awaited<ReturnType<typeof import("./editor.js").openEditor>>>} undefined if it cannot be
 * opened
 */
export async function openEditor(...args) {
  loading ??= load();
  try {
    const module = await loading;
    return await module.openEditor(...args);
  } catch {
    loading = undefined;
    note("The editor could not be loaded", {
      level: "bad",
      action: { label: "Reload the page", run: () => location.reload() },
    });
    return undefined;
  }
}
