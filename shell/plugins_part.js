/** The plugins, devices and mounts on the home page, with the health that `/proc/plugins` reports. */

import { readPlugins, readRows, requestAnswer } from "./answers.js";
import { fill, h } from "./dom.js";
import { size } from "./format.js";
import { healthOf } from "./health_facts.js";
import { pathOf } from "./place.js";

const DEVICES = "/dev/";

/** @param {AbortSignal} signal */
export function pluginsPart(signal) {
  const plugins = h("ul", { class: "plugins" });
  const devices = h("ul", { class: "devices" });
  const mounts = h("ul", { class: "mounts" });
  const node = h(
    "div",
    {},
    part("Plugins", "/lib/", plugins),
    part("Devices", "/dev/", devices),
    part("Mounts", "/mnt/", mounts),
  );
  let turn = 0;

  /** Requests everything and draws it. Resolves with the number of active plugins. */
  async function update() {
    const mine = ++turn;
    const [found, folders] = await Promise.all([
      requestAnswer("/proc/plugins", readPlugins, { signal }),
      requestMounts(signal),
    ]);
    if (mine !== turn || signal.aborted) return undefined;
    draw(plugins, found.map((plugin) => pluginRow(plugin)));
    draw(devices, found.flatMap((plugin) => devicesOf(plugin)));
    draw(
      mounts,
      folders.map(({ name, description }) =>
        h(
          "li",
          {},
          h("a", { href: `${pathOf(`mnt/${name}`)}/` }, name),
          h("small", { title: description }, description ?? ""),
        )
      ),
    );
    return found.filter(({ state }) => state === "active").length;
  }

  return { node, update };
}

/** A plugin answers for the folder: whatever it answers, the page is shown. */
function requestMounts(signal) {
  return requestAnswer("/mnt/", (value) => readRows(value) ?? [], { signal }).catch((error) => {
    if (error.status === 401 || error.status === 403 || signal.aborted) throw error;
    return [];
  });
}

function part(title, path, list) {
  return h("div", { class: "part" }, h("h3", {}, h("a", { href: path }, title)), list);
}

function draw(list, rows) {
  fill(list, rows.length === 0 ? h("li", { class: "hint" }, "none") : rows);
}

function pluginRow(plugin) {
  const { detail } = healthOf(plugin);
  return row(`lib/${plugin.name}`, plugin.name, plugin, detail || plugin.description);
}

/** The devices of a plugin: its routes below `/dev/`. */
function devicesOf(plugin) {
  return (plugin.routes ?? []).filter((route) => route.startsWith(DEVICES)).map((route) =>
    row(route.slice(1), route.slice(DEVICES.length), plugin, plugin.description)
  );
}

function row(path, name, plugin, about = "") {
  return h(
    "li",
    {},
    h("a", { href: pathOf(path) }, name),
    h("small", { title: about }, about),
    healthTags(plugin),
  );
}

/** The memory and the health of a plugin, for a row. */
export function healthTags(plugin) {
  const { word, tone, detail } = healthOf(plugin);
  const kib = plugin.health?.resident_kib;
  return [
    kib > 0
      ? h("span", { class: "memory", title: "Memory of its process" }, size(kib * 1024))
      : null,
    h("span", { class: `tag ${tone}`, title: detail }, word),
  ];
}
