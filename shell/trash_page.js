/**
 * The page of the trash: the deleted worlds that the caller could read, newest first. They are restored,
 * also under another name, or deleted for good.
 */

import {
  confirmDialog,
  follow,
  knownCaller,
  needs,
  note,
  noteError,
  openDialog,
  requestDeleted,
  send,
  signInAction,
  toTrash,
} from "./connected.js";
import { button, h, keepFocus } from "./dom.js";
import { count, duration, grouped } from "./format.js";
import { menuButton } from "./menu.js";
import { describeAuthority, restoreRefusal } from "./missing_right.js";
import { NAMESPACES, pathOf, shownName } from "./place.js";
import { Selection } from "./select.js";
import { runAll, showFailures } from "./targets.js";
import { timeAgo } from "./times.js";
import { throttled } from "./throttled.js";
import { noteRestored, restoreAll, restoreTrashed } from "./undo_delete.js";

/** Worlds in a page of the list. */
const PAGE = 100;
const UPDATE_MS = 1000;
/** A change of another world can be a restoration under another name, which its event does not tell. */
const OTHER_UPDATE_MS = 10_000;
const ROOT = "/proc/trash/";

/**
 * A row of `/proc/trash/`.
 *
 * @typedef {{
 *   id: string, name: string, version?: number, deleted_at?: string, by?: string, expires_at?: string,
 * }} Entry
 */

/** Shows the page and follows its changes. Rejects if the server refuses the list. */
export async function showTrash(main, { name }, { signal, showError }) {
  const below = name.replace(/^proc\/trash\/?/, "");
  const first = `${ROOT}${below === "" ? "" : `${pathOf(below).slice(1)}/`}?limit=${PAGE}`;
  const [{ entries, next }, caller] = await Promise.all([readPage(first, signal), knownCaller()]);
  if (signal.aborted) return;
  const page = new TrashPage(below, caller, signal);
  main.replaceChildren(page.node);
  page.add(entries, next);
  const updateSoon = throttled(UPDATE_MS, signal, async () => {
    const { removals } = page;
    try {
      const newest = await readPage(first, signal);
      if (signal.aborted) return;
      // The list can be from before what the user did meanwhile.
      if (page.removals !== removals) updateSoon();
      else page.update(newest.entries, newest.next);
    } catch (error) {
      if (!signal.aborted) noteError(error);
    }
  });
  const updateLater = throttled(OTHER_UPDATE_MS, signal, updateSoon, OTHER_UPDATE_MS);
  follow(`/stream${below === "" ? "" : pathOf(below)}/?brief`, {
    signal,
    // `list` comes first and after each interruption: something can have changed before.
    onEvent({ type, data }) {
      if (type !== "update" || page.hasName(data.name)) updateSoon();
      else updateLater();
    },
    // A capability can see entries of the trash without the right to follow all worlds.
    onError: (error) => error.status === 401 && showError(error),
  });
}

/** Reads a page of the list, and where the next one is. */
async function readPage(path, signal) {
  const response = await send(path, { signal });
  const next = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
  return { entries: toTrash(await response.json()) ?? [], next };
}

class TrashPage {
  /** How often rows disappeared because of what the user did. */
  removals = 0;
  /** @type {Entry[]} */
  #entries = [];
  #next;
  #selection = new Selection(() => this.#drawSelection());
  #facts = h("p", { class: "facts", role: "status" });
  #about = h("p", { class: "hint" });
  #list = h("ul", { class: "trash-list" });
  #state = h("span", { role: "status" });
  #all = h("input", {
    type: "checkbox",
    "aria-label": "Select all",
    on: { change: () => this.#selection.set(this.#all.checked ? this.#keys() : []) },
  });
  #bar;
  #top;
  #more;

  constructor(below, caller, signal) {
    this.below = below;
    this.caller = caller;
    this.signal = signal;
    const restore = button("Restore", () => this.#restore(this.#selected()).catch(noteError));
    this.#bar = h(
      "div",
      { class: "selection", hidden: true, role: "group", "aria-label": "Selected worlds" },
      this.#state,
      restore,
      needs(
        button("Delete for good", () => this.#expunge(this.#selected()), { class: "danger" }),
        ROOT,
        "DELETE",
      ),
      button("×", () => this.#selection.set([]), {
        class: "quiet",
        "aria-label": "Clear the selection",
      }),
    );
    this.#top = h(
      "div",
      { class: "list-top" },
      h("label", { class: "pick" }, this.#all, h("span", { class: "unseen" }, "Select all")),
      this.#bar,
    );
    this.#more = button("Show more", () => this.#showMore().catch(noteError));
    this.node = h(
      "section",
      { class: "page trash" },
      h("header", { class: "head" }, h("h1", {}, "Trash"), this.#facts, filterForm(below)),
      this.#about,
      this.#top,
      this.#list,
      this.#more,
    );
    this.#list.addEventListener("keydown", moveFocus);
  }

  /** Adds a page of the list, without what the list has already. */
  add(entries, next) {
    const known = new Set(this.#keys());
    const added = entries.filter((entry) => !known.has(keyOf(entry)));
    this.#entries.push(...added);
    this.#next = next;
    this.#list.append(...added.map((entry) => this.#row(entry)));
    this.#draw();
  }

  /** Whether a deleted world of this name is shown. */
  hasName(name) {
    return this.#entries.some((entry) => entry.name === name);
  }

  /** Shows the newest page of the list. Older entries that are shown stay. */
  update(entries, next) {
    const known = new Set(this.#keys());
    const added = entries.filter((entry) => !known.has(keyOf(entry)));
    const current = new Set(entries.map(keyOf));
    const last = next === undefined ? -1 : this.#keys().indexOf(keyOf(entries.at(-1)));
    // Without a common entry nothing tells which of the others are still there.
    const replaced = last < 0 ? this.#entries : this.#entries.slice(0, last + 1);
    if (last < 0) this.#next = next;
    this.#entries.unshift(...added);
    this.#list.prepend(...added.map((entry) => this.#row(entry)));
    this.#dropRows(replaced.filter((entry) => !current.has(keyOf(entry))));
  }

  #draw() {
    const { length } = this.#entries;
    this.#facts.textContent = this.#next === undefined
      ? count(length, "deleted world")
      : `the last ${count(length, "deleted world")}`;
    this.#about.textContent = length === 0 ? emptyText(this.below) : keptText(this.#entries[0]);
    this.#top.hidden = length === 0;
    this.#list.hidden = length === 0;
    this.#more.hidden = this.#next === undefined;
    this.#drawSelection();
  }

  #drawSelection() {
    const { size } = this.#selection;
    for (const row of this.#list.children) {
      const isSelected = this.#selection.has(row.dataset.key);
      row.classList.toggle("selected", isSelected);
      row.querySelector("input").checked = isSelected;
    }
    this.#all.checked = size > 0 && size === this.#entries.length;
    this.#all.indeterminate = size > 0 && !this.#all.checked;
    keepFocus(this.#bar, () => this.#bar.hidden = size === 0);
    this.#state.textContent = size === 0 ? "" : `${grouped(size)} selected`;
  }

  #row(entry) {
    const key = keyOf(entry);
    const refusal = restoreRefusal(this.caller, entry.name);
    const pick = (event) => {
      if (event.shiftKey) this.#selection.extend(key, this.#keys());
      else this.#selection.toggle(key);
      this.#drawSelection();
    };
    const restore = button("Restore", () => {
      if (refusal !== undefined) return note(refusal, { action: signInAction() });
      this.#restore([entry]).catch(noteError);
    }, {
      "aria-disabled": refusal && "true",
      title: refusal,
      "aria-label": `Restore ${entry.name}`,
    });
    const items = () => [
      {
        label: "Restore as…",
        run: () => this.#restoreAs(entry),
        disabled: refusal,
      },
      {
        label: "Delete for good",
        danger: true,
        run: () => this.#expunge([entry]),
        disabled: this.caller.tier === "T3" && this.caller.prefix === undefined
          ? undefined
          : `Deleting for good needs T3; ${describeAuthority(this.caller)}`,
      },
    ];
    return h(
      "li",
      { "data-key": key },
      h(
        "label",
        { class: "pick" },
        h("input", {
          type: "checkbox",
          "aria-label": `Select ${entry.name}`,
          on: { click: pick },
        }),
      ),
      h(
        "div",
        { class: "what" },
        h("span", { class: "name" }, `/${shownName(entry.name)}`),
        h("small", {}, describeEntry(entry)),
      ),
      restore,
      menuButton("⋯", items, {
        class: "quiet row-menu",
        "aria-label": `Actions for ${entry.name}`,
      }),
    );
  }

  #keys() {
    return this.#entries.map(keyOf);
  }

  #selected() {
    return this.#entries.filter((entry) => this.#selection.has(keyOf(entry)));
  }

  /** Removes the rows of what the user restored, or deleted for good. */
  #drop(entries) {
    this.removals += 1;
    this.#dropRows(entries);
  }

  /** Removes rows, and moves the focus to what follows them. */
  #dropRows(entries) {
    keepFocus(this.#list, () => this.#dropKeys(new Set(entries.map(keyOf))));
  }

  #dropKeys(dropped) {
    this.#entries = this.#entries.filter((entry) => !dropped.has(keyOf(entry)));
    for (const row of [...this.#list.children]) {
      if (!dropped.has(row.dataset.key)) continue;
      const isFocused = row.contains(document.activeElement);
      const following = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      if (isFocused) following?.querySelector("button").focus();
    }
    const left = new Set(this.#keys());
    this.#selection.keep((key) => left.has(key));
    this.#draw();
  }

  async #restore(entries) {
    this.#drop(await restoreAll(entries));
  }

  async #restoreAs(entry) {
    let to = entry.name;
    const answer = await openDialog({
      title: "Restore under another name",
      text: `/${entry.name} comes back with its history.`,
      fields: [{ name: "to", label: "Path", value: `/${entry.name}`, required: true }],
      confirm: "Restore",
      check: (values) => {
        to = values.to.trim().replace(/^\/+/, "");
        const isWorld = NAMESPACES.some((one) => to.startsWith(`${one}/`)) && !to.endsWith("/");
        return isWorld ? undefined : { fault: "A path such as /home/notes/plan is needed." };
      },
      submit: () => restoreTrashed(to, entry.id),
    });
    if (answer === null) return;
    this.#drop([entry]);
    noteRestored(to);
  }

  async #expunge(entries) {
    const what = entries.length === 1 ? `/${entries[0].name}` : count(entries.length, "world");
    const text = `${what} and the history cannot be restored after this.`;
    if (!await confirmDialog("Delete for good?", text, "Delete for good")) return;
    const done = [];
    try {
      const { failures } = await runAll(
        "Deleting for good",
        entries.map((entry) => ({ ...entry, path: `/${entry.name}`, slash: "" })),
        async (entry) => {
          const path = `${ROOT}?id=${encodeURIComponent(entry.id)}`;
          const { deleted } = await requestDeleted(path, { method: "DELETE" });
          done.push(...deleted.map((name) => ({ name, id: entry.id })));
        },
      );
      showFailures("Not deleted", failures);
    } catch (error) {
      noteError(error);
    }
    this.#drop(done);
    if (done.length > 0) note(`${count(done.length, "world")} deleted for good`);
  }

  async #showMore() {
    const first = this.#list.childElementCount;
    const { entries, next } = await readPage(this.#next, this.signal);
    if (this.signal.aborted) return;
    this.add(entries, next);
    this.#list.children[first]?.querySelector("input").focus();
  }
}

/** An id is of one world, except for collections that a move replaced. */
function keyOf({ id, name }) {
  return `${id} ${name}`;
}

function describeEntry({ version, deleted_at: at, by, expires_at: end }) {
  const seconds = (Date.parse(end) - Date.now()) / 1000;
  return [
    version === undefined ? "" : `version ${version} · `,
    `deleted by ${by ?? "?"}`,
    at === undefined ? null : [" · ", timeAgo(at)],
    end === undefined ? "" : ` · kept ${formatLeft(seconds)}`,
  ];
}

/** The rest of the time in the trash; the server empties it every ten minutes. */
function formatLeft(seconds) {
  if (seconds < 600) return "a few more minutes";
  const days = Math.ceil(seconds / 86_400);
  return days > 1 ? `${days} more days` : `${duration(seconds)} more`;
}

function keptText({ deleted_at: at, expires_at: end }) {
  if (end === undefined) return "Deleted worlds stay here until they are deleted for good.";
  const days = (Date.parse(end) - Date.parse(at)) / 86_400_000;
  const time = Number.isInteger(days) ? count(days, "day") : duration(days * 86_400);
  return `The server deletes each world for good ${time} after it was moved here.`;
}

function emptyText(below) {
  return below === ""
    ? "The trash is empty. Deleted worlds appear here, and can be restored."
    : `The trash has no worlds below /${below}/.`;
}

/** A field for the collection whose deleted worlds are shown. */
function filterForm(below) {
  const path = h("input", {
    "aria-label": "Below the path",
    placeholder: "/home/",
    spellcheck: "false",
    autocomplete: "off",
    value: below === "" ? "" : `/${below}/`,
  });
  const fault = h("span", { class: "fault", role: "alert" });
  function submit(event) {
    event.preventDefault();
    const name = path.value.trim().replace(/^\/+|\/+$/g, "");
    if (name !== "" && !NAMESPACES.includes(name.split("/")[0])) {
      fault.textContent = "A path such as /home/ is needed.";
      return;
    }
    const to = name === "" ? ROOT : `${ROOT}${pathOf(name).slice(1)}/`;
    dispatchEvent(new CustomEvent("shell:go", { detail: to }));
  }
  return h(
    "form",
    { class: "actions trash-filter", role: "search", on: { submit } },
    fault,
    h("label", { class: "inline" }, h("span", {}, "Below"), path),
    h("button", { type: "submit" }, "Show"),
  );
}

/** Arrow keys move between the rows, and stay in the same column of controls. */
function moveFocus(event) {
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key];
  if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  const row = event.target.closest("li");
  const other = step > 0 ? row?.nextElementSibling : row?.previousElementSibling;
  if (!other) return;
  event.preventDefault();
  const controls = (one) => [...one.querySelectorAll("input, button")];
  controls(other)[controls(row).indexOf(event.target)]?.focus();
}
