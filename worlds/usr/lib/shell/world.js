/**
 * A world's page: its content shown for what it is, alive, beside what the machine knows of it. A
 * world that is not there yet has the same page, which waits and shows it the moment it is written.
 */

import { refusalOf, request } from "./api.js?raw";
import { note } from "./chrome.js?raw";
import { button, flash, h } from "./dom.js?raw";
import { ago, size } from "./format.js?raw";
import { lastOf, pathOf } from "./place.js?raw";
import { follow } from "./stream.js?raw";
import { hasSource, kindOf, makeViewer } from "./viewers.js?raw";

/** A world as the viewers take it, from the machine's JSON. */
function worldOf(name, { stage_html, version, ext, updated_at, binary, len, state }) {
  const text = binary ? undefined : stage_html;
  const bytes = text === undefined ? len : new TextEncoder().encode(text).length;
  return { name, version, ext, updatedAt: updated_at, text, size: bytes, state };
}

/** Shows the page and keeps it true. */
export async function show(main, { name }, { signal, refused }) {
  const path = pathOf(name);
  const response = await request(path, { signal });
  if (signal.aborted) return;
  if (!response.ok && response.status !== 404) throw await refusalOf(response);
  const json = response.ok ? await response.json() : undefined;
  if (Array.isArray(json)) {
    location.replace(`${path}/`);
    return;
  }
  const page = worldPage(name, signal);
  main.replaceChildren(page.node);
  if (json === undefined) page.absent();
  else await page.apply(worldOf(name, json));
  const since = json?.version > 0 ? String(json.version) : "";
  follow(`/stream${path}`, {
    signal,
    last: since,
    onEvent({ type, data }) {
      if (type === "delete") page.absent(true);
      else if (type === "update") page.apply(worldOf(name, data));
    },
    onRefusal: refused,
  });
}

function worldPage(name, signal) {
  const path = pathOf(name);
  const facts = h("p", { class: "facts" });
  const actions = h("div", { class: "actions" });
  const content = h("div", { class: "content" });
  const linkBar = h("div", { class: "link-bar", hidden: true, role: "status" });
  const side = h("aside", { class: "side", "aria-label": "About this world" });
  const node = h(
    "article",
    { class: "world" },
    h("header", { class: "head" }, h("h1", {}, lastOf(name)), facts, actions),
    linkBar,
    h("div", { class: "split" }, content, side),
  );
  const state = { world: undefined, viewer: undefined, kind: "", source: false, panel: undefined };
  let turn = Promise.resolve();

  /** The content may wish to open something; whether it does is up to the reader. */
  function onLink(url) {
    const link = h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, url);
    const dismiss = button("Dismiss", () => linkBar.hidden = true, { class: "quiet" });
    linkBar.replaceChildren(h("span", {}, "The content links to"), link, dismiss);
    linkBar.hidden = false;
  }

  function drawFacts() {
    const { version, ext, updatedAt, size: bytes } = state.world;
    facts.replaceChildren(
      h("span", { class: "tag" }, ext),
      h("span", {}, version === 0 ? "built in" : `version ${version}`),
      h("span", {}, size(bytes)),
      h("time", { datetime: updatedAt, title: updatedAt }, ago(updatedAt)),
    );
  }

  function drawActions(kind) {
    const source = hasSource(kind)
      ? button(state.source ? "Rendered" : "Source", () => {
        state.source = !state.source;
        apply(state.world, true);
      }, { "aria-pressed": String(state.source) })
      : null;
    actions.replaceChildren(
      ...[
        source,
        h("a", { class: "button", href: `${path}?raw`, target: "_blank", rel: "noopener" }, "Raw"),
      ].filter((item) => item !== null),
    );
  }

  async function draw(world, same) {
    const before = state.world;
    state.world = world;
    drawFacts();
    const natural = kindOf(world);
    const kind = state.source && hasSource(natural) ? "code" : natural;
    drawActions(natural);
    if (kind !== state.kind || state.viewer === undefined) {
      const viewer = await makeViewer(kind, { onLink });
      if (signal.aborted) return;
      state.viewer = viewer;
      state.kind = kind;
      content.className = `content ${kind}`;
      content.replaceChildren(viewer.node);
    }
    await state.viewer.update(world);
    if (before !== undefined && !same && !signal.aborted) flash(content);
  }

  /** Shows a version; versions are drawn one after the other. */
  function apply(world, same = false) {
    turn = turn.then(() => draw(world, same)).catch((error) => note(error.message, "bad"));
    return turn;
  }

  function absent(deleted = false) {
    state.world = undefined;
    state.viewer = undefined;
    state.kind = "";
    facts.replaceChildren(h("span", {}, deleted ? "deleted" : "not written yet"));
    actions.replaceChildren();
    content.className = "content absent";
    content.replaceChildren(
      h(
        "div",
        { class: "empty" },
        h("span", { class: "pulse", "aria-hidden": "true" }),
        h("h2", {}, deleted ? "This world was deleted" : "Nothing is here yet"),
        h("p", {}, "This page is listening. Whatever is written here appears at once:"),
        h(
          "pre",
          { class: "command", tabindex: "0" },
          `curl -X PUT ${location.origin}${path} -d '<h1>I am alive</h1>'`,
        ),
      ),
    );
    side.replaceChildren();
  }

  return { node, apply, absent };
}
