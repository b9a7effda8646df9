/**
 * Shows HTML or SVG of a world in a sandboxed frame with an opaque origin. The frame gets the markup by
 * a message and never the credential, so that worlds that need one are shown in the same way. The
 * frame's policy allows no connection. A new version is drawn behind the current one and replaces it
 * when it is loaded, at the same scroll position.
 */

import { h } from "./dom.js";
import { addFrame } from "./held_frames.js";
import { lazyUrl } from "./lazy_url.js";
import { pathOf } from "./place.js";

/** A new version is shown after this time even if it did not report that it is loaded. */
const MAX_LOAD_MS = 700;

/**
 * Creates the stage.
 *
 * @param {(url: string) => void} onLink called with an untrusted URL that the content wants to open
 */
export function stage(onLink) {
  const node = h("div", { class: "stage" });
  const scroll = { x: 0, y: 0 };
  let shown;
  let coming;

  function update(world) {
    coming?.remove();
    const frame = h("iframe", {
      sandbox: "allow-scripts",
      src: lazyUrl("stage", "stage.html"),
      title: `Content of /${world.name}`,
      referrerpolicy: "no-referrer",
      "data-scripts": world.runsScripts !== false,
      // The page itself is complete before its content is.
      loading: shown === undefined ? "lazy" : "eager",
      class: shown === undefined ? "" : "coming",
    });
    coming = frame;
    let timer;
    function reveal() {
      clearTimeout(timer);
      if (coming !== frame) return;
      coming = undefined;
      shown?.remove();
      shown = frame;
      frame.className = "";
    }
    function onMessage({ data }) {
      // Messages of the frame are untrusted input.
      if (data?.shown === true) reveal();
      else if (data?.escape === true) escape();
      else if (typeof data?.link === "string") onLink(data.link.slice(0, 2000));
      else if (Number.isFinite(data?.x) && Number.isFinite(data?.y) && shown === frame) {
        scroll.x = data.x;
        scroll.y = data.y;
      }
    }
    function escape() {
      node.dispatchEvent(new CustomEvent("shell:escape", { bubbles: true }));
    }
    /** An SVG is a document of its own, which reports only this key. */
    function onSvg() {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => data?.escape === true && escape();
      frame.contentWindow.postMessage({}, "*", [port2]);
      reveal();
    }
    // Not what the content itself loads.
    let isOwn = true;
    frame.addEventListener("shell:again", () => isOwn = true);
    frame.addEventListener("load", () => {
      if (!isOwn) return;
      isOwn = false;
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = onMessage;
      // The frame has an opaque origin, so "*" is needed; its policy allows no other page in it.
      frame.contentWindow.postMessage(
        {
          kind: world.ext === "svg" ? "svg" : "html",
          text: world.text,
          base: new URL(pathOf(world.name), location.href).href,
          runsScripts: world.runsScripts !== false,
          ...scroll,
        },
        "*",
        [port2],
      );
      if (world.ext === "svg") frame.addEventListener("load", onSvg, { once: true });
      timer = setTimeout(reveal, MAX_LOAD_MS);
    });
    addFrame(() => {
      if (coming === frame) node.append(frame);
    });
  }

  return { node, update };
}
