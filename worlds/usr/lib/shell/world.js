/**
 * A world's page: its content shown for what it is, alive, beside what the machine knows of it. A
 * world that is not there yet has the same page, which waits and shows it the moment it is written.
 */

import { refusalOf, request } from "./api.js?raw";
import { note } from "./chrome.js?raw";
import { button, byId, fill, flash, h, style } from "./dom.js?raw";
import { ago, size } from "./format.js?raw";
import { lastOf, pathOf } from "./place.js?raw";
import { follow } from "./stream.js?raw";
import { hasSource, kindOf, makeViewer } from "./viewers.js?raw";
import { act, keys } from "./world_actions.js?raw";

/** Milliseconds after a change until the panel is read anew, so that a burst costs one reading. */
const PANEL_PAUSE = 150;

/** A world as the viewers take it, from the machine's JSON. */
function worldOf(name, { stage_html, version, ext, updated_at, binary, len, state }) {
  const text = binary ? undefined : stage_html;
  const bytes = text === undefined ? len : new TextEncoder().encode(text).length;
  return { name, version, ext, updatedAt: updated_at, text, size: bytes, state };
}

/** Shows the page and keeps it true. */
export async function show(main, { name }, { signal, refused, asked }) {
  const path = pathOf(name);
  const response = await (asked ?? request(path, { signal }));
  if (signal.aborted) return;
  if (!response.ok && response.status !== 404) throw await refusalOf(response);
  const json = response.ok ? await response.json() : undefined;
  if (Array.isArray(json)) {
    location.replace(`${path}/`);
    return;
  }
  const plugin = name.startsWith("lib/")
    ? (await import("./plugin.js?raw")).pluginPanel(name)
    : undefined;
  const page = new WorldPage(name, plugin, signal);
  main.replaceChildren(page.node);
  if (json === undefined) page.absent();
  else await page.apply(worldOf(name, json));
  follow(`/stream${path}`, {
    signal,
    last: json?.version > 0 ? String(json.version) : "",
    onEvent({ type, data }) {
      if (type === "delete") page.absent(true);
      else if (type === "update") page.apply(worldOf(name, data));
    },
    onRefusal: refused,
  });
  const { childrenOf } = await import("./below.js?raw");
  page.tellChildren(await childrenOf(path, signal));
}

class WorldPage {
  #facts = h("p", { class: "facts" });
  #actions = h("div", { class: "actions" });
  #content = h("div", { class: "content" });
  #bar = h("div", { class: "link-bar", hidden: true, role: "status" });
  #aside = h("aside", { class: "side", "aria-label": "About this world" });
  #turn = Promise.resolve();
  #timer = 0;
  #viewer;
  #kind = "";
  #source = false;
  #editing = false;
  #past;
  #meta = [];
  #children = 0;
  #side;

  constructor(name, plugin, signal) {
    this.name = name;
    this.plugin = plugin;
    this.path = pathOf(name);
    this.signal = signal;
    /** The version that is current, as far as this page knows. */
    this.world = undefined;
    let files;
    const take = () =>
      files ??= import("./upload.js?raw").then(({ takeFiles }) => takeFiles(signal, () => name));
    this.choose = async () => (await take())();
    byId("main").addEventListener("dragenter", take, { signal });
    this.node = h(
      "article",
      { class: "world" },
      h("header", { class: "head" }, h("h1", {}, lastOf(name)), this.#facts, this.#actions),
      this.#bar,
      h("div", { class: "split" }, this.#content, this.#aside),
    );
    keys(this);
  }

  /** Shows a version; versions are drawn one after the other. */
  apply(world) {
    const before = this.world;
    this.world = world;
    this.#turn = this.#turn.then(async () => {
      if (this.signal.aborted || this.world !== world) return;
      this.#panel(before === undefined);
      this.#drawHead();
      if (this.#editing || this.#past !== undefined) return;
      await this.#draw(world);
      if (before !== undefined) flash(this.#content);
    }).catch((error) => note(error.message, "bad"));
    return this.#turn;
  }

  /** Says that the world is a collection as well. */
  tellChildren(children) {
    this.#children = children;
    if (children > 0 && this.world !== undefined) this.#drawHead();
  }

  /** Says that nothing is there, and waits. */
  absent(deleted = false) {
    clearTimeout(this.#timer);
    this.world = undefined;
    this.#viewer = undefined;
    this.#past = undefined;
    this.#facts.replaceChildren(h("span", {}, deleted ? "deleted" : "not written yet"));
    this.#aside.replaceChildren();
    this.#bar.hidden = true;
    act(this, this.#actions, {});
    if (this.#editing) return;
    this.#content.className = "content";
    this.#turn = this.#turn.then(async () => {
      const { absentView } = await import("./absent.js?raw");
      if (this.world === undefined) this.#content.replaceChildren(absentView(this.path, deleted));
    });
  }

  /** Shows the source, or what it is the source of. */
  toggleSource() {
    this.#source = !this.#source;
    this.#drawHead();
    return this.#draw(this.#past ?? this.world);
  }

  /** Opens the editor in the content's place. */
  async edit() {
    if (this.#editing || (this.world !== undefined && this.world.text === undefined)) return;
    const { editor } = await import("./editor.js?raw");
    this.#editing = true;
    const form = editor(this.name, this.world, this.#meta, () => this.#stopEditing());
    this.#viewer = undefined;
    this.#content.className = "content editing";
    this.#content.replaceChildren(form.node);
    form.focus();
  }

  #stopEditing() {
    this.#editing = false;
    if (this.world === undefined) this.absent();
    else this.#draw(this.world);
  }

  /** Shows an earlier version until somebody goes back to now. */
  async showPast(version) {
    if (version === this.world?.version) return this.look(undefined);
    const { showPast } = await import("./past.js?raw");
    await showPast(this, version, (json) => worldOf(this.name, json));
  }

  /** Shows an earlier version, or the current one again. */
  look(past) {
    this.#past = past;
    if (past === undefined) this.#bar.hidden = true;
    else this.#editing = false;
    const world = past ?? this.world;
    return world === undefined ? undefined : this.#draw(world);
  }

  async #draw(world) {
    const natural = kindOf(world);
    const kind = this.#source && hasSource(natural) ? "code" : natural;
    if (kind !== this.#kind || this.#viewer === undefined) {
      this.#viewer = await makeViewer(kind, { onLink: (url) => this.#wish(url) });
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
      h("time", { datetime: updatedAt, title: updatedAt }, ago(updatedAt)),
      this.#children === 0
        ? null
        : h("a", { href: `${this.path}/` }, `also a collection of ${this.#children}`),
    );
    act(this, this.#actions, { source: hasSource(kindOf(this.world)), pressed: this.#source });
  }

  /** Reads the panel anew, at once or soon. */
  #panel(now) {
    clearTimeout(this.#timer);
    // Something of the panel's width is there at once, so that nothing moves when it comes.
    if (now) fill(this.#aside, this.plugin?.node, this.#side?.node ?? h("div", { class: "card" }));
    this.#timer = setTimeout(async () => {
      if (this.world === undefined || this.signal.aborted) return;
      this.plugin?.update(this.world);
      if (this.#side === undefined) {
        const { side } = await import("./side.js?raw");
        this.#side ??= side(this.name, this.signal, (version) => this.showPast(version));
      }
      if (this.world === undefined) return;
      fill(this.#aside, this.plugin?.node, this.#side.node);
      this.#meta = await this.#side.update(this.world) ?? this.#meta;
    }, now ? 0 : PANEL_PAUSE);
  }

  /** The content may wish to open something; whether it does is up to the reader. */
  #wish(url) {
    const link = h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, url);
    this.say(
      "The content links to",
      link,
      button("Dismiss", () => this.#bar.hidden = true, { class: "quiet" }),
    );
  }

  /** Says something above the content. */
  async say(text, ...more) {
    await style("notes");
    this.#bar.replaceChildren(h("span", {}, text), ...more);
    this.#bar.hidden = false;
  }
}
