/**
 * A page or a picture that a model writes, shown as it grows, in the same cage as strangers' markup
 * and with less: before the first word the stage takes away every script, so that nothing which a
 * source talked the model into can run.
 */

import { h } from "./dom.js?raw";
import { pathOf } from "./place.js?raw";

const PAGE = "/usr/lib/shell/stage.html?raw";

/**
 * Makes the stage. What is pushed before it is there waits in the port.
 *
 * @param {string} name of the source, against which links are read
 * @param {string} [before] markup of ours that goes before the first word
 */
export function growingStage(name, before = "") {
  const links = h("p", { class: "hint" });
  const frame = h("iframe", {
    sandbox: "allow-scripts",
    src: PAGE,
    title: `Shape of /${name}`,
    referrerpolicy: "no-referrer",
  });
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => {
    // Whatever comes through the port comes from a stranger; a link is a wish.
    if (typeof data?.link === "string") links.replaceChildren(...wish(data.link.slice(0, 2000)));
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

function wish(href) {
  const link = h("a", { href, target: "_blank", rel: "noopener noreferrer" }, href);
  return link.hasAttribute("href") ? ["It links to ", link] : [];
}
