/**
 * The pages of plugins, of their routes, and of all changes. Their code is loaded when it is first needed
 * (`lazy/server.js`).
 */

import {
  parseJson,
  readChanges,
  readPlugins,
  readPluginState,
  readRequested,
  readRoutes,
  requestAnswer,
} from "./answers.js";
import { readError, request, send } from "./api.js";
import { noteError } from "./chrome.js";
import { openDialog } from "./dialog.js";
import { lazyGroup } from "./lazy_group.js";
import { needs } from "./permissions.js";
import { follow } from "./stream.js";

/** What the modules get. To add one, name it here and in `connected.js`. */
const FUNCTIONS = {
  follow,
  needs,
  noteError,
  openDialog,
  readError,
  request,
  requestChanges: (path, init) => requestAnswer(path, readChanges, init),
  requestPlugins: (init) => requestAnswer("/proc/plugins", readPlugins, init),
  requestRoutes: (init) => requestAnswer("/bin", readRoutes, init),
  send,
  toJson: parseJson,
  toPluginState: readPluginState,
  toRequested: readRequested,
};

const group = lazyGroup("server", FUNCTIONS);

/** @type {(name: string) => Promise<any>} gets a name such as `lib/example` */
export const pluginPanel = group.view("pluginPanel");
export const findPlugin = group.view("findPlugin");
export const showPluginRoute = group.view("showPluginRoute");
export const showLog = group.view("showLog");
