/** Chooses the viewer of a world by its extension. */

import { codeView } from "./code_view.js";
import { fill, h } from "./dom.js";
import { decode, ENCODINGS } from "./encoded_text.js";
import { lazyUrl } from "./lazy_url.js";
import { mediaView } from "./media_view.js";
import { stage } from "./stage.js";

/**
 * Extensions by kind. The page names those of json, markdown and table again, to load the modules of
 * their viewers early.
 *
 * @type {Record<string, string>}
 */
export const EXTENSIONS = {
  stage: "html htm svg",
  markdown: "md markdown",
  json: "json geojson webmanifest jsonl ndjson",
  table: "csv tsv",
  image: "png jpg jpeg gif webp avif ico bmp",
  audio: "mp3 wav ogg oga m4a flac opus",
  video: "mp4 webm mov m4v ogv",
  pdf: "pdf",
};
/** @type {Record<string, string>} */
const BY_EXT = Object.fromEntries(
  Object.entries(EXTENSIONS).flatMap(([kind, exts]) => exts.split(" ").map((ext) => [ext, kind])),
);
/** Not an encoding: the bytes in hexadecimal digits. */
const BYTES = "bytes";

/** The kind of viewer: `stage`, `markdown`, …; `code` for other text and `hex` for other bytes. */
export function kindOf({ ext, text }) {
  const kind = BY_EXT[ext];
  if (["image", "audio", "video", "pdf"].includes(kind)) return kind;
  return text === undefined ? "hex" : kind ?? "code";
}

/** Whether a kind can also be shown as source. */
export function hasSource(kind) {
  return ["stage", "markdown", "json", "table"].includes(kind);
}

/**
 * Creates a viewer: its `node`, and `update(world)` for each new version. A world without bytes is shown
 * as empty. Above text that is not UTF-8, and above bytes, the user can choose the encoding.
 *
 * @param {string} kind
 * @param {{ onLink: (url: string) => void, choice: { encoding?: string } }} options `choice`: what the
 * user chose, which other viewers of the same world use, too
 */
export function makeViewer(kind, { onLink, choice }) {
  const select = h("select", {
    "aria-label": "Encoding",
    on: {
      change() {
        choice.encoding = select.value;
        show();
      },
    },
  });
  const note = h("span");
  const choose = h("label", { class: "inline" }, h("span", {}, "Read as"), select);
  const bar = h("div", { class: "view-bar", hidden: true }, note, choose);
  const node = h("div", { class: "viewer" });
  let world;
  let shown;
  let inner;

  function update(next) {
    world = next;
    return show();
  }

  async function show() {
    if (world.text === "" || world.size === 0) {
      shown = inner = undefined;
      node.replaceChildren(h("p", { class: "empty-line rest" }, "This world is empty (0 bytes)."));
      return;
    }
    const { bytes, encoding = BYTES, guesses = [] } = world;
    const used = bytes === undefined ? encoding : choice.encoding ?? encoding;
    const text = bytes === undefined || used === encoding
      ? world.text
      : used === BYTES
      ? undefined
      : decode(bytes, used);
    const wanted = bytes === undefined
      ? kind
      : kind !== "code" || text === undefined
      ? kindOf({ ext: world.ext, text })
      : kind;
    if (inner === undefined || wanted !== shown) {
      const old = inner?.node;
      inner = makeInner(wanted, onLink);
      shown = wanted;
      // What leaves the page loses the focus, so the bar stays.
      if (old === undefined) node.replaceChildren(bar, inner.node);
      else old.replaceWith(inner.node);
    }
    bar.hidden = bytes === undefined;
    if (!bar.hidden) drawBar(used, guesses);
    await inner.update({ ...world, text });
  }

  function drawBar(used, guesses) {
    const [best] = guesses;
    const names = [...new Set([...guesses, ...ENCODINGS])];
    fill(
      select,
      h("option", { value: BYTES }, "bytes"),
      names.map((name) => h("option", { value: name }, name === best ? `${name} (guess)` : name)),
    );
    select.value = used;
    note.textContent = best === undefined ? "This is not UTF-8 text." : "This text is not UTF-8.";
  }

  /** Scrolls to a line and marks it, if the viewer shows lines. */
  function showLine(line) {
    inner?.showLine?.(line);
  }

  return { node, update, showLine };
}

function makeInner(kind, onLink) {
  switch (kind) {
    case "stage":
      return stage(onLink);
    case "markdown":
      return viewOf("markdown", (module) => module.markdownView());
    case "json":
      return viewOf("json", (module) => module.jsonView());
    case "table":
      return viewOf("table", (module) => module.tableView());
    case "code":
      return codeView();
    case "hex":
      return viewOf("bytes", (module) => module.hexView());
    default:
      return mediaView(kind);
  }
}

/** A viewer whose code is loaded with the first world. Without the code the text is shown. */
function viewOf(file, make) {
  const node = h("div", {});
  let inner;
  async function update(world) {
    if (inner === undefined) {
      inner = await import(lazyUrl(file)).then(make, () => codeView());
      node.replaceChildren(inner.node);
    }
    await inner.update(world);
  }
  return { node, update };
}
