/**
 * The machine at a glance: its tree with counts, what changes while you look, and what it is made
 * of. Everything is read from the machine's own paths.
 */

import { askJson } from "./api.js?raw";
import { h, style } from "./dom.js?raw";
import { ago, count, duration } from "./format.js?raw";
import { NAMESPACES, pathOf } from "./place.js?raw";
import { pluginsPart } from "./plugins_part.js?raw";
import { follow } from "./stream.js?raw";
import { tree } from "./tree.js?raw";

await style("lists");

const RECENT = 12;
const ABOUT = {
  home: "your worlds",
  etc: "configuration",
  usr: "skills, renderers, documents",
  var: "logs and caches",
  boot: "startup, for approvers",
  lib: "plugins",
};

/** Shows the page and keeps it true. */
export async function show(main, _place, { signal, refused }) {
  const [worlds, status, routes, devices, mounts] = await Promise.all([
    askJson("/proc/worlds", { signal }),
    askJson("/proc/status", { signal }),
    askJson("/bin", { signal }),
    askJson("/dev/", { signal }),
    askJson("/mnt/", { signal }),
  ]).catch(async (error) => {
    // Who holds a part of the tree begins there.
    const { prefix } = error.status === 403 ? await askJson("/auth/whoami", { signal }) : {};
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
  function drawRecent(fresh) {
    const newest = [...byName.values()]
      .filter(({ layer }) => layer !== "lower")
      .sort((a, b) => a.updated_at < b.updated_at ? 1 : -1)
      .slice(0, RECENT);
    recent.replaceChildren(...newest.map((world) => changeRow(world, world.name === fresh)));
    if (newest.length === 0) {
      recent.append(h("li", { class: "empty-line" }, "No change yet. Write something into /home."));
    }
  }

  const plugins = pluginsPart(signal);
  function drawPlugins() {
    const found = [...byName.values()].filter(({ name }) => name.startsWith("lib/"));
    active.textContent = String(found.filter(({ state }) => state === "active").length);
    plugins.draw(found);
  }

  let later = 0;
  let healthLater = 0;
  function onEvent({ type, data }) {
    if (type === "list") return;
    // The state is told before its routes are up or down.
    if (data.name.startsWith("lib/")) {
      clearTimeout(healthLater);
      healthLater = setTimeout(drawPlugins, 300);
    }
    const known = byName.has(data.name);
    if (type === "delete") byName.delete(data.name);
    else byName.set(data.name, { ...data, layer: data.version === 0 ? "lower" : "upper" });
    drawRecent(data.name);
    if (known && type !== "delete") return;
    clearTimeout(later);
    later = setTimeout(drawTree, 100);
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
        h("h2", {}, "Machine"),
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
  follow("/stream/?brief", { signal, onEvent, onRefusal: refused });
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

function changeRow({ name, version, ext, updated_at }, fresh) {
  return h(
    "li",
    { class: fresh ? "flash" : "" },
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
