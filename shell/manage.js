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
import { lazyGroup } from "./lazy_group.js";
import { needs } from "./permissions.js";
import { follow } from "./stream.js";

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

const group = lazyGroup("manage", FUNCTIONS);

/** Loads the module while a menu is open, so that its dialogs open at once. */
export const preload = group.preload;

export const openMove = group.action("openMove");
export const removeEntries = group.action("removeEntries");
export const restoreAll = group.action("restoreAll");
export const uploadContent = group.action("uploadContent");
export const uploadFiles = group.action("uploadFiles");
export const createWorld = group.action("createWorld");
export const downloadEntries = group.action("downloadEntries");
export const openNew = group.action("openNew");
export const showTrash = group.view("showTrash");
