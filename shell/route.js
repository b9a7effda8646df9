/** The view of routes: the listings of `/bin`, `/dev`, `/mnt` and `/proc`, and any other response. */

import { parseJson, readListing, readPlugins, requestAnswer } from "./answers.js";
import { send } from "./api.js";
import { h } from "./dom.js";
import { count, indented, size } from "./format.js";
import { pathOf } from "./place.js";
import { findPlugin, showLog, showPluginRoute } from "./server_pages.js";
import { healthTags } from "./plugins_part.js";
import { timeAgo } from "./times.js";

/** First segments of paths that the core answers. */
const CORE = new Set(["auth", "bin", "dav", "proc", "stream"]);
/** Where the rows of a route are, if not below it. */
const PLACES = { "proc/worlds": "", "proc/plugins": "lib/" };

/** Shows a listing as rows, and any other response as text. */
export async function showRoute(main, { name, collection }, options) {
  const { signal } = options;
  const isLog = name === "proc/log" || (collection && name.startsWith("proc/log/"));
  if (isLog) return await showLog(main, name, options);
  if (isPluginPath(name) && !name.startsWith("mnt/")) {
    const plugin = await findPlugin(name, signal);
    if (signal.aborted) return;
    if (plugin !== undefined) return await showPluginRoute(main, name, plugin, signal);
  }
  const response = await send(pathOf(name), { signal });
  const type = response.headers.get("content-type") ?? "";
  const content = await response.text();
  if (signal.aborted) return;
  const value = type.includes("json") ? parseJson(content) : undefined;
  const rows = name === "dev" ? await withHealth(readListing(value), signal) : readListing(value);
  if (signal.aborted) return;
  const body = rows === undefined
    ? h("pre", { class: "command" }, value === undefined ? content : indented(value, content))
    : listing(name, rows);
  main.replaceChildren(
    h(
      "section",
      { class: "page" },
      h(
        "header",
        { class: "head" },
        h("h1", {}, name),
        rows === undefined
          ? null
          : h("p", { class: "facts" }, count(rows.length, "entry", "entries")),
      ),
      body,
    ),
  );
}

/** Adds the health of its plugin to each device. */
async function withHealth(rows, signal) {
  if (rows === undefined || rows.length === 0) return rows;
  const plugins = await requestAnswer("/proc/plugins", readPlugins, { signal }).catch(() => []);
  const byPath = new Map(plugins.map((plugin) => [`/lib/${plugin.name}`, plugin]));
  return rows.map((row) => ({ ...row, health: byPath.get(row.plugin) }));
}

function listing(folder, rows) {
  if (rows.length === 0) {
    return h("p", { class: "empty-line" }, "Empty. Plugins provide devices and mounts.");
  }
  return h("ul", { class: "rows" }, rows.map((row) => rowOf(folder, row)));
}

function rowOf(folder, row) {
  const path = row.route ?? row.name;
  const target = row.route ?? pathOf(`${PLACES[folder] ?? `${folder}/`}${row.name}`) +
      (row.dir ? "/" : "");
  return h(
    "li",
    {},
    h(
      "a",
      { href: target },
      h("span", { class: "name" }, path, row.dir ? h("i", {}, "/") : null),
      h("span", { class: "about" }, row.description ?? row.plugin ?? ""),
      row.health === undefined ? null : healthTags(row.health),
      row.state === undefined ? null : h("span", { class: `tag ${row.state}` }, row.state),
      row.len === undefined ? null : h("span", { class: "size" }, size(row.len)),
      row.updated_at ? timeAgo(row.updated_at, { class: "time" }) : null,
    ),
  );
}

/** Whether a path can belong to a plugin. */
function isPluginPath(name) {
  return !CORE.has(name.split("/", 1)[0]) && !/^(?:dev|mnt)$/.test(name);
}
