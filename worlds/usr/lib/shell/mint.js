/**
 * Gives an agent a key to a part of the tree: a capability for a prefix, for a time, with the words
 * that tell an agent what it is.
 */

import { askJson } from "./api.js?raw";
import { copyable } from "./commands.js?raw";
import { openDialog } from "./dialog.js?raw";
import { h } from "./dom.js?raw";
import { parentOf, placeOf } from "./place.js?raw";

const LIFETIMES = {
  "900": "15 minutes",
  "3600": "1 hour",
  "28800": "8 hours",
  "86400": "1 day",
  "604800": "1 week",
  "2592000": "30 days",
};

/** Opens the box; the prefix is where the browser is, unless somebody says otherwise. */
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
    h("option", { value: "rw" }, "read and write"),
    h("option", { value: "r" }, "read only"),
  );
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
    try {
      const cap = await askJson(`/auth/mint?${query}`, { method: "POST" });
      result.replaceChildren(
        copyable("Token", cap.token),
        copyable("Prompt for an agent", agentPrompt(location.origin, cap)),
        h("p", { class: "hint" }, "It is shown here and kept nowhere; it ends by itself."),
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
      h("label", {}, h("span", {}, "Everything at and below"), prefix),
      h(
        "div",
        { class: "pair" },
        h("label", {}, h("span", {}, "May"), mode),
        h("label", {}, h("span", {}, "For"), ttl),
      ),
      fault,
      h("button", { type: "submit", class: "primary" }, "Mint"),
    ),
    result,
  );
}

/**
 * What an agent needs to be told.
 *
 * @param {string} origin of the machine
 * @param {{ token: string, prefix: string, mode: string, exp: number }} cap
 */
export function agentPrompt(origin, { token, prefix, mode, exp }) {
  const writes = mode === "rw";
  return [
    `You have a place on an HTTP machine: ${origin}${prefix}/`,
    `Send this header with every request: Authorization: Bearer ${token}`,
    `GET ${origin}${prefix}/ lists what is there, one name a line. GET a name reads it as JSON; ?raw gives its bytes.`,
    ...(writes
      ? [
        "PUT a name with a body creates or replaces it; POST appends. Any name and any format will do; a person watches the pages live in a browser, and HTML, SVG, Markdown, JSON and CSV are shown rendered.",
        'To change what others may change too, read it first and send its ETag back as If-Match: "…"; 412 means that somebody was faster, so read again.',
        "Say what a write is worth in headers such as X-Meta-Author, X-Meta-Confidence, X-Meta-Source.",
      ]
      : ["You may read and nothing else."]),
    `Everything outside ${prefix} is closed to you. The key ends at ${
      new Date(exp * 1000).toISOString()
    }.`,
  ].join("\n");
}
