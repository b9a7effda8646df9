/** Loads the search, its page and the list of keys when they are first needed (`lazy/find.js`). */

import { readRows, readSearch, requestAnswer } from "./answers.js";
import { noteError } from "./chrome.js";
import { showDialog } from "./dialog.js";
import { lazyUrl } from "./lazy_url.js";

/** What the module gets. To add one, name it here and in `connected.js`. */
const FUNCTIONS = {
  noteError,
  requestHits: (path, init) => requestAnswer(path, readSearch, init),
  requestRows: (path, init) => requestAnswer(path, readRows, init),
  showDialog,
};

/** @type {Promise<typeof import("./lazy/find.js")> | undefined} */
let loading;

async function load() {
  const module = await import(lazyUrl("find"));
  module.connect(FUNCTIONS);
  return module;
}

/** The module. After a failure the next call tries again. */
export function loadFind() {
  loading ??= load();
  return loading.catch((error) => {
    loading = undefined;
    throw error;
  });
}

/** A view, so the page of its path shows its errors. */
export async function showSearch(...args) {
  await (await loadFind()).showSearch(...args);
}

/** Opens the list of keys. */
export function openHelp() {
  loadFind().then((module) => module.openHelp()).catch(noteError);
}
