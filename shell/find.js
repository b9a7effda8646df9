/** Loads the search, its page and the list of keys when they are first needed (`lazy/find.js`). */

import { readRows, readSearch, requestAnswer } from "./answers.js";
import { noteError } from "./chrome.js";
import { showDialog } from "./dialog.js";
import { lazyGroup } from "./lazy_group.js";

/** What the module gets. To add one, name it here and in `connected.js`. */
const FUNCTIONS = {
  noteError,
  requestHits: (path, init) => requestAnswer(path, readSearch, init),
  requestRows: (path, init) => requestAnswer(path, readRows, init),
  showDialog,
};

const group = lazyGroup("find", FUNCTIONS);

/** @returns {Promise<typeof import("./lazy/find.js")>} */
export const loadFind = group.load;
export const showSearch = group.view("showSearch");
/** Opens the list of keys. */
export const openHelp = group.action("openHelp");
