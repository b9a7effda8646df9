/**
 * The dialogs about the caller: the menu of the button at the top right, and the access of agents. Their
 * code is loaded when it is first needed (`lazy/account.js`).
 *
 * @typedef {typeof APP} App what the module gets, so that it has no second copy of the session
 */

import { requestJson, send } from "./api.js";
import { currentCaller, knownCaller, refreshCaller } from "./caller.js";
import { note } from "./chrome.js";
import { openDialog, showDialog } from "./dialog.js";
import { deleteDrafts } from "./drafts.js";
import { lazyGroup, noteRetry } from "./lazy_group.js";
import { authorization, hasShared, isShared, leaveTab, onNextSession, signOut } from "./session.js";
import { signIn, signInForm } from "./sign_in.js";
import { mayEndEditing } from "./unsaved.js";

/** Longest time that the menu waits for the server to say who the caller is. */
const CALLER_MS = 1000;

const APP = {
  leaveTab,
  onNextSession,
  openDialog,
  requestJson,
  send,
  session: () => ({
    caller: currentCaller(),
    hasCredential: authorization() !== null,
    hasShared: hasShared(),
    isShared: isShared(),
  }),
  showDialog,
  signIn: () => signIn(),
  signInForm,
  signOut: endSession,
};

const group = lazyGroup("account");
const showAgentAccess = group.action("openAgentAccess");

let isOpening = false;

/** Opens the menu. */
export async function openSession() {
  if (isOpening) return;
  isOpening = true;
  try {
    const late = new Promise((resolve) => setTimeout(resolve, CALLER_MS));
    const [module] = await Promise.all([group.load(), Promise.race([refreshCaller(), late])]);
    module.openSession(APP);
  } catch (error) {
    // Signing out needs no server.
    if (authorization() === null) noteRetry(error, openSession);
    else {
      const action = { label: "Sign out", run: endSession };
      note(error.message, { level: "bad", action });
    }
  } finally {
    isOpening = false;
  }
}

/** Opens "Tell any AI": what gives an agent access. */
export async function openAgentAccess() {
  group.preload();
  await knownCaller();
  await showAgentAccess(APP);
}

async function endSession() {
  if (!await mayEndEditing("Sign out")) return;
  deleteDrafts();
  signOut();
}
