/**
 * The approver's page of a plugin: what it is, what it asks for in plain words, how it fares, and
 * the switch. Whether somebody may turn it is the machine's decision.
 */

import { ask, askJson, request } from "./api.js?raw";
import { button, fill, h, style } from "./dom.js?raw";
import { pathOf } from "./place.js?raw";

await style("plugin");

/** @param {string} name `lib/example` */
export function pluginPanel(name) {
  const path = `${pathOf(name)}/state`;
  const node = h("section", { class: "card plugin", "aria-label": "Plugin" });
  const fault = h("pre", { class: "command fault", role: "alert", hidden: true });
  let seen;

  async function update(world) {
    seen = world;
    const response = await request(path).catch(() => undefined);
    const told = response?.ok ? await response.json().catch(() => ({})) : {};
    const asked = told.routes === undefined ? [] : (await import("./wishes.js?raw")).wishes(told);
    draw({ state: world.state, ...told }, asked);
  }

  /** Runs an act of the approver's; the machine's refusal stays on the page until the next one. */
  async function attempt(act) {
    fault.hidden = true;
    node.setAttribute("aria-busy", "true");
    try {
      await act();
    } catch (error) {
      fault.textContent = error.message;
      fault.hidden = false;
    } finally {
      node.removeAttribute("aria-busy");
    }
  }

  /** Approval is of the source that is on the page, so its version goes along. */
  async function turn(to) {
    await ask(path, { method: "PUT", body: to, headers: { "if-match": `"${seen.version}"` } });
    await update({ ...seen, state: to });
  }

  async function activate() {
    const { asks } = await askJson(`${path}?asks`);
    const { approve } = await import("./wishes.js?raw");
    if (await approve(name, asks)) await turn("active");
  }

  function draw(told, asked) {
    const { state = "unknown" } = told;
    const trouble = [told.fault, told.health?.reason].filter(Boolean).join("\n");
    fill(
      node,
      h(
        "header",
        {},
        h("h2", {}, "Plugin"),
        h("span", { class: `tag ${state}` }, state),
        h(
          "div",
          { class: "actions" },
          state === "active"
            ? button("Disable", () => attempt(() => turn("disabled")), { class: "danger" })
            : button("Activate…", () => attempt(activate), { class: "primary" }),
        ),
      ),
      told.description ? h("p", {}, told.description) : null,
      asked.length > 0 ? h("ul", {}, asked.map((wish) => h("li", {}, wish))) : h(
        "p",
        { class: "hint" },
        "It is not running. Activating it shows first what it asks for.",
      ),
      told.up === undefined ? null : h("p", { class: "hint" }, healthOf(told)),
      trouble === "" ? null : h("pre", { class: "command fault" }, trouble),
      fault,
    );
  }

  return { node, update };
}

function healthOf({ up, health = {} }) {
  const { state, requests, crashes, residentKiB } = health;
  return [
    up ? "Its routes are up" : "Its routes are down",
    state && `the cell is ${state}`,
    residentKiB && `${Math.round(residentKiB / 1024)} MiB`,
    requests && `${requests} requests open`,
    crashes && `ended ${crashes} times`,
  ].filter(Boolean).join(" · ");
}
