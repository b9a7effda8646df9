/**
 * The approver's page of a plugin: what it is, what it asks for in plain words, how it fares, and
 * the switch. Whether somebody may turn it is the machine's decision.
 */

import { ask, request } from "./api.js?raw";
import { note, noteRefusal } from "./chrome.js?raw";
import { button, fill, h, style } from "./dom.js?raw";
import { pathOf } from "./place.js?raw";

await style("plugin");

const TIERS = {
  T1: "Anybody who may read this machine may call it.",
  T2: "Callers need the token (T2).",
  T3: "Callers need the approve token (T3).",
};
const MODES = { r: "read", rw: "read and write" };
const PERMISSIONS = {
  net: "reach the network at",
  read: "read files below",
  write: "write files below",
  env: "read the environment variables",
  run: "start the programs",
  ffi: "load native libraries",
  sys: "ask the system about",
  import: "load code from",
};

/** @param {string} name `lib/example` */
export function pluginPanel(name) {
  const path = `${pathOf(name)}/state`;
  const node = h("section", { class: "card plugin", "aria-label": "Plugin" });

  async function update(world) {
    const response = await request(path).catch(() => undefined);
    const told = response?.ok ? await response.json().catch(() => ({})) : {};
    draw({ state: world.state, ...told });
  }

  async function turn(to) {
    node.setAttribute("aria-busy", "true");
    try {
      await ask(path, { method: "PUT", body: to });
      note(`${name.slice(4)} is ${to}`);
    } catch (error) {
      noteRefusal(error);
    } finally {
      node.removeAttribute("aria-busy");
    }
  }

  function draw(told) {
    const active = told.state === "active";
    fill(
      node,
      h(
        "header",
        {},
        h("h2", {}, "Plugin"),
        h("span", { class: `tag ${told.state}` }, told.state ?? "unknown"),
        h(
          "div",
          { class: "actions" },
          active
            ? button("Disable", () => turn("disabled"), { class: "danger" })
            : button("Activate", () => turn("active"), { class: "primary" }),
        ),
      ),
      told.description ? h("p", {}, String(told.description)) : null,
      h("ul", {}, wishes(told).map((wish) => h("li", {}, wish))),
      health(told),
    );
  }

  return { node, update };
}

/**
 * What a plugin asks for, a sentence each.
 *
 * @param {Record<string, any>} told the machine's answer at `/lib/<name>/state`
 * @returns {string[]}
 */
export function wishes(
  { routes = [], auth, grants = {}, permissions = {}, config = [], fallback, state },
) {
  const known = routes.length > 0 || fallback;
  if (!known) {
    return [
      state === "active"
        ? "It serves no route."
        : "What it asks for is read from its source when it is activated; a plugin that asks for more than it should is refused or can be disabled at once.",
    ];
  }
  const asked = Object.entries(permissions ?? {}).filter(([, value]) =>
    value === true || (Array.isArray(value) && value.length > 0)
  );
  return [
    `It answers at ${routes.map((route) => route.path ?? route).join(", ")} and everything below.`,
    fallback ? "It answers for every path that nothing else answers for." : "",
    TIERS[auth] ?? "",
    ...Object.entries(grants ?? {}).map(([prefix, mode]) =>
      `By itself it may ${MODES[mode] ?? mode} ${prefix.endsWith("/") ? "below " : ""}${prefix}.`
    ),
    ...asked.map(([kind, value]) =>
      `It may ${PERMISSIONS[kind] ?? kind} ${
        value === true ? "everything (all)" : value.join(", ")
      }.`
    ),
    asked.length === 0 ? "It reaches no network, files, programs or environment." : "",
    config.length > 0 ? `It starts anew when ${config.join(", ")} changes.` : "",
  ].filter((line) => line !== "");
}

function health({ health: found, errors, last_error, error }) {
  const lines = typeof found === "string" ? [found] : Object.entries(found ?? {})
    .filter(([, value]) => value !== null && typeof value !== "object")
    .map(([key, value]) => `${key}: ${value}`);
  const failures = [errors, last_error, error, found?.last_error, found?.errors].flat()
    .filter((value) => value !== undefined && value !== null)
    .map((value) => typeof value === "string" ? value : JSON.stringify(value));
  if (lines.length === 0 && failures.length === 0) return null;
  return h(
    "details",
    { open: failures.length > 0 },
    h("summary", {}, "Health"),
    lines.length > 0 ? h("p", { class: "hint" }, lines.join(" · ")) : null,
    failures.map((failure) => h("pre", { class: "command fault" }, failure)),
  );
}
