/**
 * Who this tab is to the machine, and how to become somebody else.
 */

import { refreshWho } from "./chrome.js?raw";
import { openDialog } from "./dialog.js?raw";
import { button, h } from "./dom.js?raw";
import { duration } from "./format.js?raw";
import { openMint } from "./mint.js?raw";
import { authorization, setAuthorization } from "./session.js?raw";
import { signInForm } from "./sign_in.js?raw";

const MAY = {
  T1: "May read what is public.",
  T2: "May also write below /home and plugin sources below /lib.",
  T3: "May do everything: write anywhere, delete, activate plugins, mint capabilities.",
};

/** Opens the box. */
export async function openSession() {
  const caller = await refreshWho();
  const signedIn = authorization() !== null;
  const node = openDialog(
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
          refreshWho();
          node.close();
        }, { class: "danger" })
        : null,
    ),
  );
}

function describe(caller, signedIn) {
  if (caller.prefix) {
    const mode = caller.mode === "rw" ? "read and write" : "read";
    return `A capability: may ${mode} below ${caller.prefix}, for another ${
      duration(caller.ttl_sec)
    }.`;
  }
  if (caller.rejected) {
    return signedIn
      ? "The machine no longer knows this credential."
      : "This machine wants a credential, even to read.";
  }
  const start = signedIn
    ? `${caller.by}, tier ${caller.tier}.`
    : `Without a credential: tier ${caller.tier}.`;
  return `${start} ${MAY[caller.tier] ?? ""}`;
}
