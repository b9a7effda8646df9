/**
 * The view of a collection. Its event stream sends the listing first, then each change below it.
 */

import { readRows, requestAnswer } from "./answers.js";
import { collectionActions, rowMenu, selectionBar } from "./collection_actions.js";
import { h } from "./dom.js";
import { count, size } from "./format.js";
import { openMove, removeEntries } from "./manage.js";
import { lastOf, pathOf, shownName } from "./place.js";
import { rowList } from "./row_list.js";
import { Selection } from "./select.js";
import { follow } from "./stream.js";
import { isTyping } from "./typing.js";
import { timeAgo } from "./times.js";

const ORDERS = {
  name: { label: "Name", compare: (a, b) => a.name < b.name ? -1 : 1 },
  ext: { label: "Type", compare: (a, b) => order(a.ext ?? "", b.ext ?? "") },
  version: { label: "Version", compare: (a, b) => (b.version ?? -1) - (a.version ?? -1) },
  len: { label: "Size", compare: (a, b) => (b.len ?? -1) - (a.len ?? -1) },
  updated_at: {
    label: "Changed",
    compare: (a, b) => order(b.updated_at ?? "", a.updated_at ?? ""),
  },
};

/** Compares texts by their code units. `localeCompare()` would load the data of a language. */
function order(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Shows the collection and follows its changes. */
export function showCollection(main, { name }, { signal, showError }) {
  const facts = h("p", { class: "facts" });
  const columns = h("div", { class: "columns", role: "group", "aria-label": "Sort by" });
  const empty = h(
    "p",
    { class: "empty-line", hidden: true },
    "Empty. Create something with New, or drop files here.",
  );
  const changed = new Set();
  const selection = new Selection(drawSelection);
  const list = rowList(drawRow, signal, (row) => {
    if (row !== undefined) selection.extend(row.name, sorted.map((one) => one.name));
  });
  /** @type {Map<string, any>} */
  const rows = new Map();
  /** The rows in the shown order. */
  let sorted = [];
  let order = "name";
  let isScheduled = false;

  const entryOf = (row) => ({ ...row, name: `${name}/${row.name}` });
  const selected = () => sorted.filter((row) => selection.has(row.name)).map((row) => entryOf(row));
  const bar = selectionBar(name, selected, () => selection.set([]));
  const all = h("input", {
    type: "checkbox",
    "aria-label": "Select all",
    on: { change: () => selection.set(all.checked ? rows.keys() : []) },
  });
  const top = h(
    "div",
    { class: "list-top" },
    h("label", { class: "pick" }, all),
    columns,
    bar.node,
  );

  function draw() {
    sorted = [...rows.values()].sort((a, b) =>
      ORDERS[order].compare(a, b) || (a.name < b.name ? -1 : 1)
    );
    selection.keep((one) => rows.has(one));
    list.set(sorted);
    empty.hidden = sorted.length > 0;
    top.hidden = sorted.length === 0;
    facts.replaceChildren(h("span", {}, count(rows.size, "entry", "entries")));
    changed.clear();
    drawSelection();
  }

  /** Marks the selected rows, without drawing them again. */
  function drawSelection() {
    for (const row of list.node.querySelectorAll("li")) {
      const isSelected = selection.has(row.dataset.name);
      row.classList.toggle("selected", isSelected);
      row.querySelector("input").checked = isSelected;
    }
    all.checked = selection.size > 0 && selection.size === rows.size;
    all.indeterminate = selection.size > 0 && !all.checked;
    columns.hidden = selection.size > 0;
    bar.draw(selection.size);
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

  /** Selects a row by its checkbox, or with Shift all rows up to it. */
  function pick(event, row) {
    if (event.shiftKey) selection.extend(row.name, sorted.map((one) => one.name));
    else selection.toggle(row.name);
    drawSelection();
  }

  function drawRow(row) {
    const world = row.version !== undefined;
    const path = pathOf(`${name}/${row.name}`);
    const cells = world
      ? [
        h("span", { class: "ext" }, row.ext),
        h("span", { class: "version" }, row.version === 0 ? "built in" : `v${row.version}`),
        h("span", { class: "len" }, size(row.len)),
        timeAgo(row.updated_at, { class: "updated_at" }),
      ]
      : [];
    const isSelected = selection.has(row.name);
    const flash = changed.has(row.name) ? "flash" : "";
    return h(
      "li",
      { class: isSelected ? `selected ${flash}` : flash, "data-name": row.name },
      h(
        "label",
        { class: "pick" },
        h("input", {
          type: "checkbox",
          "aria-label": `Select ${row.name}`,
          checked: isSelected,
          on: { click: (event) => pick(event, row) },
        }),
      ),
      h(
        "a",
        { href: world ? path : `${path}/`, on: { click: (event) => pickByLink(event, row) } },
        h(
          "span",
          { class: `name ${world ? "" : "dir"}` },
          shownName(row.name),
          world ? null : h("i", {}, "/"),
        ),
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
      rowMenu(entryOf(row)),
    );
  }

  /** Shift and a click on a row select, instead of opening another window. */
  function pickByLink(event, row) {
    if (!event.shiftKey) return;
    event.preventDefault();
    pick(event, row);
  }

  document.addEventListener("keydown", (event) => {
    if (isTyping(event.target) || event.altKey) return;
    const act = keyAction(event);
    if (act === undefined) return;
    event.preventDefault();
    act();
  }, { signal });

  function keyAction({ key, ctrlKey, metaKey }) {
    const row = list.focused();
    if (ctrlKey || metaKey) {
      return key === "a" && rows.size > 0 ? () => selection.set(rows.keys()) : undefined;
    }
    if (key === "Escape" && selection.size > 0) return () => selection.set([]);
    if (key === "x" && row !== undefined) return () => selection.toggle(row.name);
    const entries = selection.size > 0 ? selected() : row === undefined ? [] : [entryOf(row)];
    if (entries.length === 0) return undefined;
    return { Delete: () => removeEntries(entries), F2: () => openMove(entries) }[key];
  }

  const actions = collectionActions(name, signal);
  main.replaceChildren(
    h(
      "section",
      { class: "page collection" },
      h(
        "header",
        { class: "head" },
        h("h1", {}, shownName(lastOf(name)), h("i", {}, "/")),
        facts,
        actions,
      ),
      top,
      list.node,
      empty,
    ),
  );
  follow(`/stream${pathOf(name)}/?brief`, { signal, onEvent, onError: showError });
}
