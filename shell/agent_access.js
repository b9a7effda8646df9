/**
 * "Tell any AI": gives the user the text that lets an agent work here. With T3 it mints a capability;
 * on a computer that needs no credential, the text works without one.
 */

import { agentPrompt } from "./agent_prompt.js";
import { currentCaller, knownCaller } from "./caller.js";
import { signInAction } from "./chrome.js";
import { copyable } from "./commands.js";
import { showDialog } from "./dialog.js";
import { button, h } from "./dom.js";
import { openMint } from "./mint.js";
import { authorization } from "./session.js";

/** Opens the dialog that fits to the caller. */
export async function openAgentAccess() {
  await knownCaller();
  const { tier } = currentCaller();
  if (tier === "T3") return await openMint("/home/scratch");
  const isOpen = tier === "T2" && authorization() === null;
  const node = showDialog(
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
        signInAction().run();
      }, { class: isOpen ? "" : "primary" }),
    ),
  );
}
