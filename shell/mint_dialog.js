/**
 * Mints a capability for a prefix, and shows the prompt that explains it to an agent. Neither the server
 * nor the shell keeps a list of what was minted. Loaded when it is first needed (`account.js`).
 */

import { agentPrompt } from "./agent_prompt.js";
import { copyable } from "./commands.js";
import { button, h } from "./dom.js";
import { parentOf, placeOf } from "./place.js";
import { timeAt } from "./times.js";

const LIFETIMES = {
  "900": "15 minutes",
  "3600": "1 hour",
  "28800": "8 hours",
  "86400": "1 day",
  "604800": "1 week",
  "2592000": "30 days",
};

const MODES = {
  "r": "read only",
  "rw": "read and write",
  "rwd": "read, write, delete and move",
};

/**
 * Asks for what the capability allows, mints it and shows the prompt.
 *
 * @param {import("./account.js").App} app
 * @param {string} [proposed] prefix to begin with; by default the collection that is shown
 */
export async function openMint(app, proposed = shownPrefix()) {
  let cap;
  await app.openDialog({
    title: "Mint a capability",
    text: "A token for an agent or a person: for one part of this server, and for a limited time.",
    fields: [
      {
        name: "name",
        label: "Name of the holder, which the history shows (optional)",
        pattern: "[A-Za-z0-9._\\-]{1,64}",
        maxlength: "64",
        placeholder: "kestrel",
        title: "1 to 64 letters, digits, dots, underscores and hyphens",
        autocapitalize: "none",
      },
      {
        name: "mode",
        label: "Access",
        type: "select",
        options: Object.entries(MODES),
        value: "rw",
      },
      {
        name: "prefix",
        label: "Prefix: this path and all below it",
        required: true,
        pattern: "/.*",
        title: "A path that begins with /",
        value: proposed,
      },
      {
        name: "ttl",
        label: "Valid for",
        type: "select",
        options: Object.entries(LIFETIMES),
        value: "3600",
      },
    ],
    confirm: "Mint",
    async submit({ name, mode, prefix, ttl }) {
      const query = new URLSearchParams({ prefix: prefix.trim(), ttl, mode });
      if (name.trim() !== "") query.set("name", name.trim());
      cap = await app.requestJson(`/auth/mint?${query}`, { method: "POST" });
    },
  });
  if (cap === undefined) return;
  const node = app.showDialog(`Capability for ${cap.prefix}`, minted(app, cap));
  // The token is shown only once: a click next to the dialog must not lose it.
  node.mayCloseOutside = () => false;
  node.querySelector(".copyable button").focus();
}

/** The collection that is shown, if it is below `/home`. */
function shownPrefix() {
  const { name, collection } = placeOf(location.pathname);
  const here = collection ? name : parentOf(name);
  return here.startsWith("home/") ? `/${here}` : "/home/scratch";
}

/** The prompt first, since it contains the token. */
function minted(app, cap) {
  const until = new Date(cap.exp * 1000);
  return [
    h(
      "p",
      {},
      `${cap.name === null ? "Its holder" : cap.name} can ${MODES[cap.mode].replace("only", "")}`
        .trimEnd(),
      ` below ${cap.prefix}, until `,
      timeAt(until.toISOString()),
      ". Copy it now: it is not stored, and there is no list of capabilities.",
    ),
    copyable("Tell any AI", agentPrompt(location.origin, cap)),
    copyable("Token", cap.token),
    revocation(app, cap.id),
  ];
}

/** Ends the capability before its time. */
function revocation(app, id) {
  const fault = h("p", { class: "fault", role: "alert" });
  const end = button("Revoke it", async () => {
    fault.textContent = "";
    end.disabled = true;
    try {
      await app.send("/etc/revoked", {
        method: "POST",
        body: new TextEncoder().encode(`${id}\n`),
        headers: { "content-type": "application/octet-stream" },
      });
      end.textContent = "Revoked";
    } catch (error) {
      fault.textContent = error.message;
      end.disabled = false;
    }
  }, { class: "danger" });
  return h(
    "div",
    { class: "revocation" },
    h(
      "p",
      { class: "hint" },
      "It ends automatically. To end it before, add its id to ",
      h("code", {}, "/etc/revoked"),
      ": ",
      h("code", {}, id),
    ),
    end,
    fault,
  );
}
