/**
 * The home page: the tree with counts, recent changes, and the state of the server. Everything is read
 * from public paths of the server.
 */

import { readCaller, readRoutes, readRows, readStatus, requestAnswer } from "./answers.js";
import { h } from "./dom.js";
import { ago, count, duration } from "./format.js";
import { NAMESPACES, pathOf } from "./place.js";
import { pluginsPart } from "./plugins_part.js";
import { follow } from "./stream.js";
import { tree } from "./tree.js";

const RECENT = 12;
const ABOUT = {
  home: "your worlds",
  etc: "configuration",
  usr: "skills, renderers, documents",
  var: "logs and caches",
  boot: "startup, for T3",
  lib: "plugins",
};

/** Shows the page and follows all changes. */
export async function showHome(main, _place, { signal, showError }) {
  const [worlds, status, routes, devices, mounts] = await Promise.all([
    requestAnswer("/proc/worlds", readRows, { signal }),
    requestAnswer("/proc/status", readStatus, { signal }),
    requestAnswer("/bin", readRoutes, { signal }),
    requestPluginRows("/dev/", signal),
    requestPluginRows("/mnt/", signal),
  ]).catch(async (error) => {
    // A capability that cannot read all of this starts at its prefix.
    const { prefix } = error.status === 403
      ? await requestAnswer("/auth/whoami", readCaller, { signal })
      : {};
    if (!prefix) throw error;
    dispatchEvent(new CustomEvent("shell:go", { detail: `${pathOf(prefix.slice(1))}/` }));
    return [];
  });
  if (signal.aborted || worlds === undefined) return;
  const byName = new Map(worlds.map((world) => [world.name, world]));
  const recent = h("ul", { class: "recent" });
  const spaces = h("div", { class: "spaces" });
  const total = h("dd", {});
  const active = h("dd", {});

  function drawTree() {
    total.textContent = String(byName.size);
    spaces.replaceChildren(
      ...NAMESPACES.toSorted(byUse).map((space) => tree(space, ABOUT[space], byName)),
    );
  }
  function drawRecent(changed) {
    const newest = [...byName.values()]
      .filter(({ layer }) => layer !== "lower")
      .sort((a, b) => a.updated_at < b.updated_at ? 1 : -1)
      .slice(0, RECENT);
    recent.replaceChildren(...newest.map((world) => changeRow(world, world.name === changed)));
    if (newest.length === 0) {
      recent.append(h("li", { class: "empty-line" }, "No changes yet. Write a world below /home."));
    }
  }

  const plugins = pluginsPart(signal);
  function drawPlugins() {
    const found = [...byName.values()].filter(({ name }) => name.startsWith("lib/"));
    active.textContent = String(found.filter(({ state }) => state === "active").length);
    plugins.draw(found);
  }

  let treeTimer = 0;
  let pluginsTimer = 0;
  function onEvent({ type, data }) {
    if (type === "list") return;
    // The event of a state comes before the routes of the plugin change.
    if (data.name.startsWith("lib/")) {
      clearTimeout(pluginsTimer);
      pluginsTimer = setTimeout(drawPlugins, 300);
    }
    const known = byName.has(data.name);
    if (type === "delete") byName.delete(data.name);
    else byName.set(data.name, { ...data, layer: data.version === 0 ? "lower" : "upper" });
    drawRecent(data.name);
    if (known && type !== "delete") return;
    clearTimeout(treeTimer);
    treeTimer = setTimeout(drawTree, 100);
  }

  drawTree();
  drawRecent();
  drawPlugins();
  main.replaceChildren(
    h(
      "div",
      { class: "home" },
      h("h1", { class: "unseen" }, "elastik"),
      h("section", { class: "card changes" }, h("h2", {}, "Recent changes"), recent),
      h("section", { class: "card places" }, h("h2", {}, "Tree"), spaces),
      h(
        "section",
        { class: "card machine" },
        h("h2", {}, "Server"),
        h(
          "dl",
          {},
          fact("version", status.version),
          fact("up for", duration(status.uptime)),
          h("div", {}, h("dt", {}, "worlds"), total),
          h("div", {}, h("dt", {}, "active plugins"), active),
        ),
        h(
          "div",
          { class: "part" },
          h("h3", {}, h("a", { href: "/lib/" }, "Plugins")),
          plugins.node,
        ),
        part(
          "Devices",
          "/dev/",
          devices.map(({ name, description }) => item(pathOf(`dev/${name}`), name, description)),
        ),
        part(
          "Mounts",
          "/mnt/",
          mounts.map(({ name, description }) =>
            item(`${pathOf(`mnt/${name}`)}/`, name, description)
          ),
        ),
        part("Routes", "/bin", [
          h("li", {}, h("a", { href: "/bin" }, count(routes.length, "route"))),
        ]),
      ),
    ),
  );
  follow("/stream/?brief", { signal, onEvent, onError: showError });
}

/** The listing of a folder that a plugin may answer: whatever it answers, the page is shown. */
function requestPluginRows(path, signal) {
  return requestAnswer(path, (value) => readRows(value) ?? [], { signal }).catch((error) => {
    if (error.status === 401 || error.status === 403 || signal.aborted) throw error;
    return [];
  });
}

function byUse(a, b) {
  const order = Object.keys(ABOUT);
  return order.indexOf(a) - order.indexOf(b);
}

function fact(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, String(value)));
}

function part(title, path, items) {
  return h(
    "div",
    { class: "part" },
    h("h3", {}, h("a", { href: path }, title)),
    items.length === 0 ? h("p", { class: "hint" }, "none") : h("ul", {}, items),
  );
}

function item(path, name, about) {
  return h("li", {}, h("a", { href: path }, name), about ? h("small", {}, about) : null);
}

function changeRow({ name, version, ext, updated_at }, isNew) {
  return h(
    "li",
    { class: isNew ? "flash" : "" },
    h(
      "a",
      { href: pathOf(name) },
      h("span", { class: "name" }, `/${name}`),
      h("span", { class: "tag" }, ext),
      h("span", { class: "version" }, `v${version}`),
      h("time", { datetime: updated_at, title: updated_at }, ago(updated_at)),
    ),
  );
}
