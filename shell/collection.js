/**
 * The view of a collection. Its event stream sends the listing first, then each change below it.
 */

import { readDeleted, readRows, requestAnswer } from "./answers.js";
import { note, noteError } from "./chrome.js";
import { confirmDialog } from "./dialog.js";
import { button, h } from "./dom.js";
import { ago, count, size } from "./format.js";
import { newMenu } from "./new_world.js";
import { lastOf, pathOf } from "./place.js";
import { rowList } from "./row_list.js";
import { follow } from "./stream.js";
import { acceptFiles } from "./upload.js";

const ORDERS = {
  name: { label: "Name", compare: (a, b) => a.name < b.name ? -1 : 1 },
  ext: { label: "Type", compare: (a, b) => (a.ext ?? "").localeCompare(b.ext ?? "") },
  version: { label: "Version", compare: (a, b) => (b.version ?? -1) - (a.version ?? -1) },
  len: { label: "Size", compare: (a, b) => (b.len ?? -1) - (a.len ?? -1) },
  updated_at: {
    label: "Changed",
    compare: (a, b) => (b.updated_at ?? "").localeCompare(a.updated_at ?? ""),
  },
};

/** Shows the collection and follows its changes. */
export function showCollection(main, { name }, { signal, showError }) {
  const facts = h("p", { class: "facts" });
  const actions = h("div", { class: "actions" });
  const columns = h("div", { class: "columns", role: "group", "aria-label": "Sort by" });
  const empty = h(
    "p",
    { class: "empty-line", hidden: true },
    "Empty. Worlds that are written below this path appear here at once.",
  );
  const changed = new Set();
  const list = rowList((row) => drawRow(name, row, changed), signal);
  /** @type {Map<string, any>} */
  const rows = new Map();
  let order = "name";
  let isScheduled = false;

  function draw() {
    const sorted = [...rows.values()].sort((a, b) =>
      ORDERS[order].compare(a, b) || (a.name < b.name ? -1 : 1)
    );
    list.set(sorted);
    empty.hidden = sorted.length > 0;
    columns.hidden = sorted.length === 0;
    facts.replaceChildren(h("span", {}, count(rows.size, "entry", "entries")));
    changed.clear();
  }

  /** Many changes in one frame are drawn once. */
  function drawSoon() {
    if (isScheduled) return;
    isScheduled = true;
    requestAnimationFrame(() => {
      isScheduled = false;
      if (!signal.aborted) draw();
    });
  }

  function setRows(listing) {
    rows.clear();
    for (const row of listing) rows.set(row.name, row);
  }

  let timer = 0;
  /** After a deletion below a child, only a listing tells whether the child still exists. */
  function listAgain() {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const listing = await requestAnswer(`${pathOf(name)}/`, readRows, { signal })
        .catch(() => []);
      if (signal.aborted) return;
      setRows(listing);
      draw();
    }, 200);
  }

  function onEvent({ type, data }) {
    if (type === "list") setRows(data);
    else {
      const rest = data.name.slice(name.length + 1);
      const [child] = rest.split("/", 1);
      const row = rows.get(child) ?? { name: child, dir: false };
      if (child !== rest) {
        if (type === "delete") return listAgain();
        rows.set(child, { ...row, dir: true });
      } else if (type === "delete") {
        rows.delete(child);
        if (row.dir) rows.set(child, { name: child, dir: true });
      } else rows.set(child, { ...row, ...data, name: child });
      changed.add(child);
    }
    drawSoon();
  }

  for (const [key, { label }] of Object.entries(ORDERS)) {
    const choose = () => {
      order = key;
      for (const other of columns.children) {
        other.setAttribute("aria-pressed", String(other.value === key));
      }
      draw();
    };
    columns.append(
      h("button", {
        type: "button",
        value: key,
        class: key,
        "aria-pressed": String(key === order),
        on: { click: choose },
      }, label),
    );
  }
  drawActions(actions, name, acceptFiles(signal, (file) => `${name}/${file.name}`));
  main.replaceChildren(
    h(
      "section",
      { class: "page collection" },
      h("header", { class: "head" }, h("h1", {}, lastOf(name), h("i", {}, "/")), facts, actions),
      columns,
      list.node,
      empty,
    ),
  );
  follow(`/stream${pathOf(name)}/?brief`, { signal, onEvent, onError: showError });
}

function drawActions(node, name, choose) {
  node.replaceChildren(
    newMenu(name),
    button("Upload", choose),
    ...(name.includes("/") ? [button("Delete", () => deleteAll(name), { class: "danger" })] : []),
  );
}

async function deleteAll(name) {
  const sure = await confirmDialog(
    "Delete everything below?",
    `All worlds below /${name}/ move to the trash.`,
    "Delete all",
  );
  if (!sure) return;
  try {
    const { deleted } = await requestAnswer(`${pathOf(name)}/`, readDeleted, { method: "DELETE" });
    note(`${count(deleted.length, "world")} deleted`);
  } catch (error) {
    noteError(error);
  }
}

function drawRow(folder, row, changed) {
  const world = row.version !== undefined;
  const path = pathOf(`${folder}/${row.name}`);
  const cells = world
    ? [
      h("span", { class: "ext" }, row.ext),
      h("span", { class: "version" }, row.version === 0 ? "built in" : `v${row.version}`),
      h("span", { class: "len" }, size(row.len)),
      h(
        "time",
        { class: "updated_at", datetime: row.updated_at, title: row.updated_at },
        ago(row.updated_at),
      ),
    ]
    : [];
  return h(
    "li",
    { class: changed.has(row.name) ? "flash" : "" },
    h(
      "a",
      { href: world ? path : `${path}/` },
      h("span", { class: `name ${world ? "" : "dir"}` }, row.name, world ? null : h("i", {}, "/")),
      row.state ? h("span", { class: `tag ${row.state}` }, row.state) : null,
      cells,
    ),
    world && row.dir
      ? h(
        "a",
        { class: "also", href: `${path}/`, "aria-label": `${row.name}/, also a collection` },
        "/…",
      )
      : null,
  );
}
