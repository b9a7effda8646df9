/** What a plugin requests, as sentences, and the dialog that approves it. */

import { drawApprovedChange } from "./approved_change.js";
import { openDialog, toRequested } from "./connected.js";
import { h } from "./dom.js";

const TIERS = {
  T1: "Any caller that can read this server can call it.",
  T2: "Callers need T2.",
  T3: "Callers need T3.",
};
const MODES = { r: "read", rw: "read and write" };
const PERMISSIONS = {
  net: "reach over the network",
  read: "read from the disk",
  write: "write to the disk",
  env: "read the environment variables",
};

/**
 * Returns one sentence for each request.
 *
 * @param {Record<string, any>} manifest JSON of the server: routes, auth, grants, permissions…
 * @returns {string[]}
 */
export function listPermissions(
  {
    routes = [],
    auth,
    subject,
    grants = {},
    permissions = {},
    config = [],
    fallback,
    cron = [],
    on = [],
    kv,
  },
) {
  const requested = Object.entries(permissions).filter(([, list]) => list.length > 0);
  return [
    routes.length > 0 ? `It answers at ${routes.join(", ")} and below.` : "",
    fallback ? "It answers paths that nothing else answers." : "",
    routes.length > 0 || fallback ? TIERS[auth] ?? "" : "It answers no requests.",
    cron.length > 0 ? `It runs on a schedule, in UTC: ${cron.join("; ")}.` : "",
    on.length > 0 ? `It runs after each change of ${on.map(toWatched).join(", ")}.` : "",
    subject ? "A capability for the path after its route is sufficient to call it." : "",
    ...Object.entries(grants).map(([prefix, mode]) =>
      `With its own rights it can ${MODES[mode] ?? mode} ${
        prefix.endsWith("/") ? "all below " : ""
      }${prefix}.`
    ),
    kv ? "It keeps values of its own below /var/lib, also after it was deleted." : "",
    Object.keys(grants).length === 0 && !kv
      ? "It accesses worlds only with the rights of its caller."
      : "",
    ...requested.map(([kind, list]) => `It can ${PERMISSIONS[kind] ?? kind}: ${list.join(", ")}.`),
    requested.length === 0 ? "It has no access to the network, the disk or the environment." : "",
    config.length > 0
      ? `It reads ${config.join(", ")}, and restarts when one of them changes.`
      : "",
  ].filter((line) => line !== "");
}

function toWatched(path) {
  return path.endsWith("/") ? `all below ${path}` : path;
}

/**
 * Shows what a plugin requests, and what has changed since it was approved last. Resolves with true if
 * the user activates it.
 *
 * @param {string} name `lib/example`
 * @param {any} asks what it requests
 * @param {import("./approved_change.js").ApprovedChange} [change]
 */
export async function confirmActivation(name, asks, change) {
  const values = await openDialog({
    title: `Activate ${name.slice("lib/".length)}?`,
    text: [
      asks.description ? h("p", {}, asks.description) : null,
      h("ul", { class: "requests" }, comparePermissions(asks, change?.approved)),
      change === undefined ? null : drawApprovedChange(change, true),
      h(
        "p",
        { class: "hint" },
        "A change of its source disables it until the new source is approved.",
      ),
    ],
    confirm: "Activate",
  });
  return values !== null;
}

/** The sentences as list items; those that the last approval did not have, or only it, are marked. */
function comparePermissions(asks, approved) {
  const now = listPermissions(asks);
  const before = approved === undefined ? now : listPermissions(toRequested(approved) ?? {});
  return [
    ...now.map((text) =>
      h("li", {}, before.includes(text) ? null : h("span", { class: "tag pending" }, "new"), text)
    ),
    ...before.filter((text) => !now.includes(text)).map((text) =>
      h("li", { class: "gone" }, h("span", { class: "tag" }, "no longer"), h("del", {}, text))
    ),
  ];
}
