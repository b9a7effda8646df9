/** Chooses the viewer of a world by its extension. */

import { codeView } from "./code_view.js";
import { hexView } from "./hex_view.js";
import { jsonView } from "./json_view.js";
import { markdownView } from "./markdown_view.js";
import { mediaView } from "./media_view.js";
import { stage } from "./stage.js";
import { tableView } from "./table_view.js";

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
export function makeViewer(kind, { onLink }) {
  switch (kind) {
    case "stage":
      return stage(onLink);
    case "markdown":
      return markdownView();
    case "json":
      return jsonView();
    case "table":
      return tableView();
    case "code":
      return codeView();
    case "hex":
      return hexView();
    default:
      return mediaView(kind);
  }
}
