/**
 * Markdown as a page. A link that could run code is text. Images are loaded from this server only,
 * because another server would learn who reads the page. A long document is drawn in parts, each in its
 * own task.
 */

import { button, h, safeUrl } from "./dom.js";
import { size } from "./format.js";
import { paint } from "./highlight.js";
import { parseMarkdown } from "./markdown.js";
import { pathOf } from "./place.js";

/** Parts that are drawn without being asked for. */
const PARTS = 8;
/** Prefix of the anchors, so that no heading gets the `id` of an element of the page. */
const ANCHOR = "text-";

/** The viewer. */
export function markdownView() {
  const node = h("div", { class: "prose-page" });
  let turn = 0;
  node.addEventListener("click", onAnchor);

  function update(world) {
    const mine = ++turn;
    const base = new URL(pathOf(world.name), location.href).href;
    const isFirst = !node.hasChildNodes();
    let parsed = parseMarkdown(world.text);
    const blocks = [];
    node.replaceChildren(...draw(parsed.nodes, base, blocks));
    if (isFirst) showAnchor(node, location.hash);
    more(PARTS);

    /** Draws the next parts, each in its own task, and then a button for the rest. */
    async function more(parts) {
      for (let part = 1; parsed.state !== undefined && part < parts; part++) {
        await new Promise((done) => setTimeout(done));
        if (mine !== turn) return;
        parsed = parseMarkdown(world.text, parsed.state);
        node.append(...draw(parsed.nodes, base, blocks));
      }
      for (const { text, language } of blocks.splice(0)) paint(text, language);
      if (parsed.state === undefined) return;
      const left = size(world.text.length - parsed.state.from);
      const next = button(`Show more (${left})`, () => {
        next.remove();
        more(PARTS + 1);
      }, { class: "quiet" });
      node.append(next);
    }
  }

  /** Follows a link to an anchor of the page. */
  function onAnchor(event) {
    const link = event.target.closest?.("a[href^='#']");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const hash = link.getAttribute("href");
    if (findAnchor(node, hash) === null) return;
    // First, so that the entry of the history keeps the place of the link, to which Back returns.
    location.hash = hash;
    showAnchor(node, hash);
  }

  return { node, update };
}

/** The element of an anchor; null if there is none. */
function findAnchor(node, hash) {
  let name = hash.slice(1);
  try {
    name = decodeURIComponent(name);
  } catch {
    // An invalid escape stays as it is.
  }
  return name === "" ? null : node.querySelector(`#${CSS.escape(ANCHOR + name)}`);
}

/** Scrolls to an anchor, if there is one. */
function showAnchor(node, hash) {
  const target = findAnchor(node, hash);
  if (target === null) return;
  target.tabIndex = -1;
  target.focus({ preventScroll: true });
  target.scrollIntoView();
}

function draw(parts, base, blocks) {
  return parts.map((part) => element(part, base, blocks));
}

function element(part, base, blocks) {
  if (typeof part === "string") return part;
  const children = draw(part.in, base, blocks);
  const id = part.id === undefined ? null : ANCHOR + part.id;
  switch (part.tag) {
    case "a":
      return link(part, base, children);
    case "img":
      return image(part, base);
    case "pre":
      return block(part, blocks);
    case "ol":
      return h("ol", { start: part.start }, children);
    case "li":
      return part.checked === undefined ? h("li", { id }, children) : h(
        "li",
        { class: "task" },
        h("input", {
          type: "checkbox",
          checked: part.checked,
          disabled: true,
          "aria-label": "done",
        }),
        h("div", {}, children),
      );
    case "blockquote":
      return part.alert === undefined ? h("blockquote", {}, children) : h(
        "div",
        { class: `alert alert-${part.alert}`, role: "note" },
        h("p", { class: "alert-title" }, part.alert[0].toUpperCase() + part.alert.slice(1)),
        children,
      );
    case "section":
      return h("section", { class: "footnotes", "aria-label": "Footnotes" }, h("ol", {}, children));
    case "table":
      return h("div", { class: "wide-table", tabindex: "0" }, h("table", {}, children));
    case "th":
    case "td":
      return h(part.tag, { class: part.align === "left" ? null : part.align }, children);
    case "p":
      return h("p", { class: part.kind ?? null }, children);
    default:
      return /^h[1-6]$/.test(part.tag)
        ? h(
          part.tag,
          { id },
          children,
          h(
            "a",
            { class: "anchor", href: `#${part.id}`, "aria-label": "Link to this section" },
            "#",
          ),
        )
        : h(part.tag, { id }, children);
  }
}

/** A block of code, which gets its colours when the whole page is drawn. */
function block({ language, in: [text] }, blocks) {
  const content = document.createTextNode(text);
  if (language) blocks.push({ text: content, language });
  return h("pre", { tabindex: "0" }, h("code", {}, content));
}

function link({ href, title, kind }, base, children) {
  const label = kind === "back" ? "Back to the text" : null;
  if (href.startsWith("#")) return h("a", { href, title, "aria-label": label }, children);
  if (safeUrl(href, base) === undefined) return h("span", {}, children);
  const url = new URL(href, base);
  const isLocal = url.origin === location.origin;
  return h("a", {
    href: url.href,
    title,
    ...(isLocal ? {} : { target: "_blank", rel: "noopener noreferrer" }),
  }, children);
}

function image({ src, alt, title }, base) {
  if (safeUrl(src, base) === undefined) return alt;
  const url = new URL(src, base);
  if (url.origin !== location.origin) {
    return h(
      "a",
      { href: url.href, target: "_blank", rel: "noopener noreferrer" },
      alt || url.href,
    );
  }
  url.search = "?raw";
  return h("img", { src: url.href, alt, title, loading: "lazy" });
}
