/** The dialog about the caller of this tab: sign in, sign out, mint a capability. */

import { refreshCaller } from "./caller.js";
import { showDialog } from "./dialog.js";
import { button, h } from "./dom.js";
import { duration } from "./format.js";
import { openMint } from "./mint.js";
import { authorization, setAuthorization } from "./session.js";
import { signInForm } from "./sign_in.js";

const RIGHTS = {
  T1: "Can read what is public.",
  T2: "Can also write below /home, and plugin sources below /lib.",
  T3: "Can do everything: write anywhere, delete, activate plugins, mint capabilities.",
};

/** Opens the dialog. */
export async function openSession() {
  const caller = await refreshCaller();
  const signedIn = authorization() !== null;
  const node = showDialog(
    signedIn ? "Signed in" : "Sign in",
    h("p", {}, describe(caller, signedIn)),
    signedIn ? null : signInForm(() => node.close()),
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
        ? button("Sign out", () => {
          setAuthorization(null);
          refreshCaller();
          node.close();
        }, { class: "danger" })
        : null,
    ),
  );
}

function describe(caller, signedIn) {
  if (caller.prefix) {
    const can = {
      rw: "read and write",
      rwd: "read, write, delete and move",
    }[caller.mode] ?? "read";
    return `A capability: can ${can} below ${caller.prefix}, valid for another ${
      duration((caller.until - Date.now()) / 1000)
    }.`;
  }
  if (caller.rejected) {
    return signedIn
      ? "The server no longer accepts this credential."
      : "This server requires a credential for reading, too.";
  }
  const start = signedIn
    ? `${caller.by}, tier ${caller.tier}.`
    : `Without a credential: tier ${caller.tier}.`;
  return `${start} ${RIGHTS[caller.tier] ?? ""}`;
}
