/**
 * Creating, moving, deleting, uploading and downloading worlds. The code is loaded when it is first
 * needed (`lazy/manage.js`).
 */

import {
  readDeleted,
  readRows,
  readStatus,
  readTrash,
  readWritten,
  requestAnswer,
} from "./answers.js";
import { send } from "./api.js";
import { knownCaller } from "./caller.js";
import { note, noteError, signInAction } from "./chrome.js";
import { connect } from "./connected.js";
import { confirmDialog, openDialog, showDialog } from "./dialog.js";
import { lazyUrl } from "./lazy_url.js";
import { needs } from "./permissions.js";
import { follow } from "./stream.js";

/** @type {Promise<typeof import("./lazy/manage.js")> | undefined} */
let loading;

/** What the modules get that are loaded later. To add one, name it here and in `connected.js`. */
const FUNCTIONS = {
  confirmDialog,
  follow,
  knownCaller,
  needs,
  note,
  noteError,
  openDialog,
  requestDeleted: (path, init) => requestAnswer(path, readDeleted, init),
  requestRows: (path, init) => requestAnswer(path, readRows, init),
  requestStatus: () => requestAnswer("/proc/status", readStatus),
  requestWritten: (path, init) => requestAnswer(path, readWritten, init),
  send,
  showDialog,
  signInAction,
  toTrash: readTrash,
};
// The app has modules that are in both bundles, too.
connect(FUNCTIONS);

async function load() {
  const module = await import(lazyUrl("manage"));
  module.connect(FUNCTIONS);
  return module;
}

function loadOnce() {
  loading ??= load();
  return loading.catch((error) => {
    loading = undefined;
    throw error;
  });
}

/** Loads the module while a menu is open, so that its dialogs open at once. */
export function preload() {
  loadOnce().catch(() => {}); // the action itself reports it
}

/** A function of the module, which shows its errors as notes. */
function later(name) {
  return async (...args) => {
    try {
      return await (await loadOnce())[name](...args);
    } catch (error) {
      noteError(error);
      return undefined;
    }
  };
}

export const openMove = later("openMove");
export const removeEntries = later("removeEntries");
export const restoreAll = later("restoreAll");
export const uploadContent = later("uploadContent");
export const uploadFiles = later("uploadFiles");
export const createWorld = later("createWorld");
export const downloadEntries = later("downloadEntries");
export const openNew = later("openNew");

/** A view, so the page of its path shows its errors. */
export async function showTrash(...args) {
  await (await loadOnce()).showTrash(...args);
}
