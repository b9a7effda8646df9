/**
 * "Tell any AI": gives the user the text that lets an agent work here. With T3 it mints a capability;
 * on a computer that needs no credential, the text works without one. Loaded when it is first needed
 * (`account.js`).
 */

import { agentPrompt } from "./agent_prompt.js";
import { copyable } from "./commands.js";
import { button, h } from "./dom.js";
import { openMint } from "./mint_dialog.js";

/**
 * Opens the dialog that fits to the caller.
 *
 * @param {import("./account.js").App} app
 */
export async function openAgentAccess(app) {
  const { caller: { tier }, hasCredential } = app.session();
  if (tier === "T3") return await openMint(app, "/home/scratch");
  const isOpen = tier === "T2" && !hasCredential;
  const node = app.showDialog(
    "Tell any AI",
    isOpen
      ? [
        h(
          "p",
          {},
          "Give this text to an agent that runs on this computer. It can write below /home.",
        ),
        copyable("Text for the agent", agentPrompt(location.origin, { prefix: "/home" })),
      ]
      : null,
    h(
      "p",
      { class: "hint" },
      isOpen
        ? "For an agent elsewhere, or to limit one to a part and a time: sign in with T3 and mint a capability with a name."
        : "A capability is a token for one part of this server and for a limited time. T3 mints it: sign in, then copy the text for the agent.",
    ),
    h(
      "div",
      { class: "actions" },
      button("Sign in", () => {
        node.close();
        app.signIn();
      }, { class: isOpen ? "" : "primary" }),
    ),
  );
  node.querySelector(".copyable button, .actions button").focus();
}
