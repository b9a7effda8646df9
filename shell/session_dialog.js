/**
 * The dialog about the caller of this tab: sign in, sign out, mint a capability. Loaded when it is first
 * needed (`account.js`).
 */

import { describeCaller } from "./describe_caller.js";
import { button, h } from "./dom.js";
import { openMint } from "./mint_dialog.js";

/**
 * Opens the dialog.
 *
 * @param {import("./account.js").App} app
 */
export function openSession(app) {
  const { hasCredential, isShared, caller } = app.session();
  // Only another credential helps then.
  const isRefused = hasCredential && caller.rejected !== undefined;
  const close = () => node.close();
  const node = app.showDialog(
    isRefused ? "Sign in again" : hasCredential ? "Signed in" : "Sign in",
    h("p", {}, describeCaller(caller, hasCredential)),
    hasCredential && !isRefused
      ? h("p", { class: "hint" }, describePlace(isShared))
      : app.signInForm(close),
    h(
      "div",
      { class: "actions" },
      caller.tier === "T3"
        ? button("Mint a capability", () => thenClose(() => openMint(app)))
        : null,
      hasCredential && !isRefused
        ? button("Use another credential", () => thenClose(app.signIn))
        : null,
      hasCredential ? signOutButtons(app, thenClose) : null,
    ),
  );
  // Signed in or out, here or in another tab: what the dialog says is no longer true.
  node.addEventListener("shell:closed", app.onNextSession(close));

  function thenClose(run) {
    close();
    run();
  }
}

function signOutButtons({ session, leaveTab, signOut }, thenClose) {
  const { hasShared, isShared } = session();
  return [
    hasShared && !isShared
      ? button("Back to the sign-in of this computer", () => thenClose(leaveTab))
      : null,
    button(hasShared ? "Sign out in all tabs" : "Sign out", () => thenClose(signOut), {
      class: "danger",
    }),
  ];
}

function describePlace(isShared) {
  return isShared
    ? `Kept on this computer, for all tabs of ${location.origin}.`
    : "Kept in this tab only, until you close it.";
}
