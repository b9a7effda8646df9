/**
 * Compares two versions of a world: the lines that differ, with the changed words marked, side by side
 * or one below the other, and what else differs. The server computes the diff. Loaded when it is first
 * needed; it uses no package.
 */

import { countChanges, diffRows } from "../diff_rows.js";
import { button, h } from "../dom.js";
import { ago, count, size } from "../format.js";
import { titleOf } from "../times.js";
import { markWords, MIN_SIMILARITY, similarity } from "../word_diff.js";

/** Rows that are drawn first, and more with each use of "Show more". */
const ROWS = 1000;
/** Of longer lines, only the beginning and the end of each marked and unmarked part is shown. */
const MAX_LINE_CHARS = 10_000;
const LONG_LINE_ENDS = 500;
/** Unchanged lines that are shown at a time. */
const GAP_LINES = 100;
/** Narrower windows show one text below the other at first. */
const SPLIT_PIXELS = 1100;
/** Versions that can be chosen. */
const LOG_EVENTS = 1000;

/** How the user wants to see it, until the page is loaded again. */
let isSplitWanted;

/**
 * @param {{
 *   path: string, signal: AbortSignal, current: number, from: number, to: number,
 *   send: (path: string, init?: RequestInit) => Promise<Response>,
 *   requestJson: (path: string, init?: RequestInit) => Promise<any>,
 *   onChoose: (from: number, to: number) => void, onClose: () => void,
 * }} options
 * @returns {HTMLElement}
 */
export function compareView(options) {
  const { path, signal, current, send, requestJson, onChoose, onClose } = options;
  let { from, to } = options;
  let isSplit = isSplitWanted ?? innerWidth >= SPLIT_PIXELS;
  /** @type {Map<number, any>} the events by the version that they wrote */
  const events = new Map();
  let turn = 0;
  let rows = [];

  const choices = {
    from: h("select", { "aria-label": "From version", on: { change: onSelect } }),
    to: h("select", { "aria-label": "To version", on: { change: onSelect } }),
  };
  const split = button("Side by side", () => setSplit(true));
  const unified = button("Unified", () => setSplit(false));
  const summary = h("p", { class: "summary", role: "status" }, "Loading…");
  const facts = h("div", { class: "differing" });
  const fault = h("p", { class: "fault", role: "alert" });
  const table = h("div", { class: "diff-box", tabindex: "0", role: "region" });
  const node = h(
    "section",
    { class: "compare", tabindex: "-1", "aria-label": "Comparison of versions" },
    h(
      "div",
      { class: "compare-bar" },
      h("label", { class: "inline" }, h("span", {}, "From"), choices.from),
      button("⇄", () => choose(to, from), { "aria-label": "Swap the versions", title: "Swap" }),
      h("label", { class: "inline" }, h("span", {}, "To"), choices.to),
      h(
        "div",
        { class: "actions" },
        h("span", { role: "group", "aria-label": "Layout", class: "toggle" }, split, unified),
        button("Close", onClose, { title: "Esc" }),
      ),
    ),
    summary,
    fault,
    facts,
    table,
  );
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.target.closest("select")) return;
    event.preventDefault();
    onClose();
  });

  function onSelect() {
    choose(Number(choices.from.value), Number(choices.to.value));
  }
  function choose(one, other) {
    [from, to] = [one, other];
    onChoose(from, to);
    drawChoices();
    load();
  }
  function setSplit(value) {
    isSplitWanted = isSplit = value;
    drawTable();
  }

  function drawChoices() {
    const versions = new Set([current, from, to, ...events.keys()]);
    const sorted = [...versions].sort((a, b) => b - a);
    for (const [select, chosen] of [[choices.from, from], [choices.to, to]]) {
      select.replaceChildren(
        ...sorted.map((version) =>
          h("option", optionOf(version, events.get(version)), labelOf(version, events.get(version)))
        ),
      );
      select.value = String(chosen);
    }
  }

  async function loadEvents() {
    const log = await requestJson(`/proc/log${path}?limit=${LOG_EVENTS}`, { signal });
    for (const event of log) {
      const version = event.payload.version_after;
      if (version > 0) events.set(version, event);
    }
    drawChoices();
  }

  /** Requests both versions and the diff. Of overlapping calls only the last one draws. */
  async function load() {
    const mine = ++turn;
    fault.textContent = "";
    const heads = await Promise.all([from, to].map((version) => readHead(version)));
    const [text, failure] = await send(`${path}?diff=${from}..${to}`, {
      signal,
      headers: { accept: "text/x-diff" },
    }).then(async (response) => [await response.text()], (error) => [undefined, error]);
    if (mine !== turn || signal.aborted) return;
    // Of texts, the lines below show what differs.
    const differing = (heads.includes(undefined) ? [] : differences(...heads))
      .filter(([name]) => name !== "sha-256" || text === undefined);
    facts.replaceChildren(...differing.length === 0 ? [] : [differenceTable(differing)]);
    rows = text === undefined ? [] : diffRows(text);
    if (text === undefined) {
      summary.textContent = "";
      fault.textContent = failure.status === 406
        ? "These versions are not text, so their lines cannot be compared."
        : failure.message;
    } else summary.textContent = summarize(rows, text, differing);
    drawTable();
  }

  async function readHead(version) {
    try {
      const { headers } = await send(`${path}?at=${version}&raw`, { method: "HEAD", signal });
      return { version, headers, event: events.get(version) };
    } catch {
      // The diff has the same fault, which is shown.
      return undefined;
    }
  }

  function differenceTable(differing) {
    return h(
      "table",
      {},
      h(
        "thead",
        {},
        h("tr", {}, h("td", {}), [from, to].map((one) => h("th", { scope: "col" }, `v${one}`))),
      ),
      h(
        "tbody",
        {},
        differing.map(([name, before, after]) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, name),
            h("td", {}, before === undefined ? h("i", {}, "none") : h("del", {}, before)),
            h("td", {}, after === undefined ? h("i", {}, "none") : h("ins", {}, after)),
          )
        ),
      ),
    );
  }

  function drawTable() {
    split.setAttribute("aria-pressed", String(isSplit));
    unified.setAttribute("aria-pressed", String(!isSplit));
    table.hidden = rows.length === 0;
    table.setAttribute("aria-label", `Changes from version ${from} to version ${to}`);
    const body = h("tbody", {});
    const columns = isSplit ? ["no", "", "no", ""] : ["no", "no", ""];
    table.replaceChildren(h(
      "table",
      { class: isSplit ? "diff split-diff" : "diff" },
      h("colgroup", {}, columns.map((kind) => h("col", { class: kind }))),
      body,
    ));
    appendRows(body, rows);
  }

  /** Draws some rows, and a button for the rest. */
  function appendRows(body, all, first = 0) {
    const width = isSplit ? 4 : 3;
    const part = all.slice(first, first + ROWS);
    body.append(...(isSplit ? part.map(splitRow) : unifiedRows(part)).flat());
    for (const gap of body.querySelectorAll("tr.gap:empty")) fillGap(gap, width);
    const left = all.length - first - ROWS;
    if (left <= 0) return;
    const more = h("tr", { class: "gap" });
    more.append(h(
      "td",
      { colspan: width },
      button(`Show more (${count(left, "row")} left)`, () => {
        more.remove();
        appendRows(body, all, first + ROWS);
      }, { class: "quiet" }),
    ));
    body.append(more);
  }

  function fillGap(node, width) {
    const { before, after } = node.dataset;
    const lines = node.dataset.count === "Infinity" ? Infinity : Number(node.dataset.count);
    const label = lines === Infinity ? "Show more lines" : count(lines, "unchanged line");
    const expand = button(label, () => expandGap(node, Number(before), Number(after), lines), {
      class: "quiet",
    });
    node.append(h("td", { colspan: width }, expand));
  }

  /** Requests unchanged lines, and shows them in place of the row or before it. */
  async function expandGap(node, before, after, lines) {
    const last = after + Math.min(lines, GAP_LINES) - 1;
    try {
      const response = await send(`${path}?at=${to}&lines=${after}-${last}`, {
        signal,
        headers: { accept: "text/plain" },
      });
      const texts = (await response.text()).split("\n");
      if (texts.at(-1) === "") texts.pop();
      const found = texts.map((text, at) => ({
        kind: "same",
        before: { number: before + at, text },
        after: { number: after + at, text },
      }));
      const isEnd = texts.length < last - after + 1;
      const left = isEnd ? 0 : lines - texts.length;
      const drawn = (isSplit ? found.map(splitRow) : unifiedRows(found)).flat();
      const rest = left > 0
        ? [gapRow({ before: before + texts.length, after: after + texts.length, count: left })]
        : [];
      for (const gap of rest) fillGap(gap, isSplit ? 4 : 3);
      node.replaceWith(...drawn, ...rest);
      (rest[0]?.querySelector("button") ?? table).focus({ preventScroll: true });
    } catch (error) {
      // A part after the end of the text: there are no more lines.
      if (lines === Infinity && error.status >= 400) node.remove();
      else fault.textContent = error.message;
    }
  }

  drawChoices();
  loadEvents().catch(() => {}).then(load);
  return node;
}

function optionOf(version, event) {
  return { value: version, title: event === undefined ? undefined : titleOf(event.timestamp) };
}

function labelOf(version, event) {
  const about = event === undefined ? "" : `, ${ago(event.timestamp)}, ${event.payload.by ?? "?"}`;
  return `v${version}${about}`;
}

/** What else differs: `[name, before, after]`. */
function differences(before, after) {
  const values = ({ headers, event }) =>
    new Map([
      ["type", headers.get("content-type") ?? undefined],
      ["size", size(event?.payload.len) || undefined],
      ["sha-256", event?.payload.body_sha256_after],
      ["by", event?.payload.by],
      ...[...headers].filter(([key]) => key.startsWith("x-meta-"))
        .map(([key, value]) => [key.slice("x-meta-".length), value]),
    ]);
  const [old, young] = [values(before), values(after)];
  return [...new Set([...old.keys(), ...young.keys()])]
    .map((name) => [name, old.get(name), young.get(name)])
    .filter(([, one, other]) => one !== other);
}

function summarize(rows, text, differing) {
  if (text === "") {
    return differing.length === 0 ? "Both versions are the same." : "The text is the same.";
  }
  const { added, removed } = countChanges(rows);
  return `${count(added, "line")} added, ${count(removed, "line")} removed`;
}

function splitRow(row) {
  if (row.kind === "gap") return gapRow(row);
  const marked = row.kind === "change" ? marksOf(row) : {};
  return h(
    "tr",
    {},
    lineCells(row.before, row.kind === "change" ? "del" : "", marked.before),
    lineCells(row.after, row.kind === "change" ? "ins" : "", marked.after),
  );
}

/** The rows one below the other: of each changed part, the removed lines first. */
function unifiedRows(rows) {
  const drawn = [];
  const added = [];
  for (const row of rows) {
    if (row.kind !== "change") drawn.push(...added.splice(0));
    if (row.kind === "gap") drawn.push(gapRow(row));
    else if (row.kind === "same") {
      const { before, after } = row;
      drawn.push(h("tr", {}, numberCell(before), lineCells(after, "")));
    } else {
      const marked = marksOf(row);
      if (row.before) {
        const [number, text] = lineCells(row.before, "del", marked.before);
        drawn.push(h("tr", {}, number, h("td", { class: "no del" }), text));
      }
      if (row.after) {
        const cells = lineCells(row.after, "ins", marked.after);
        added.push(h("tr", {}, h("td", { class: "no ins" }), cells));
      }
    }
  }
  return [...drawn, ...added];
}

/** The marked words of a changed pair; nothing if the lines have too little in common. */
function marksOf({ isPair, before, after }) {
  const isSimilar = isPair && similarity(before.text, after.text) >= MIN_SIMILARITY;
  return isSimilar ? markWords(before.text, after.text) : {};
}

function numberCell({ number }, kind = "") {
  return h("td", { class: `no ${kind}` }, String(number));
}

/** The number and the text of a line; empty cells if there is no line. */
function lineCells(line, kind, spans) {
  if (line === undefined) return [h("td", { class: "no none" }), h("td", { class: "none" })];
  const said = { del: "removed: ", ins: "added: " }[kind];
  return [
    numberCell(line, kind),
    h(
      "td",
      { class: `line ${kind}` },
      said ? h("span", { class: "unseen" }, said) : null,
      (spans ?? [{ text: line.text, isMarked: false }]).map(({ text, isMarked }) => {
        const shown = line.text.length > MAX_LINE_CHARS ? shorten(text) : text;
        return isMarked ? h(kind, {}, shown) : shown;
      }),
      line.isOpen ? h("small", {}, " (no line end)") : null,
    ),
  ];
}

/** Leaves out the middle of a long text. */
function shorten(text) {
  const left = text.length - 2 * LONG_LINE_ENDS;
  if (left <= 0) return text;
  const omitted = ` … ${count(left, "character")} … `;
  return text.slice(0, LONG_LINE_ENDS) + omitted + text.slice(-LONG_LINE_ENDS);
}

/** An empty row with the place of the lines that are left out. */
function gapRow({ before, after, count: lines }) {
  return h("tr", {
    class: "gap",
    "data-before": before,
    "data-after": after,
    "data-count": lines,
  });
}
