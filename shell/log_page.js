/** The page of `/proc/log/<prefix>/`: every change below a prefix, newest first, and by whom. */

import { changeRow } from "./change_row.js";
import { mergeChanges } from "./change_text.js";
import { follow, noteError, requestChanges } from "./connected.js";
import { button, fill, h } from "./dom.js";
import { pathOf } from "./place.js";
import { throttled } from "./throttled.js";

/** Changes that are requested at a time. */
const PAGE = 100;
const UPDATE_MS = 1000;

/** @param {string} name `proc/log`, or that and a prefix */
export async function showLog(main, name, { signal, showError }) {
  const prefix = name.slice("proc/log".length);
  const by = new URLSearchParams(location.search).get("by") ?? "";
  const list = h("ul", { class: "recent" });
  const more = button("Older", () => showOlder().catch(noteError), { hidden: true });
  const empty = h("p", { class: "empty-line", hidden: true }, "No changes.");
  let isFirstPage = true;
  /** Cursors of the changes that are shown. */
  let shown;

  async function requestPage(before) {
    const query = new URLSearchParams({ limit: String(PAGE) });
    if (by !== "") query.set("by", by);
    if (before !== undefined) query.set("before", before);
    return await requestChanges(`${pathOf(name)}/?${query}`, { signal });
  }
  function setMore(changes) {
    more.hidden = changes.length < PAGE;
    more.value = changes.at(-1)?.cursor ?? "";
  }
  async function update() {
    const changes = await requestPage();
    // The user can have asked for older changes meanwhile.
    if (signal.aborted || !isFirstPage) return "";
    setMore(changes);
    const isNew = ({ cursor }) => shown !== undefined && !shown.has(cursor);
    fill(list, mergeChanges(changes, PAGE).map((change) => changeRow(change, isNew(change))));
    empty.hidden = changes.length > 0;
    shown = new Set(changes.map(({ cursor }) => cursor));
    return changes[0]?.cursor ?? "";
  }
  async function showOlder() {
    isFirstPage = false;
    const before = more.value;
    const changes = await requestPage(before);
    // A second click asks for the same page.
    if (more.value !== before) return;
    setMore(changes);
    const rows = mergeChanges(changes, PAGE).map((change) => changeRow(change, false));
    list.append(...rows);
    rows[0]?.querySelector("a").focus();
  }

  const last = await update();
  if (signal.aborted) return;
  main.replaceChildren(
    h(
      "section",
      { class: "page" },
      h("header", { class: "head" }, h("h1", {}, `Changes below ${prefix}/`), filter(by)),
      list,
      empty,
      more,
    ),
  );
  // Who reads older changes must not lose the place.
  const updateSoon = throttled(UPDATE_MS, signal, () => isFirstPage && update().catch(noteError));
  follow(`/stream${prefix === "" ? "" : pathOf(prefix.slice(1))}/?brief`, {
    signal,
    last,
    onEvent({ type }) {
      if (type !== "list" || last !== "") updateSoon();
    },
    onError: showError,
  });
}

/** Shows only the changes of one caller. */
function filter(by) {
  const input = h("input", {
    name: "by",
    type: "search",
    value: by,
    placeholder: "cap:/home/team#kestrel",
    spellcheck: "false",
    autocapitalize: "none",
  });
  function submit(event) {
    event.preventDefault();
    const query = new URLSearchParams(input.value.trim() === "" ? {} : { by: input.value.trim() });
    location.assign(`${location.pathname}?${query}`);
  }
  return h(
    "form",
    { class: "actions by", on: { submit } },
    h("label", { class: "inline" }, h("span", {}, "By"), input),
  );
}
