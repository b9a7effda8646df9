/** The question before a link of untrusted content is opened. */

import { button, h } from "./dom.js";

/**
 * Creates the parts of the question: the whole URL, and what can be done.
 *
 * @param {string} url untrusted
 * @param {() => void} close
 * @returns {Node[]}
 */
export function linkParts(url, close) {
  const isLocal = URL.canParse(url) && new URL(url).origin === location.origin;
  const open = h("a", {
    class: "button",
    href: url,
    ...(isLocal ? {} : { target: "_blank", rel: "noopener noreferrer" }),
    on: { click: close },
  }, isLocal ? "Open" : "Open in a new tab");
  return [
    h("code", {}, url),
    open.hasAttribute("href")
      ? open
      : h("span", { class: "hint" }, "A link of this kind is not opened."),
    button("Dismiss", close, { class: "quiet" }),
  ];
}
