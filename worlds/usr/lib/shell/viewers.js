/** Chooses the viewer of a world by its extension. A viewer is loaded when it is first needed. */

import { style } from "./dom.js?raw";

const KINDS = {
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
  Object.entries(KINDS).flatMap(([kind, exts]) => exts.split(" ").map((ext) => [ext, kind])),
);

/** The style sheet of a kind; `data` for all others. */
const SHEETS = { stage: "", markdown: "markdown", code: "code" };

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

/** Creates a viewer: its `node`, and `update(world)` for each new version. */
export async function makeViewer(kind, { onLink }) {
  const sheet = SHEETS[kind] ?? "data";
  if (sheet !== "") await style(sheet);
  switch (kind) {
    case "stage":
      return (await import("./stage.js?raw")).stage(onLink);
    case "markdown":
      return (await import("./markdown_view.js?raw")).markdownView();
    case "json":
      return (await import("./json_view.js?raw")).jsonView();
    case "table":
      return (await import("./table_view.js?raw")).tableView();
    case "code":
      return (await import("./code_view.js?raw")).codeView();
    case "hex":
      return (await import("./hex_view.js?raw")).hexView();
    default:
      return (await import("./media_view.js?raw")).mediaView(kind);
  }
}
