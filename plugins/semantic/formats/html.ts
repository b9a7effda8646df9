/** The check of HTML: whether a text is one complete document or fragment. Pure. */

import type { Format } from "./format.ts";

export const HTML: Format = {
  type: "text/html",
  isRendered: true,
  contentType: "text/html; charset=utf-8",
  rules: "One complete HTML document that begins with <!doctype html> and ends with </html>. " +
    "Use only a <style> element for styling: scripts, links to other hosts, forms and frames do " +
    "not work where it is shown. Pictures only as inline SVG or data: URLs.",
  fences: ["", "html"],
  findFault: findHtmlFault,
};

const HTML_NAMES = new Set(
  ("a abbr address article aside b blockquote body br button caption center code dd details dialog " +
    "div dl dt em fieldset figure figcaption footer form h1 h2 h3 h4 h5 h6 head header hr html i img " +
    "label link main mark menu meta nav ol p picture pre q s samp search section small span strong " +
    "style sub summary sup table tbody td tfoot th thead title tr u ul video audio").split(" "),
);
/** Elements whose content is text; if one is not closed, the rest of the document is its content. */
const RAW_TEXT_NAMES = /^(?:script|style|textarea|title|iframe|noscript|xmp|noembed|noframes)$/;
/**
 * One tag. The lookahead fixes the end of the name: if the name could be shorter, a tag that is not
 * closed would take quadratic time.
 */
const HTML_TAG = /^<(\/?)([a-zA-Z][^\s/>]*)(?=[\s/>])(?:[^>"']|"[^"]*"|'[^']*')*>/;
/** Longest tag in characters. */
const MAX_TAG = 100_000;

/**
 * Finds why a text is not HTML. A browser accepts any text as HTML, so this check is stricter: the
 * text begins with an HTML element, is complete, and has no text before the first or after the last
 * element.
 */
export function findHtmlFault(text: string): string | undefined {
  let at = 0;
  let first: string | undefined;
  let isOpened = false;
  let isClosed = false;
  while (at < text.length) {
    const open = text.indexOf("<", at);
    if (open < 0 || first === undefined && text.slice(at, open).trim() !== "") {
      if (text.slice(at).trim() === "") break;
      return first === undefined ? "it begins with text" : "text follows its last element";
    }
    if (text.startsWith("<!--", open)) {
      const end = text.indexOf("-->", open + 4);
      if (end < 0) return "a comment is not closed";
      at = end + 3;
      continue;
    }
    if (/^<!doctype\s/i.test(text.slice(open, open + 10))) {
      const end = text.indexOf(">", open);
      if (first !== undefined || end < 0) return "its doctype is misplaced or not closed";
      if (!/^<!doctype\s+html\b/i.test(text.slice(open, end))) return "its doctype is not html";
      at = end + 1;
      continue;
    }
    const next = text[open + 1] ?? "";
    if (!/[a-zA-Z/]/.test(next)) {
      // Every browser reads a single < in text as text.
      if (first === undefined || next === "") return "it is incomplete or not HTML";
      at = open + 1;
      continue;
    }
    const tag = HTML_TAG.exec(text.slice(open, open + MAX_TAG));
    if (tag === null) return "a tag is incomplete";
    const name = (tag[2] ?? "").toLowerCase();
    at = open + tag[0].length;
    if (first === undefined) {
      if (tag[1] === "/" || !HTML_NAMES.has(name)) {
        return `HTML cannot begin with <${tag[1]}${name}>`;
      }
      first = name;
    }
    if (name === "html") {
      if (tag[1] === "") isOpened = true;
      else isClosed = true;
    }
    if (tag[1] === "" && RAW_TEXT_NAMES.test(name)) {
      const end = text.slice(at).search(new RegExp(`</${name}[\\s/>]`, "i"));
      if (end < 0) return `<${name}> is not closed`;
      at += end;
    }
  }
  if (first === undefined) return "it has no element";
  return isOpened && !isClosed ? "it ends before </html>" : undefined;
}
