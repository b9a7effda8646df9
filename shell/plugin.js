/**
 * The panel of a plugin: its description, what it requests, its health, and the buttons that activate
 * and disable it. The server decides whether the caller is allowed to.
 */

import { drawApprovedChange, findApprovedChange } from "./approved_change.js";
import { needs, request, send, toPluginState } from "./connected.js";
import { button, fill, h } from "./dom.js";
import { healthFacts } from "./health_facts.js";
import { confirmActivation, listPermissions } from "./permission_list.js";
import { pathOf } from "./place.js";

/** @param {string} name `lib/example` */
export function pluginPanel(name) {
  const path = `${pathOf(name)}/state`;
  const node = h("section", { class: "card plugin", "aria-label": "Plugin" });
  const fault = h("pre", { class: "command fault", role: "alert", hidden: true });
  const change = h("div", { hidden: true });
  let shown;
  let turn = 0;

  async function update(world) {
    const mine = ++turn;
    shown = world;
    node.hidden = false;
    const response = await request(path).catch(() => undefined);
    const json = response?.ok ? await response.json().catch(() => undefined) : undefined;
    const status = json?.routes ? toPluginState(json) ?? {} : json ?? {};
    const permissions = status.routes === undefined ? [] : listPermissions(status);
    if (mine !== turn) return;
    draw({ state: world.state, ...status }, permissions);
    const found = status.state === "active"
      ? undefined
      : await findApprovedChange(name, world.version).catch(() => undefined);
    if (mine !== turn) return;
    fill(change, found === undefined ? null : drawApprovedChange(found));
    change.hidden = found === undefined;
  }

  /** Runs an action of the operator. Its error stays on the page until the next action. */
  async function attempt(action) {
    fault.hidden = true;
    node.setAttribute("aria-busy", "true");
    try {
      await action();
    } catch (error) {
      fault.textContent = error.message;
      fault.hidden = false;
    } finally {
      node.removeAttribute("aria-busy");
    }
  }

  /**
   * Sends the version that is shown, so that exactly this source is approved.
   *
   * @param {"active" | "disabled"} to
   * @param {string} [asks] the digest of what was shown
   */
  async function setState(to, asks) {
    const body = asks === undefined ? to : JSON.stringify({ state: to, asks });
    await send(path, { method: "PUT", body, headers: { "if-match": `"${shown.version}"` } });
    await update({ ...shown, state: to });
  }

  async function activate() {
    const [{ asks }, found] = await Promise.all([
      send(`${path}?asks`).then((response) => response.json()),
      findApprovedChange(name, shown.version),
    ]);
    if (await confirmActivation(name, asks, found)) await setState("active", asks.digest);
  }

  const forT3 = (control) => needs(control, path, "PUT");

  function draw(status, permissions) {
    const { state = "unknown" } = status;
    const hasFocus = node.querySelector(".actions")?.contains(document.activeElement);
    const faults = [status.fault, status.health?.reason].filter(Boolean).join("\n");
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
            ? forT3(
              button("Disable", () => attempt(() => setState("disabled")), { class: "danger" }),
            )
            : forT3(button("Activate…", () => attempt(activate), { class: "primary" })),
        ),
      ),
      status.description ? h("p", {}, status.description) : null,
      permissions.length > 0 ? h("ul", {}, permissions.map((text) => h("li", {}, text))) : h(
        "p",
        { class: "hint" },
        "Not active. Activate shows first what the plugin requests.",
      ),
      change,
      status.state !== "active"
        ? null
        : h("p", { class: "hint" }, status.up ? "Its routes are up." : "Its routes are down."),
      h(
        "dl",
        {},
        healthFacts(status).map(([fact, value]) =>
          h("div", {}, h("dt", {}, fact), h("dd", {}, value))
        ),
      ),
      faults === "" ? null : h("pre", { class: "command fault" }, faults),
      fault,
    );
    // Also if the panel is drawn again while the user reads it.
    if (hasFocus) node.querySelector(".actions button").focus({ preventScroll: true });
  }

  return { node, update };
}
