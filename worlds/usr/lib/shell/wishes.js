/**
 * What a plugin asks for, in plain words, and the question whether it shall have it.
 */

import { openDialog } from "./dialog.js?raw";
import { button, h } from "./dom.js?raw";

const TIERS = {
  T1: "Anybody who may read this machine may call it.",
  T2: "Its callers need the token (T2).",
  T3: "Its callers need the approve token (T3).",
};
const MODES = { r: "read", rw: "read and write" };
const PERMISSIONS = {
  net: "reach over the network",
  read: "read from the disk",
  write: "write to the disk",
  env: "know the environment variables",
};

/**
 * A sentence for each wish.
 *
 * @param {Record<string, any>} manifest as the machine tells it: routes, auth, grants, permissions…
 * @returns {string[]}
 */
export function wishes(
  { routes = [], auth, grants = {}, permissions = {}, config = [], fallback },
) {
  const asked = Object.entries(permissions).filter(([, list]) => list.length > 0);
  return [
    routes.length > 0 ? `It answers at ${routes.join(", ")} and below.` : "",
    fallback ? "It answers wherever nothing else does." : "",
    TIERS[auth] ?? "",
    ...Object.entries(grants).map(([prefix, mode]) =>
      `By itself it may ${MODES[mode] ?? mode} ${
        prefix.endsWith("/") ? "all below " : ""
      }${prefix}.`
    ),
    Object.keys(grants).length === 0 ? "It touches worlds only with its caller's own rights." : "",
    ...asked.map(([kind, list]) => `It may ${PERMISSIONS[kind] ?? kind}: ${list.join(", ")}.`),
    asked.length === 0 ? "It reaches no network, disk or environment." : "",
    config.length > 0
      ? `It reads ${config.join(", ")}, and starts anew when one of them changes.`
      : "",
  ].filter((line) => line !== "");
}

/** Shows what a plugin asks for; resolves with the answer. */
export function approve(name, asks) {
  return new Promise((resolve) => {
    const node = openDialog(
      `Activate ${name.slice("lib/".length)}?`,
      asks.description ? h("p", {}, asks.description) : null,
      h("ul", {}, wishes(asks).map((wish) => h("li", {}, wish))),
      h(
        "p",
        { class: "hint" },
        "A change of its source takes it down again, until somebody approves that.",
      ),
      h(
        "div",
        { class: "actions" },
        button("Cancel", () => node.close()),
        button("Activate", () => {
          resolve(true);
          node.close();
        }, { class: "primary" }),
      ),
    );
    node.addEventListener("close", () => resolve(false));
  });
}
