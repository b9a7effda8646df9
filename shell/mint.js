/** Mints a capability for a prefix, with a prompt that explains it to an agent. */

import { requestJson } from "./api.js";
import { copyable } from "./commands.js";
import { openDialog } from "./dialog.js";
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
  openDialog(
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

/**
 * The prompt for an agent that gets the capability. It names the skill page, which has the rest.
 *
 * @param {string} origin of the server
 * @param {{ token: string, prefix: string, mode: string, name: string | null, exp: number }} cap
 */
export function agentPrompt(origin, { token, prefix, mode, name, exp }) {
  const folder = prefix === "/" ? `${origin}/` : `${origin}${prefix}/`;
  return [
    `You can use a part of an HTTP server: ${folder}`,
    `Send this header with every request: Authorization: Bearer ${token}`,
    `First read how to use it: GET ${origin}/usr/lib/skills/elastik.md?raw`,
    `GET ${folder} lists the names, one per line. GET of a name reads it as JSON; with ?raw as bytes.`,
    ...(mode === "r" ? ["You can only read."] : [
      "PUT creates or replaces a name; POST appends to it. Any name and any format are allowed. People watch the pages live in a browser, which renders HTML, SVG, Markdown, JSON and CSV.",
      'Before you change content that others can change, read it and send its ETag as If-Match: "…". 412 means that it changed in between: read it again.',
      mode === "rwd" ? "DELETE moves a name to the trash." : "You cannot delete or move anything.",
    ]),
    ...(name === null ? [] : [`The history shows your changes under the name ${name}.`]),
    `You cannot change anything outside ${prefix}. The token expires at ${
      new Date(exp * 1000).toISOString()
    }.`,
  ].join("\n");
}
