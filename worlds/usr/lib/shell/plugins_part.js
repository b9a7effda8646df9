/**
 * The plugins on the home page: each with its state, and whether it is well. What the machine knows of
 * a plugin's health is at its state's path.
 */

import { askJson } from "./api.js?raw";
import { h } from "./dom.js?raw";
import { pathOf } from "./place.js?raw";

/**
 * @param {AbortSignal} signal
 * @returns {{ node: Node, draw: (plugins: { name: string, state: string }[]) => void }}
 */
export function pluginsPart(signal) {
  const node = h("ul", { class: "plugins" });
  let turn = 0;

  /** Draws the list at once, and what needs asking as soon as it is known. */
  async function draw(plugins) {
    const mine = ++turn;
    const rows = plugins.toSorted((a, b) => a.name < b.name ? -1 : 1).map(({ name, state }) => ({
      name,
      mark: h("span", { class: `tag ${state}` }, state),
      about: h("small", {}),
    }));
    node.replaceChildren(
      ...rows.map(({ name, mark, about }) =>
        h("li", {}, h("a", { href: pathOf(name) }, name.slice("lib/".length)), about, mark)
      ),
    );
    if (rows.length === 0) node.append(h("li", { class: "hint" }, "none"));
    await Promise.all(rows.map(async ({ name, mark, about }) => {
      const told = await askJson(`${pathOf(name)}/state`, { signal }).catch(() => undefined);
      if (told === undefined || mine !== turn || signal.aborted) return;
      const { word, tone, detail } = healthOf(told);
      mark.textContent = word;
      mark.className = `tag ${tone}`;
      mark.title = detail;
      about.textContent = detail;
    }));
  }

  return { node, draw };
}

/**
 * A plugin's health in a word, its tone, and what there is to add.
 *
 * @param {any} told what the machine tells of its state
 */
export function healthOf({ state = "unknown", up = false, fault, health = {} }) {
  if (state !== "active") return { word: state, tone: state, detail: "" };
  const trouble = fault ?? health.reason ?? "";
  if (!up) return { word: "down", tone: "bad", detail: trouble };
  if (health.crashes > 0) {
    const times = health.crashes === 1 ? "once" : `${health.crashes} times`;
    return { word: "up", tone: "pending", detail: `ended ${times}` };
  }
  return { word: "up", tone: "good", detail: trouble };
}
