/** Mints a capability for a prefix, with a prompt that explains it to an agent. */

import { agentPrompt } from "./agent_prompt.js";
import { requestJson } from "./api.js";
import { copyable } from "./commands.js";
import { showDialog } from "./dialog.js";
import { h } from "./dom.js";
import { parentOf, placeOf } from "./place.js";

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

/** Opens the dialog. The proposed prefix is the collection that is shown. */
export function openMint() {
  const place = placeOf(location.pathname);
  const here = place.collection ? place.name : parentOf(place.name);
  const prefix = h("input", {
    name: "prefix",
    required: true,
    pattern: "/.*",
    value: here.startsWith("home")
      ? `/${here === "home" ? "home/scratch" : here}`
      : "/home/scratch",
    spellcheck: "false",
  });
  const ttl = h(
    "select",
    { name: "ttl" },
    Object.entries(LIFETIMES).map(([value, label]) => h("option", { value }, label)),
  );
  ttl.value = "3600";
  const mode = h(
    "select",
    { name: "mode" },
    Object.entries(MODES).map(([value, label]) => h("option", { value }, label)),
  );
  mode.value = "rw";
  const name = h("input", {
    name: "name",
    pattern: "[A-Za-z0-9._\\-]{1,64}",
    maxlength: "64",
    placeholder: "kestrel",
    title: "1 to 64 letters, digits, dots, underscores and hyphens",
    autocomplete: "off",
    spellcheck: "false",
  });
  const fault = h("p", { class: "fault", role: "alert" });
  const result = h("div", { class: "minted" });
  async function submit(event) {
    event.preventDefault();
    fault.textContent = "";
    const query = new URLSearchParams({
      prefix: prefix.value.trim(),
      ttl: ttl.value,
      mode: mode.value,
    });
    const holder = name.value.trim();
    if (holder !== "") query.set("name", holder);
    try {
      const cap = await requestJson(`/auth/mint?${query}`, { method: "POST" });
      result.replaceChildren(
        copyable("Token", cap.token),
        copyable("Prompt for an agent", agentPrompt(location.origin, cap)),
        h(
          "p",
          { class: "hint" },
          "Copy it now: it is not stored. It expires automatically. To end it before, add its id to ",
          h("code", {}, "/etc/revoked"),
          ": ",
          h("code", {}, cap.id),
        ),
      );
    } catch (error) {
      fault.textContent = error.message;
    }
  }
  showDialog(
    "Mint a capability",
    h(
      "form",
      { class: "sign-in", on: { submit } },
      h("label", {}, h("span", {}, "Prefix: this path and all below it"), prefix),
      h(
        "div",
        { class: "pair" },
        h("label", {}, h("span", {}, "Access"), mode),
        h("label", {}, h("span", {}, "Valid for"), ttl),
      ),
      h("label", {}, h("span", {}, "Name of the holder, which the history shows (optional)"), name),
      fault,
      h("button", { type: "submit", class: "primary" }, "Mint"),
    ),
    result,
  );
}
