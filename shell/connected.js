/**
 * The functions of the app for modules that are loaded later. Such a module is bundled into a file of
 * its own: if it imported `api.js`, `chrome.js`, `dialog.js` or `answers.js`, it would have a second
 * copy of their state. It imports this module instead. `manage.js`, `edit.js`, `find.js` and
 * `server_pages.js` connect the bundles, and `manage.js` connects the app, so a module that imports this
 * one can be in the app, too.
 */

let app;

/** @param {Record<string, (...args: any[]) => any>} functions of the app, by their names */
export function connect(functions) {
  app = functions;
}

export const authorization = (...args) => app.authorization(...args);
export const confirmDialog = (...args) => app.confirmDialog(...args);
export const follow = (...args) => app.follow(...args);
export const guardText = (...args) => app.guardText(...args);
export const kindOf = (...args) => app.kindOf(...args);
export const knownCaller = (...args) => app.knownCaller(...args);
export const makeViewer = (...args) => app.makeViewer(...args);
export const mayEndEditing = (...args) => app.mayEndEditing(...args);
export const needs = (...args) => app.needs(...args);
export const nextSession = (...args) => app.nextSession(...args);
export const note = (...args) => app.note(...args);
export const noteError = (...args) => app.noteError(...args);
export const openDialog = (...args) => app.openDialog(...args);
export const readError = (...args) => app.readError(...args);
export const request = (...args) => app.request(...args);
export const requestChanges = (...args) => app.requestChanges(...args);
export const requestDeleted = (...args) => app.requestDeleted(...args);
export const requestPlugins = (...args) => app.requestPlugins(...args);
export const requestRoutes = (...args) => app.requestRoutes(...args);
export const requestHits = (...args) => app.requestHits(...args);
export const requestRows = (...args) => app.requestRows(...args);
export const requestStatus = (...args) => app.requestStatus(...args);
export const requestWritten = (...args) => app.requestWritten(...args);
export const send = (...args) => app.send(...args);
export const showDialog = (...args) => app.showDialog(...args);
export const signInAction = (...args) => app.signInAction(...args);
export const signIn = (...args) => app.signIn(...args);
export const toJson = (...args) => app.toJson(...args);
export const toPluginState = (...args) => app.toPluginState(...args);
export const toRequested = (...args) => app.toRequested(...args);
export const toTrash = (...args) => app.toTrash(...args);
