/**
 * Shows a page or a picture while a model writes it, in the sandboxed frame of `stage.html`. Scripts
 * are disabled before the first piece is written, because the source may have made the model write
 * one.
 */

import { h } from "./dom.js";
import { pathOf } from "./place.js";

const PAGE = "/usr/lib/shell/stage.html?raw";

/**
 * Creates the stage. Pieces that are pushed before the frame is loaded wait in the port.
 *
 * @param {string} name of the source, against which links are resolved
 * @param {string} [before] markup of the shell, before the first piece
 */
export function streamedStage(name, before = "") {
  const links = h("p", { class: "hint" });
  const frame = h("iframe", {
    sandbox: "allow-scripts",
    src: PAGE,
    title: `Shape of /${name}`,
    referrerpolicy: "no-referrer",
  });
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => {
    // Messages of the frame are untrusted input.
    if (typeof data?.link === "string") {
      links.replaceChildren(...linkNote(data.link.slice(0, 2000)));
    }
  };
  frame.addEventListener("load", () => {
    const base = new URL(pathOf(name), location.href).href;
    frame.contentWindow.postMessage({ kind: "shape", base }, "*", [port2]);
  }, { once: true });
  if (before !== "") port1.postMessage({ more: before });
  return {
    node: h("div", {}, h("div", { class: "stage" }, frame), links),
    push: (more) => port1.postMessage({ more }),
    end: () => Promise.resolve(port1.postMessage({ end: true })),
  };
}

function linkNote(href) {
  const link = h("a", { href, target: "_blank", rel: "noopener noreferrer" }, href);
  return link.hasAttribute("href") ? ["The content links to ", link] : [];
}
