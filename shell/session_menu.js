/** The dialog about the caller of this tab: sign in, sign out, mint a capability. */

import { refreshCaller } from "./caller.js";
import { describeCaller } from "./describe_caller.js";
import { showDialog } from "./dialog.js";
import { button, h } from "./dom.js";
import { deleteDrafts } from "./drafts.js";
import { openMint } from "./mint.js";
import { authorization, hasShared, isShared, leaveTab, signOut } from "./session.js";
import { signIn, signInForm } from "./sign_in.js";
import { mayEndEditing } from "./unsaved.js";

/** Opens the dialog. */
export async function openSession() {
  const caller = await refreshCaller();
  const signedIn = authorization() !== null;
  // Its own dialog asks for another credential.
  if (signedIn && caller.rejected !== undefined) return openRejected(caller);
  const node = showDialog(
    signedIn ? "Signed in" : "Sign in",
    h("p", {}, describeCaller(caller, signedIn)),
    signedIn ? h("p", { class: "hint" }, describePlace()) : signInForm(() => node.close()),
    h(
      "div",
      { class: "actions" },
      caller.tier === "T3"
        ? button("Mint a capability", () => {
          node.close();
          openMint();
        })
        : null,
      signedIn
        ? button("Use another credential", () => {
          node.close();
          signIn();
        })
        : null,
      signOutButtons(() => node.close()),
    ),
  );
}

function openRejected(caller) {
  const node = showDialog(
    "Sign in again",
    h("p", {}, describeCaller(caller, true)),
    signInForm(() => node.close()),
    h("div", { class: "actions" }, signOutButtons(() => node.close())),
  );
}

function signOutButtons(close) {
  if (authorization() === null) return null;
  const isOnlyHere = hasShared() && !isShared();
  return [
    isOnlyHere
      ? button("Back to the sign-in of this computer", () => {
        close();
        leaveTab();
      })
      : null,
    button(hasShared() ? "Sign out in all tabs" : "Sign out", async () => {
      close();
      if (!await mayEndEditing("Sign out")) return;
      deleteDrafts();
      signOut();
    }, { class: "danger" }),
  ];
}

function describePlace() {
  return isShared()
    ? `Kept on this computer, for all tabs of ${location.origin}.`
    : "Kept in this tab only, until you close it.";
}
