/**
 * What the search dialog finds: names, lines of text, and a name that can be used. Loaded when the
 * dialog is first opened.
 */

import { noteError, requestHits, requestRows } from "./connected.js";
import { h } from "./dom.js";
import { pathOf, placeOf, shownName } from "./place.js";
import { rank } from "./rank.js";
import { isSystem, linePath, queryOf, searchPath, snippetParts } from "./search_hits.js";
import { nameFault } from "./world_name.js";

/** Time without typing after which the text of the worlds is searched. */
const PAUSE_MS = 150;
/** Most lines that are shown of a search. */
const LINES = 8;
/** Where the documents of the server are. */
const DOCUMENTS = "usr/share/doc";
const SYSTEM_LINES = 4;
const NAMES = 8;
const SYSTEM_NAMES = 4;
/** Lines of a request: those of the system are among them, and are not shown with the others. */
const REQUESTED = 60;

/**
 * One thing that can be opened.
 *
 * @typedef {{ key: string, path: string, content: unknown[] }} Option
 * @typedef {{ label: string, options: Option[] }} Group
 */

/**
 * Makes the dialog search.
 *
 * @param {{ node: HTMLDialogElement, input: HTMLInputElement, list: HTMLElement, status: HTMLElement }} parts
 * @param {{ prefix?: string }} caller `prefix`: the path of a capability
 */
export function attachFinder({ node, input, list, status }, { prefix }) {
  const root = prefix === undefined ? "" : placeOf(prefix).name;
  /** @type {string[] | undefined} */
  let names;
  /** @type {{ query: string, hits: any[], more: boolean, fault?: string } | undefined} */
  let text;
  /** @type {Option[]} */
  let options = [];
  /** The option that the user chose with the arrow keys. */
  let chosen;
  let opensFirst = false;
  let timer = 0;
  let asking = new AbortController();

  const typed = () => input.value.trim();
  const isWaiting = () =>
    names === undefined || (queryOf(input.value) !== undefined && text?.query !== typed());
  const at = () => Math.max(0, options.findIndex(({ key }) => key === chosen));

  function draw() {
    const groups = groupsOf(typed(), names ?? [], text?.query === typed() ? text : undefined, root);
    options = groups.flatMap((group) => group.options);
    list.replaceChildren(...groups.map(drawGroup));
    point();
    status.textContent = statusOf();
    if (opensFirst && options.length > 0 && !isWaiting()) open(options[at()]);
  }

  function statusOf() {
    const fault = text?.query === typed() ? text.fault : undefined;
    if (fault !== undefined) return `The text of the worlds cannot be searched: ${fault}`;
    if (isWaiting()) return "Searching…";
    const found = options.filter(({ key }) => !key.startsWith("+")).length;
    return found > 0 ? `${found} found` : typed() === "" ? "No worlds yet" : "Nothing found";
  }

  function drawGroup({ label, options: shown }) {
    return h(
      "div",
      { role: "group", "aria-label": label },
      h("h3", { "aria-hidden": "true" }, label),
      shown.map((option) =>
        h("div", {
          id: `found-${options.indexOf(option)}`,
          class: "option",
          role: "option",
          on: { click: () => open(option) },
        }, option.content)
      ),
    );
  }

  function point() {
    const nodes = list.querySelectorAll("[role=option]");
    nodes.forEach((option, index) => option.setAttribute("aria-selected", String(index === at())));
    nodes[at()]?.scrollIntoView({ block: "nearest" });
    if (options.length > 0) input.setAttribute("aria-activedescendant", `found-${at()}`);
    else input.removeAttribute("aria-activedescendant");
  }

  function open({ path }) {
    node.close();
    dispatchEvent(new CustomEvent("shell:go", { detail: path }));
  }

  function onInput() {
    chosen = undefined;
    opensFirst = false;
    clearTimeout(timer);
    asking.abort();
    draw();
    const query = queryOf(input.value);
    if (query !== undefined) timer = setTimeout(() => search(query), PAUSE_MS);
  }

  async function search(query) {
    asking = new AbortController();
    const { signal } = asking;
    try {
      const all = await requestHits(searchPath(root, query, { limit: REQUESTED }), { signal });
      // The lines of documents can be so many that the first page ends before them.
      const documents = root === "" && all.after !== undefined
        ? await requestHits(searchPath(DOCUMENTS, query, { limit: SYSTEM_LINES }), { signal })
        : { hits: [] };
      const seen = new Set(all.hits.map(linePath));
      const rest = documents.hits.filter((hit) => !seen.has(linePath(hit)));
      text = { query, hits: [...all.hits, ...rest], more: all.after !== undefined };
    } catch (error) {
      if (signal.aborted) return;
      text = { query, hits: [], more: false, fault: error.message };
    }
    draw();
  }

  function onKey(event) {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      chosen = options[(at() + step + options.length) % Math.max(1, options.length)]?.key;
      point();
    } else if (event.key === "Enter") {
      event.preventDefault();
      // What is first can still change: it is opened when it is known.
      if (options.length > 0 && (chosen !== undefined || !isWaiting())) open(options[at()]);
      else if (isWaiting()) opensFirst = true;
    }
  }

  input.addEventListener("input", onInput);
  input.addEventListener("keydown", onKey);
  node.addEventListener("shell:closed", () => {
    clearTimeout(timer);
    asking.abort();
  });
  requestRows("/proc/worlds").then((worlds) => {
    names = withCollections(worlds.map(({ name }) => name));
  }, (error) => {
    names = [];
    noteError(error);
  }).finally(() => draw());
  onInput();
}

/** @returns {Group[]} without those that are empty */
function groupsOf(typed, names, text, root) {
  const own = rank(names.filter((name) => !isSystem(name)), typed, NAMES);
  const system = typed === ""
    ? []
    : rank(names.filter((name) => isSystem(name)), typed, SYSTEM_NAMES);
  const hits = text?.hits ?? [];
  const lines = hits.filter(({ name }) => !isSystem(name)).slice(0, LINES);
  const documents = hits.filter(({ name }) => name.startsWith(`${DOCUMENTS}/`))
    .slice(0, SYSTEM_LINES);
  const isCut = text?.more === true || lines.length + documents.length < hits.length;
  return [
    { label: "Names", options: own.map(nameOption) },
    {
      label: "Text",
      options: [...lines.map(lineOption), ...isCut ? [allOption(typed, root)] : []],
    },
    { label: "New", options: newOptions(typed, names, root) },
    {
      label: "Documents of the server",
      options: [...system.map(nameOption), ...documents.map(lineOption)],
    },
  ].filter(({ options }) => options.length > 0);
}

function nameOption(name) {
  return {
    key: name,
    path: pathOf(name),
    content: [h("span", { class: "path" }, `/${shownName(name)}`)],
  };
}

function lineOption(hit) {
  const [before, found, after] = snippetParts(hit);
  return {
    key: `${hit.name}:${hit.line}`,
    path: linePath(hit),
    content: [
      h("span", { class: "path" }, `/${shownName(hit.name)}`, h("i", {}, `:${hit.line}`)),
      h("span", { class: "snippet" }, before, h("mark", {}, found), after),
    ],
  };
}

function allOption(query, root) {
  return {
    key: "+all",
    path: searchPath(root, query),
    content: [h("span", {}, `Show all lines that contain “${query}”`)],
  };
}

/** The name that was typed, if it can be written and does not exist. */
function newOptions(typed, names, root) {
  const name = newName(typed, root);
  if (name === undefined || names.includes(name) || names.includes(`${name}/`)) return [];
  return [{
    key: "+new",
    path: pathOf(name),
    content: [
      h("span", { class: "path" }, `/${shownName(name)}`),
      h("span", {}, "does not exist: write it"),
    ],
  }];
}

/**
 * The name of a world that a typed text can mean: a path, or a name below what the caller may write.
 *
 * @param {string} typed
 * @param {string} root name of the prefix of a capability, or ""
 * @returns {string | undefined} undefined if no world can have it
 */
export function newName(typed, root) {
  const text = typed.normalize("NFC");
  const isPath = text.startsWith("/");
  const base = root === "" ? "home" : root;
  const name = isPath ? text.slice(1) : `${base}/${text}`;
  if (text === "" || nameFault(name) !== undefined) return undefined;
  return placeOf(pathOf(name)).kind === "world" ? name : undefined;
}

function withCollections(worlds) {
  const all = new Set(worlds);
  for (const name of worlds) {
    for (let cut = name.lastIndexOf("/"); cut > 0; cut = name.lastIndexOf("/", cut - 1)) {
      const collection = `${name.slice(0, cut)}/`;
      if (all.has(collection)) break;
      all.add(collection);
    }
  }
  return [...all];
}
