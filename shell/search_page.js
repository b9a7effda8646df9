/**
 * The page of a search: the lines below a prefix that contain a text, by world. Its address can be
 * linked. Loaded when it is first shown.
 */

import { requestHits } from "./connected.js";
import { button, h } from "./dom.js";
import { count } from "./format.js";
import { pathOf, shownName } from "./place.js";
import { linePath, queryOf, searchPath, snippetParts } from "./search_hits.js";

const ROUTE = /^proc\/search\/?/;
/** Lines of one request. */
const LINES = 100;

/**
 * Shows the search that the address bar names.
 *
 * @param {HTMLElement} main
 * @param {{ name: string }} place `proc/search/home/notes`
 * @param {{ signal: AbortSignal }} options
 */
export async function showSearch(main, { name }, { signal }) {
  const prefix = name.replace(ROUTE, "");
  const query = queryOf(new URLSearchParams(location.search).get("q") ?? "");
  const status = h("p", { class: "facts", role: "status" });
  const list = h("div", { class: "hits" });
  const more = h("div", { class: "actions" });
  main.replaceChildren(
    h(
      "section",
      { class: "page search" },
      h("header", { class: "head" }, h("h1", {}, "Search"), status),
      searchForm(prefix, query ?? ""),
      list,
      more,
    ),
  );
  if (query === undefined) {
    main.querySelector("input").focus();
    return;
  }
  /** The list of the world that was shown last. */
  let last = { name: "", node: list };
  let lines = 0;
  const tooLong = new Set();

  function add(hit) {
    if (hit.name !== last.name) {
      last = { name: hit.name, node: h("ol", { class: "lines" }) };
      list.append(
        h("h2", {}, h("a", { href: pathOf(hit.name) }, `/${shownName(hit.name)}`)),
        last.node,
      );
    }
    const [before, found, after] = snippetParts(hit);
    last.node.append(
      h(
        "li",
        {},
        h(
          "a",
          { href: linePath(hit) },
          h("span", { class: "line" }, String(hit.line)),
          h("span", { class: "snippet" }, before, h("mark", {}, found), after),
        ),
      ),
    );
    lines += 1;
  }

  async function addPage(after) {
    more.replaceChildren();
    status.textContent = "Searching…";
    const page = await requestHits(searchPath(prefix, query, { limit: LINES, after }), { signal });
    for (const hit of page.hits) add(hit);
    for (const world of page.too_long ?? []) tooLong.add(world);
    const isAll = page.after === undefined;
    status.textContent = lines === 0
      ? "Nothing found"
      : `${isAll ? "" : "first "}${count(lines, "line", "lines")}`;
    if (!isAll) more.append(button("More lines", () => addNext(page.after)));
    else if (tooLong.size > 0) {
      more.append(
        h(
          "p",
          { class: "hint" },
          `Too long to be searched: ${[...tooLong].map((world) => `/${world}`).join(", ")}`,
        ),
      );
    }
  }

  /** Adds a page, and can be repeated if the server does not answer. */
  async function addNext(after) {
    const known = list.querySelectorAll("li").length;
    try {
      await addPage(after);
      list.querySelectorAll("li a")[known]?.focus();
    } catch (error) {
      if (signal.aborted) return;
      status.textContent = error.message;
      more.replaceChildren(button("Try again", () => addNext(after)));
    }
  }

  await addPage(undefined);
}

function searchForm(prefix, query) {
  const below = h("input", {
    name: "prefix",
    "aria-label": "Below",
    value: `/${prefix}${prefix === "" ? "" : "/"}`,
    spellcheck: "false",
    autocapitalize: "none",
  });
  const text = h("input", {
    name: "q",
    type: "search",
    "aria-label": "Text",
    value: query,
    required: true,
    maxlength: 256,
    placeholder: "Text, as it is written; case is ignored",
    autocapitalize: "none",
    spellcheck: "false",
  });
  function onSubmit(event) {
    event.preventDefault();
    const next = queryOf(text.value);
    if (next === undefined) return;
    const path = searchPath(below.value.trim().replace(/^\/+|\/+$/g, ""), next);
    dispatchEvent(new CustomEvent("shell:go", { detail: path }));
  }
  return h(
    "form",
    { class: "search-form", role: "search", on: { submit: onSubmit } },
    h("label", {}, h("span", {}, "Text"), text),
    h("label", {}, h("span", {}, "Below"), below),
    h("button", { type: "submit", class: "primary" }, "Search"),
  );
}
