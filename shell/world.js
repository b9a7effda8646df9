/**
 * The view of a world: its content, and a panel with metadata and history. If the world does not
 * exist, the view waits until it is written.
 */

import { readError, request } from "./api.js";
import { countChildren } from "./child_count.js";
import { note } from "./chrome.js";
import { openCompare } from "./compare.js";
import { fill, flash, h, keepFocus } from "./dom.js";
import { readDraft } from "./drafts.js";
import { showEarlier } from "./earlier_version.js";
import { openEditor } from "./edit.js";
import { withEncodedText } from "./encoded_text.js";
import { size } from "./format.js";
import { missingView } from "./missing_world.js";
import { takeEdit } from "./new_world.js";
import { fullWindow } from "./full_window.js";
import { linkParts } from "./content_link.js";
import { lastOf, pathOf, shownName } from "./place.js";
import { timeAgo } from "./times.js";
import { pluginPanel } from "./server_pages.js";
import { lineOf } from "./search_hits.js";
import { side } from "./side.js";
import { follow } from "./stream.js";
import { trashNotice } from "./trash_notice.js";
import { acceptContent } from "./upload.js";
import { hasSource, kindOf, makeViewer } from "./viewers.js";
import { replaceQuery } from "./visited.js";
import { addKeys, drawActions } from "./world_actions.js";

/** Delay of the panel, so that several changes cause one update. */
const PANEL_DELAY_MS = 150;
/** Delay of the first panel: two frames, so that the content is drawn first. */
const FIRST_PANEL_MS = 32;

/** Time in which the focus of a click reaches the frame of the content. */
const FOCUS_MS = 1000;

/** The world for the viewers, from the server's JSON. */
function toWorld(name, { stage_html, version, ext, updated_at, binary, len, state }) {
  const text = binary ? undefined : stage_html;
  const bytes = text === undefined ? len : new TextEncoder().encode(text).length;
  return { name, version, ext, updatedAt: updated_at, text, size: bytes, state };
}

/** Shows the world and follows its changes. */
export async function showWorld(main, { name }, { signal, showError }) {
  const path = pathOf(name);
  const [response, plugin] = await Promise.all([
    request(path, { signal }),
    name.startsWith("lib/") ? pluginPanel(name) : undefined,
  ]);
  if (signal.aborted) return;
  if (!response.ok && response.status !== 404) throw await readError(response);
  const json = response.ok ? await response.json() : undefined;
  if (Array.isArray(json)) {
    location.replace(`${path}/`);
    return;
  }
  const page = new WorldPage(name, plugin, signal);
  main.replaceChildren(page.node);
  if (json === undefined) page.showMissing();
  else {
    await page.apply(toWorld(name, json));
    await page.showLine(lineOf(location.hash));
  }
  const caret = takeEdit(name);
  if (caret !== undefined || readDraft(name) !== undefined) page.edit(caret);
  else if (json !== undefined) await page.showAddress();
  follow(`/stream${path}`, {
    signal,
    last: json?.version > 0 ? String(json.version) : "",
    onEvent({ type, data }) {
      if (type === "delete") page.showMissing(true);
      else if (type === "update") page.apply(toWorld(name, data));
    },
    onError: showError,
  });
  // Not awaited: the content is shown before its children are counted.
  countChildren(path, signal).then((children) => page.setChildren(children));
}

class WorldPage {
  #facts = h("p", { class: "facts" });
  #actions = h("div", { class: "actions" });
  #content = h("div", { class: "content" });
  #bar = h("div", { class: "link-bar", hidden: true, role: "status", tabindex: "-1" });
  #past = h("div", {});
  #aside = h("aside", { class: "side", "aria-label": "About this world" });
  #turn = Promise.resolve();
  #timer = 0;
  #viewer;
  #kind = "";
  #source = false;
  /** The kind of the content that is shown, as which text that is not UTF-8 is decoded. */
  #natural = "";
  /** What the user chose about the content, for each viewer. */
  #choice = {};
  /** The editor, while it is open. */
  #editor;
  #isOpening = false;
  /** The earlier version that is shown. */
  #earlier;
  /** A view in place of the content: the comparison of versions. */
  #pane;
  #children = 0;
  #side;

  constructor(name, plugin, signal) {
    this.name = name;
    this.plugin = plugin;
    this.path = pathOf(name);
    this.signal = signal;
    /** The latest version. */
    this.world = undefined;
    this.choose = acceptContent(signal, name);
    this.node = h(
      "article",
      { class: "world" },
      h(
        "header",
        { class: "head" },
        h("h1", {}, shownName(lastOf(name))),
        this.#facts,
        this.#actions,
      ),
      this.#past,
      this.#bar,
      h(
        "div",
        { class: "split" },
        // First on narrow screens and for screen readers: it decides what runs on the server.
        plugin === undefined ? null : h("div", { class: "side approval" }, plugin.node),
        this.#content,
        this.#aside,
      ),
    );
    addKeys(this);
    /** Shows the content in the whole window, or leaves it. */
    this.toggleFull = fullWindow(this);
  }

  /** Shows a version. Versions are drawn in order. */
  apply(world) {
    const before = this.world;
    this.world = world;
    this.#turn = this.#turn.then(async () => {
      if (this.signal.aborted || this.world !== world) return;
      this.#updatePanel(before === undefined);
      this.#drawHead();
      this.#editor?.onLatest(world);
      const isCovered = this.#editor !== undefined || this.#pane !== undefined;
      if (isCovered || this.#earlier !== undefined) return;
      await this.#draw(world);
      if (before !== undefined) flash(this.#content);
    }).catch((error) => note(error.message, "bad"));
    return this.#turn;
  }

  /** How many entries are below the world. */
  get children() {
    return this.#children;
  }

  /** Shows that the world is a collection too. */
  setChildren(children) {
    this.#children = children;
    if (children > 0 && this.world !== undefined) this.#drawHead();
  }

  /** Shows that the world does not exist. */
  showMissing(deleted = false) {
    clearTimeout(this.#timer);
    this.world = undefined;
    this.#viewer = undefined;
    this.#leaveCurrent();
    this.#facts.replaceChildren(h("span", {}, deleted ? "deleted" : "not written yet"));
    this.#aside.replaceChildren();
    if (this.plugin !== undefined) this.plugin.node.hidden = true;
    drawActions(this, this.#actions, {});
    if (this.#editor !== undefined) {
      if (deleted) this.#editor.onLatest(undefined);
      return;
    }
    this.#content.className = "content";
    this.#turn = this.#turn.then(() => {
      if (this.world !== undefined) return;
      const view = missingView(this.name, { deleted, edit: () => this.edit() });
      this.#content.replaceChildren(view);
      trashNotice(this.name, this.signal).then((notice) => {
        if (notice !== undefined) view.querySelector("h2")?.after(notice);
      });
    });
  }

  /** Switches between the content and its source. */
  toggleSource() {
    this.#source = !this.#source;
    this.#drawHead();
    if (this.#pane !== undefined) return this.showVersion(undefined);
    return this.#draw(this.#earlier ?? this.world);
  }

  /** Shows the source at a line, and marks the line. */
  async showLine(line) {
    if (line === undefined || this.world?.text === undefined) return;
    if (!this.#source && hasSource(kindOf(this.world))) await this.toggleSource();
    this.#viewer?.showLine(line);
  }

  /** Opens the editor in place of the content. `caret`: where the user begins to type. */
  async edit(caret) {
    const isText = this.world === undefined || this.world.text !== undefined;
    if (this.#isOpening || this.#editor !== undefined) return;
    if (!isText && readDraft(this.name) === undefined) return;
    const { world } = this;
    // A second editor of the same world would share its draft.
    this.#isOpening = true;
    const editor = await openEditor(
      this.name,
      world,
      this.signal,
      (saved) => this.#onEdited(saved),
      caret,
    );
    this.#isOpening = false;
    if (editor === undefined) return;
    this.#leaveCurrent();
    this.#editor = editor;
    this.#viewer = undefined;
    this.#actions.hidden = true;
    this.#content.className = "content editing";
    this.#content.replaceChildren(editor.node);
    editor.focus();
    if (this.world?.version !== world?.version) editor.onLatest(this.world);
  }

  /** Shows the content again. `saved`: what was written; undefined if nothing was. */
  #onEdited(saved) {
    this.#editor = undefined;
    this.#actions.hidden = false;
    if (this.signal.aborted) return;
    if (saved !== undefined && saved.version > (this.world?.version ?? -1)) {
      const bytes = new TextEncoder().encode(saved.text).length;
      const updatedAt = new Date().toISOString();
      this.apply({ ...this.world, name: this.name, ...saved, updatedAt, size: bytes });
    } else if (this.world === undefined) this.showMissing();
    else this.#draw(this.world);
    document.getElementById("main")?.focus({ preventScroll: true });
  }

  /** Shows what the query of the address asks for: `?at=3` or `?compare=3..5`. */
  async showAddress() {
    const query = new URLSearchParams(location.search);
    const [, from, to] = /^(\d+)\.\.(\d+)$/.exec(query.get("compare") ?? "") ?? [];
    if (from !== undefined) await this.compare(Number(from), Number(to));
    else if (/^\d+$/.test(query.get("at") ?? "")) await this.showEarlier(Number(query.get("at")));
  }

  /** Requests an earlier version and shows it. */
  async showEarlier(version) {
    if (this.#editor !== undefined && !await this.#editor.close()) return;
    if (version === this.world?.version) return this.showVersion(undefined);
    await showEarlier(this, version, (json) => toWorld(this.name, json));
  }

  /** Compares two versions in place of the content. */
  async compare(from, to) {
    if (this.#editor !== undefined && !await this.#editor.close()) return;
    const node = await openCompare(this, from, to);
    if (node === undefined || this.signal.aborted) return;
    // It can have been opened in the meantime.
    if (this.#editor !== undefined && !await this.#editor.close()) return;
    this.#leaveCurrent(`?compare=${from}..${to}`);
    this.#viewer = undefined;
    this.#pane = node;
    this.#content.className = "content";
    this.#content.replaceChildren(node);
    node.focus();
  }

  /**
   * Shows an earlier version; the current one if undefined.
   *
   * @param {any} [earlier]
   * @param {HTMLElement} [banner] what is known about it
   */
  showVersion(earlier, banner) {
    this.#leaveCurrent(earlier === undefined ? "" : `?at=${earlier.version}`, earlier, banner);
    const world = earlier ?? this.world;
    if (world === undefined || this.#editor !== undefined) return undefined;
    return this.#draw(world);
  }

  /** Marks what is shown: an earlier version, another view of the address, or the current content. */
  #leaveCurrent(query = "", earlier, banner) {
    this.#earlier = earlier;
    this.#side?.mark(earlier?.version);
    this.#pane = undefined;
    this.#bar.hidden = true;
    this.node.classList.toggle("past", earlier !== undefined);
    keepFocus(this.#past, () => fill(this.#past, banner));
    const isOwn = query !== "" || /^\?(at|compare)=/.test(location.search);
    if (isOwn && !this.signal.aborted) replaceQuery(query);
  }

  async #draw(latest) {
    const world = kindOf(latest) === "hex" && latest.size > 0
      ? await withEncodedText(latest)
      : latest;
    const natural = kindOf(world);
    if (natural !== this.#natural) {
      this.#natural = natural;
      if (world !== latest) this.#drawHead();
    }
    const kind = this.#source && hasSource(natural) ? "code" : natural;
    if (kind !== this.#kind || this.#viewer === undefined) {
      this.#viewer = makeViewer(kind, {
        onLink: (url) => this.#showLink(url),
        choice: this.#choice,
      });
      if (this.signal.aborted) return;
      this.#kind = kind;
      this.#content.className = `content ${kind}-content`;
      this.#content.replaceChildren(this.#viewer.node);
    }
    await this.#viewer.update(world);
  }

  #drawHead() {
    const { version, ext, updatedAt, size: bytes } = this.world;
    fill(
      this.#facts,
      h("span", { class: "tag" }, ext),
      h("span", {}, version === 0 ? "built in" : `version ${version}`),
      h("span", {}, size(bytes)),
      timeAgo(updatedAt),
      this.#children === 0
        ? null
        : h("a", { href: `${this.path}/` }, `also a collection of ${this.#children}`),
    );
    drawActions(this, this.#actions, {
      source: hasSource(kindOf(this.world)) || hasSource(this.#natural),
      pressed: this.#source,
    });
  }

  /** Updates the panel, first or after a change. */
  #updatePanel(now) {
    clearTimeout(this.#timer);
    // A card of the same width avoids a layout shift when the panel loads.
    if (now) fill(this.#aside, this.#side?.node ?? h("div", { class: "card" }));
    this.#timer = setTimeout(async () => {
      if (this.world === undefined || this.signal.aborted) return;
      this.plugin?.update(this.world);
      if (this.#side === undefined) {
        this.#side ??= side(this);
        this.#side.mark(this.#earlier?.version);
      }
      if (this.world === undefined) return;
      fill(this.#aside, this.#side.node);
      await this.#side.update(this.world);
    }, now ? FIRST_PANEL_MS : PANEL_DELAY_MS);
  }

  /** Asks whether to open a link of the content. */
  #showLink(url) {
    const close = () => keepFocus(this.#bar, () => this.#bar.hidden = true);
    this.showBar("Open this link?", ...linkParts(url, close));
    this.#bar.onkeydown = ({ key }) => {
      if (key === "Escape") close();
    };
    // Not the link itself, because content can follow its own links while the user types.
    const takeFocus = () => {
      if (!this.#bar.hidden && document.activeElement?.tagName === "IFRAME") this.#bar.focus();
    };
    takeFocus();
    // The focus can reach the frame, which is in a process of its own, after the message.
    const signal = AbortSignal.any([this.signal, AbortSignal.timeout(FOCUS_MS)]);
    addEventListener("blur", () => setTimeout(takeFocus), { signal });
  }

  /** Shows a bar above the content. */
  showBar(text, ...more) {
    this.#bar.replaceChildren(h("span", {}, text), ...more);
    this.#bar.hidden = false;
  }
}
