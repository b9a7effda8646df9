/**
 * Shows a stranger's HTML or SVG alive, in a frame whose origin is nobody's. The markup is handed to
 * the frame's own page as a message, so a world that only a token may read is shown the same way as a
 * public one and never gets the token; the frame's policy closes every connection. A new version is
 * drawn behind the old one and takes its place when it is ready, at the same scroll position.
 */

import { h } from "./dom.js?raw";
import { pathOf } from "./place.js?raw";

const PAGE = "/usr/lib/shell/stage.html?raw";
/** Milliseconds after which a new version is shown whether or not it says that it is ready. */
const PATIENCE = 700;

/**
 * Makes the stage.
 *
 * @param {(url: string) => void} onLink called with a URL the content wants to open; it is a wish
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
      src: PAGE,
      title: `Content of /${world.name}`,
      referrerpolicy: "no-referrer",
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
    function hear({ data }) {
      // Whatever comes through the port comes from the stranger.
      if (data?.shown === true) reveal();
      else if (typeof data?.link === "string") onLink(data.link.slice(0, 2000));
      else if (Number.isFinite(data?.x) && Number.isFinite(data?.y) && shown === frame) {
        scroll.x = data.x;
        scroll.y = data.y;
      }
    }
    frame.addEventListener("load", () => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = hear;
      // A sandboxed frame has no origin to name; the policy lets no other page into it.
      frame.contentWindow.postMessage(
        {
          kind: world.ext === "svg" ? "svg" : "html",
          text: world.text,
          base: new URL(pathOf(world.name), location.href).href,
          ...scroll,
        },
        "*",
        [port2],
      );
      timer = setTimeout(reveal, PATIENCE);
    }, { once: true });
    node.append(frame);
  }

  return { node, update };
}
