/**
 * Markdown as a page. A link that could run code is text. Images are loaded from this server only,
 * because another server would learn who reads the page.
 */

import { h, safeUrl } from "./dom.js";
import { parseMarkdown } from "./markdown.js";
import { pathOf } from "./place.js";

/** The viewer. */
export function markdownView() {
  const node = h("div", { class: "prose-page" });
  function update(world) {
    const base = new URL(pathOf(world.name), location.href).href;
    node.replaceChildren(...parseMarkdown(world.text).map((part) => element(part, base)));
  }
  return { node, update };
}

function element(part, base) {
  if (typeof part === "string") return part;
  const children = part.in.map((child) => element(child, base));
  switch (part.tag) {
    case "a":
      return link(part, base, children);
    case "img":
      return image(part, base);
    case "pre":
      return h("pre", { tabindex: "0" }, children);
    case "ol":
      return h("ol", { start: part.start }, children);
    case "li":
      return part.checked === undefined ? h("li", {}, children) : h(
        "li",
        { class: "task" },
        h("input", {
          type: "checkbox",
          checked: part.checked,
          disabled: true,
          "aria-label": "done",
        }),
        h("span", {}, children),
      );
    case "table":
      return h("div", { class: "wide-table", tabindex: "0" }, h("table", {}, children));
    case "th":
    case "td":
      return h(part.tag, { class: part.align }, children);
    default:
      return h(part.tag, {}, children);
  }
}

function link({ href }, base, children) {
  if (href.startsWith("#") || safeUrl(href, base) === undefined) return h("span", {}, children);
  const url = new URL(href, base);
  const isLocal = url.origin === location.origin;
  return h("a", {
    href: url.href,
    ...(isLocal ? {} : { target: "_blank", rel: "noopener noreferrer" }),
  }, children);
}

function image({ src, alt }, base) {
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
  return h("img", { src: url.href, alt, loading: "lazy" });
}
