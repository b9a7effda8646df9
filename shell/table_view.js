/** Values separated by commas, semicolons or tabs, as a table with the first row as its head. */

import { parseCsv } from "./csv.js";
import { button, h } from "./dom.js";
import { count } from "./format.js";

/** Rows drawn at a time, and most columns. */
const STEP = 500;
const MAX_COLUMNS = 200;
const NUMBER = /^-?[\d.,]+%?$/;

/** The viewer. */
export function tableView() {
  const node = h("div", { class: "wide-table", tabindex: "0" });
  function update(world) {
    const [head = [], ...rows] = world.ext === "tsv"
      ? parseCsv(world.text, "\t")
      : parseCsv(world.text);
    const body = h("tbody");
    const numeric = head.map((_, at) => NUMBER.test(rows[0]?.[at] ?? ""));
    const table = h("table", {}, h("thead", {}, line(head, "th", numeric)), body);
    node.replaceChildren(table);
    function more(from) {
      body.append(...rows.slice(from, from + STEP).map((row) => line(row, "td", numeric)));
      if (rows.length <= from + STEP) return;
      const next = button(`${count(rows.length - from - STEP, "more row")}`, () => {
        next.remove();
        more(from + STEP);
      }, { class: "quiet" });
      node.append(next);
    }
    more(0);
  }
  return { node, update };
}

function line(cells, tag, numeric) {
  const more = cells.length - MAX_COLUMNS;
  return h(
    "tr",
    {},
    cells.slice(0, MAX_COLUMNS).map((cell, at) =>
      h(tag, { class: numeric[at] ? "right" : null, scope: tag === "th" && "col" }, cell)
    ),
    // A row with fewer cells than the head gets empty ones, so that its lines reach the end.
    numeric.slice(cells.length, MAX_COLUMNS).map(() => h(tag, {})),
    more > 0 ? h(tag, {}, `${count(more, "more column")}: see the source`) : null,
  );
}
