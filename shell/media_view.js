/**
 * Images, audio, video and PDF. The bytes are requested with the credential of this tab, and passed to
 * the element as a blob with the media type of the extension.
 */

import { send } from "./api.js";
import { h } from "./dom.js";
import { addFrame } from "./held_frames.js";
import { pathOf } from "./place.js";

const ELEMENTS = {
  image: (src, name) => h("img", { src, alt: `Content of /${name}` }),
  audio: (src, name) => h("audio", { src, controls: true, "aria-label": `/${name}` }),
  video: (src, name) => h("video", { src, controls: true, "aria-label": `/${name}` }),
  pdf: (src, name) => h("iframe", { src, title: `Content of /${name}`, "data-scripts": true }),
};

/** The viewer. */
export function mediaView(kind) {
  const node = h("div", { class: `media ${kind}` });
  let url;
  let turn = 0;

  async function update(world) {
    const mine = ++turn;
    const at = world.past ? `&at=${world.version}` : "";
    const response = await send(`${pathOf(world.name)}?raw${at}`);
    const type = response.headers.get("content-type") ?? "";
    const bytes = await response.arrayBuffer();
    if (mine !== turn) return;
    if (url !== undefined) URL.revokeObjectURL(url);
    // A blob: page has the origin of the shell, so only types that run no scripts are kept.
    const family = kind === "pdf" ? "application/pdf" : `${kind}/`;
    const safe = type.startsWith(family) && !type.includes("svg")
      ? type
      : "application/octet-stream";
    url = URL.createObjectURL(new Blob([bytes], { type: safe }));
    addFrame(() => node.replaceChildren(ELEMENTS[kind](url, world.name)));
  }

  return { node, update };
}
