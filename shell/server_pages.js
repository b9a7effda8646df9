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
import { readError, request, RequestError, send } from "./api.js";
import { noteError } from "./chrome.js";
import { openDialog } from "./dialog.js";
import { lazyUrl } from "./lazy_url.js";
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

async function load() {
  const module = await import(lazyUrl("server")).catch(() => {
    throw new RequestError(0, "The server does not answer", "A part of this page cannot be loaded");
  });
  module.connect(FUNCTIONS);
  return module;
}

/** @param {string} name `lib/example` */
export async function pluginPanel(name) {
  return (await load()).pluginPanel(name);
}

export async function findPlugin(...args) {
  return await (await load()).findPlugin(...args);
}

export async function showPluginRoute(...args) {
  await (await load()).showPluginRoute(...args);
}

export async function showLog(...args) {
  await (await load()).showLog(...args);
}
