/** The view of routes: the listings of `/bin`, `/dev`, `/mnt` and `/proc`, and any other response. */

import { parseJson, readListing } from "./answers.js";
import { send } from "./api.js";
import { h } from "./dom.js";
import { ago, count, size } from "./format.js";
import { pathOf } from "./place.js";

/** Shows a listing as rows, and any other response as text. */
export async function showRoute(main, { name }, { signal }) {
  const response = await send(pathOf(name), { signal });
  const type = response.headers.get("content-type") ?? "";
  const content = await response.text();
  if (signal.aborted) return;
  const value = type.includes("json") ? parseJson(content) : undefined;
  const rows = readListing(value);
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

/** JSON with line breaks; as it is if it is nested too deeply to be formatted. */
function indented(value, content) {
  try {
    return JSON.stringify(value, null, 2);
  } catch {
    return content;
  }
}

function listing(folder, rows) {
  if (rows.length === 0) {
    return h("p", { class: "empty-line" }, "Empty. Plugins provide devices and mounts.");
  }
  return h("ul", { class: "rows" }, rows.map((row) => rowOf(folder, row)));
}

function rowOf(folder, row) {
  const path = row.route ?? row.name;
  const target = row.route
    ? row.route
    : pathOf(folder === "proc/worlds" ? row.name : `${folder}/${row.name}`) + (row.dir ? "/" : "");
  return h(
    "li",
    {},
    h(
      "a",
      { href: target },
      h("span", { class: "name" }, path, row.dir ? h("i", {}, "/") : null),
      h("span", { class: "about" }, row.description ?? row.plugin ?? ""),
      row.len === undefined ? null : h("span", { class: "size" }, size(row.len)),
      row.updated_at ? h("span", { class: "time" }, ago(row.updated_at)) : null,
    ),
  );
}
