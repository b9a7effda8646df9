/**
 * Values separated by commas, semicolons, tabs or bars, as a table that can be sorted and filtered. A
 * large table is drawn in parts.
 */

import { guessSeparator, parseCsv } from "./csv.js";
import { button, fill, h } from "./dom.js";
import { count, grouped } from "./format.js";
import { filterRows, numberOf, sortRows } from "./table_rows.js";

/** Cells drawn at a time, and most rows and columns of them. */
const STEP_CELLS = 15_000;
const STEP_ROWS = 500;
const STEP_COLUMNS = 100;
const NAMES = { ",": "comma", ";": "semicolon", "\t": "tab", "|": "bar" };

/** The viewer. */
export function tableView() {
  const find = h("input", {
    type: "search",
    "aria-label": "Filter the rows",
    placeholder: "Filter",
    on: { input: draw },
  });
  const separators = h(
    "select",
    { "aria-label": "Separator", on: { change: () => read(separators.value) } },
    Object.entries(NAMES).map(([value, name]) => h("option", { value }, name)),
  );
  const header = h("input", { type: "checkbox", checked: true, on: { change: draw } });
  const facts = h("span", { class: "hint", role: "status" });
  const area = h("div", { class: "wide-table", tabindex: "0" });
  const node = h(
    "div",
    { class: "table-page" },
    h(
      "div",
      { class: "view-bar" },
      find,
      h("label", { class: "inline" }, h("span", {}, "Separator"), separators),
      h("label", { class: "inline" }, header, h("span", {}, "First row is a header")),
      facts,
    ),
    area,
  );
  let world;
  let all = [];
  let columns = STEP_COLUMNS;
  let sorted = { column: -1, isDown: false };
  /** The separator that the user chose. */
  let chosen;

  function update(next) {
    world = next;
    read(chosen);
  }

  function read(separator) {
    chosen = separator;
    const used = separator ?? (world.ext === "tsv" ? "\t" : guessSeparator(world.text));
    separators.value = used;
    all = parseCsv(world.text, used);
    draw();
  }

  function draw() {
    const [head, rows] = header.checked ? [all[0] ?? [], all.slice(1)] : [undefined, all];
    const width = all.reduce((most, row) => Math.max(most, row.length), 0);
    const found = filterRows(rows, find.value);
    const shown = sorted.column < 0 ? found : sortRows(found, sorted.column, sorted.isDown);
    const visible = Math.min(width, columns);
    const numeric = Array.from({ length: visible }, (_, at) => isNumeric(rows, at));
    const body = h("tbody");
    const table = h("table", {}, h("thead", {}, headRow(head, visible, numeric)), body);
    facts.textContent = found.length === rows.length
      ? `${count(rows.length, "row")}, ${count(width, "column")}`
      : `${grouped(found.length)} of ${count(rows.length, "row")}`;
    const step = Math.max(20, Math.min(STEP_ROWS, Math.floor(STEP_CELLS / Math.max(1, visible))));
    const more = h("p", { class: "rest" });
    fill(
      area,
      table,
      shown.length === 0 && h("p", { class: "rest" }, "No row contains this text."),
      more,
    );
    function drawRows(from) {
      body.append(...shown.slice(from, from + step).map((row) => bodyRow(row, numeric)));
      const left = shown.length - from - step;
      fill(
        more,
        left > 0 && button(`${count(left, "more row")}`, () => drawRows(from + step)),
        width > visible && button(`${count(width - visible, "more column")}`, () => {
          columns += STEP_COLUMNS;
          draw();
        }),
      );
      more.hidden = !more.hasChildNodes();
    }
    drawRows(0);
  }

  function headRow(head, visible, numeric) {
    return h(
      "tr",
      {},
      Array.from({ length: visible }, (_, at) => {
        const isSorted = sorted.column === at;
        const order = isSorted ? (sorted.isDown ? "descending" : "ascending") : null;
        const mark = isSorted ? (sorted.isDown ? " ↓" : " ↑") : "";
        return h(
          "th",
          { scope: "col", class: numeric[at] ? "right" : null, "aria-sort": order },
          button((head === undefined ? columnName(at) : head[at] ?? "") + mark, () => {
            sorted = !isSorted
              ? { column: at, isDown: false }
              : sorted.isDown
              ? { column: -1, isDown: false }
              : { column: at, isDown: true };
            draw();
            area.querySelectorAll("th button")[at]?.focus();
          }, { class: "quiet", title: "Sort" }),
        );
      }),
    );
  }

  return { node, update };
}

/** Name of a column without a header, as in spreadsheets: A, B, …, Z, AA. */
export function columnName(at) {
  const last = String.fromCharCode(65 + at % 26);
  return at < 26 ? last : columnName(Math.floor(at / 26) - 1) + last;
}

/** Whether the first rows of a column have numbers. */
function isNumeric(rows, column) {
  const cells = rows.slice(0, 20).map((row) => row[column] ?? "").filter((cell) => cell !== "");
  return cells.length > 0 && cells.every((cell) => !Number.isNaN(numberOf(cell)));
}

/** A row with fewer cells than the table is wide gets empty ones, so that its lines reach the end. */
function bodyRow(row, numeric) {
  return h(
    "tr",
    {},
    numeric.map((isNumber, at) => h("td", { class: isNumber ? "right" : null }, row[at] ?? "")),
  );
}
