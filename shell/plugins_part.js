/** The plugins on the home page, each with its state and health from `/lib/<name>/state`. */

import { readPluginState, requestAnswer } from "./answers.js";
import { h } from "./dom.js";
import { pathOf } from "./place.js";

/**
 * @param {AbortSignal} signal
 * @returns {{ node: Node, draw: (plugins: { name: string, state: string }[]) => void }}
 */
export function pluginsPart(signal) {
  const node = h("ul", { class: "plugins" });
  let turn = 0;

  /** Draws the list, then the health of each plugin as it arrives. */
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
      const status = await requestAnswer(`${pathOf(name)}/state`, readPluginState, { signal })
        .catch(() => undefined);
      if (status === undefined || mine !== turn || signal.aborted) return;
      const { word, tone, detail } = healthOf(status);
      mark.textContent = word;
      mark.className = `tag ${tone}`;
      mark.title = detail;
      about.textContent = detail;
    }));
  }

  return { node, draw };
}

/**
 * The health of a plugin: one word, its colour, and details.
 *
 * @param {any} status the JSON of `/lib/<name>/state`
 */
export function healthOf({ state = "unknown", up = false, fault, health = {} }) {
  if (state !== "active") return { word: state, tone: state, detail: "" };
  const reason = fault ?? health.reason ?? "";
  if (!up) return { word: "down", tone: "bad", detail: reason };
  if (health.crashes > 0) {
    const times = health.crashes === 1 ? "once" : `${health.crashes} times`;
    return { word: "up", tone: "pending", detail: `ended ${times}` };
  }
  return { word: "up", tone: "good", detail: reason };
}
