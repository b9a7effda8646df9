// deno-lint-ignore-file no-import-prefix -- a library of one bundled file
/**
 * Parses Markdown (CommonMark, with tables, task lists, strikethrough, footnotes, alerts and bare URLs as
 * on GitHub) to a tree of plain values. HTML in the text stays text, because the text is untrusted.
 *
 * The parser is markdown-it 14.1.0 with markdown-it-footnote 4.0.0 (both MIT): it follows CommonMark, it
 * returns tokens and not only HTML, and its time grows with the length of every text that was tried. Its
 * rules are assembled here without `linkify-it` and `entities`, which are larger than the rest.
 *
 * @typedef {string | { tag: string, in: Node[], [fact: string]: unknown }} Node
 */

import ParserBlock from "npm:markdown-it@14.1.0/lib/parser_block.mjs";
import ParserCore from "npm:markdown-it@14.1.0/lib/parser_core.mjs";
import ParserInline from "npm:markdown-it@14.1.0/lib/parser_inline.mjs";
import { isSpace, normalizeReference } from "npm:markdown-it@14.1.0/lib/common/utils.mjs";
import * as helpers from "npm:markdown-it@14.1.0/lib/helpers/index.mjs";
import footnote from "npm:markdown-it-footnote@4.0.0";

/** Most levels of nested blocks and marks; deeper ones are text. */
const MAX_NESTING = 60;
/** Longest text that is parsed at once, in characters. */
const SLICE_CHARS = 48 * 1024;
/** Part of a line in which a fence can begin. */
const MAX_FENCE_CHARS = 100;
/** A comment, which stays invisible. */
const COMMENT = /^<!--[^]*?-->$/;
const BREAK = /^<br\s*\/?>$/i;
const TASK = /^\[([ xX])\](?:\s+|$)/;
const ALERT = /^\[!(NOTE|TIP|IMPORTANT|WARNING|CAUTION)\][ \t]*(?:\n|$)/i;
const URL_TEXT = /(?<![\p{L}\p{N}_/])(?:https?:\/\/|www\.)[^\s<]{1,2000}/giu;
const MAIL_TEXT =
  /(?<![\p{L}\p{N}.+_\/@-])[a-z0-9.+_-]{1,64}@(?:[a-z0-9_-]{1,63}\.){1,8}[a-z0-9_-]{0,62}[a-z0-9](?![\p{L}\p{N}_@-])/giu;

/** The parser of blocks, which shows what is nested too deeply as text: markdown-it leaves it out. */
class Blocks extends ParserBlock {
  tokenize(state, from, to) {
    if (state.level < MAX_NESTING) return super.tokenize(state, from, to);
    const start = state.skipEmptyLines(from);
    let end = start;
    while (end < to && (state.isEmpty(end) || state.sCount[end] >= state.blkIndent)) end++;
    state.line = end;
    const content = state.getLines(start, end, state.blkIndent, false).trim();
    if (content === "") return;
    state.push("paragraph_open", "p", 1);
    Object.assign(state.push("inline", "", 0), { content, children: [], map: [start, end] });
    state.push("paragraph_close", "p", -1);
  }
}

const parser = {
  core: new ParserCore(),
  block: new Blocks(),
  inline: new ParserInline(),
  options: { html: true, maxNesting: MAX_NESTING },
  helpers,
  utils: { isSpace, normalizeReference },
  renderer: { rules: {} },
  validateLink: () => true,
  normalizeLink: (url) => url,
  normalizeLinkText: (text) => text,
};
footnote(parser);

/**
 * Parses a document, or the next part of a long one. A long document is parsed in parts, so that none
 * occupies the page for long: references are known from the part that defines them on.
 *
 * @param {string} text
 * @param {{ from?: number, references?: object, slugs?: Map<string, number> }} [state] state of the part
 * before
 * @returns {{ nodes: Node[], state?: object }} `state` is the argument for the next part, if there is one
 */
export function parseMarkdown(text, state = {}) {
  const { from = text.startsWith("\ufeff") ? 1 : 0, references = {}, slugs = new Map() } = state;
  const to = endOfPart(text, from);
  const env = { references };
  const tokens = new parser.core.State(text.slice(from, to), parser, env);
  parser.core.process(tokens);
  const nodes = toTree(tokens.tokens, slugs, from === 0 ? "" : `${from}-`);
  return to < text.length ? { nodes, state: { from: to, references, slugs } } : { nodes };
}

/** Returns the offset after a blank line that is not in a fenced block, or after a line. */
function endOfPart(text, from) {
  const limit = from + SLICE_CHARS;
  if (text.length <= limit) return text.length;
  let end = 0;
  let fence = "";
  let last = 0;
  for (let at = from; at < limit;) {
    const next = text.indexOf("\n", at) + 1;
    if (next === 0 || next > limit) break;
    const line = text.slice(at, Math.min(next, at + MAX_FENCE_CHARS));
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
    if (mark !== undefined && fence === "") fence = mark;
    else if (mark?.startsWith(fence)) fence = "";
    if (fence === "" && line.trim() === "") end = next;
    last = at = next;
  }
  return end || last || limit;
}

function toTree(tokens, slugs, prefix) {
  const root = { tag: "", in: [] };
  const open = [root];
  for (const token of tokens) {
    const parent = open[open.length - 1];
    if (token.nesting < 0) {
      const node = open.pop();
      if (node.hidden) {
        // A paragraph of a list without blank lines.
        open[open.length - 1].in.push(...node.in);
      } else close(node, slugs);
    } else if (token.nesting > 0) {
      const node = { tag: token.tag, in: [], ...factsOf(token, prefix) };
      if (token.hidden) node.hidden = true;
      else parent.in.push(node);
      open.push(node);
    } else parent.in.push(...leaf(token, slugs, prefix));
  }
  return root.in;
}

function factsOf({ type, attrs, meta }, prefix) {
  const get = (name) => attrs?.find(([key]) => key === name)?.[1];
  switch (type) {
    case "link_open":
      return { href: get("href") ?? "", ...(get("title") ? { title: get("title") } : {}) };
    case "ordered_list_open":
      return { start: Number(get("start") ?? 1) };
    case "th_open":
    case "td_open":
      return { align: /text-align:(\w+)/.exec(get("style") ?? "")?.[1] ?? "left" };
    case "footnote_block_open":
      return { tag: "section", kind: "footnotes" };
    case "footnote_open":
      return { tag: "li", id: `fn-${prefix}${meta.id + 1}` };
    default:
      return {};
  }
}

/** Completes a node when its children are known. */
function close(node, slugs) {
  if (/^h[1-6]$/.test(node.tag)) node.id = slugOf(textOf(node), slugs);
  else if (node.tag === "blockquote") markAlert(node);
  else if (node.tag === "li") markTask(node);
}

function markTask(node) {
  const holder = node.in[0]?.tag === "p" ? node.in[0] : node;
  const task = typeof holder.in[0] === "string" ? TASK.exec(holder.in[0]) : null;
  if (task === null) return;
  node.checked = task[1] !== " ";
  holder.in[0] = holder.in[0].slice(task[0].length);
}

function markAlert(node) {
  const [first] = node.in;
  if (first?.tag !== "p" || typeof first.in[0] !== "string") return;
  const alert = ALERT.exec(first.in[0]);
  if (alert === null) return;
  node.alert = alert[1].toLowerCase();
  first.in[0] = first.in[0].slice(alert[0].length);
  if (textOf(first).trim() === "" && first.in.every((child) => typeof child === "string")) {
    node.in.shift();
  }
}

/** Returns the nodes of a token without an end token. */
function leaf(token, slugs, prefix) {
  switch (token.type) {
    case "inline":
      return joinText(toTree(token.children ?? [], slugs, prefix));
    case "text":
      return [token.content];
    case "softbreak":
      return ["\n"];
    case "hardbreak":
      return [{ tag: "br", in: [] }];
    case "code_inline":
      return [{ tag: "code", in: [token.content] }];
    case "code_block":
    case "fence":
      return [{
        tag: "pre",
        language: token.info?.trim().split(/\s+/)[0].toLowerCase() ?? "",
        in: [token.content.replace(/\n$/, "")],
      }];
    case "hr":
      return [{ tag: "hr", in: [] }];
    case "image": {
      const src = token.attrs.find(([name]) => name === "src")[1];
      const title = token.attrs.find(([name]) => name === "title")?.[1];
      return [{ tag: "img", src, alt: plainText(token), ...(title ? { title } : {}), in: [] }];
    }
    case "html_inline":
      if (COMMENT.test(token.content)) return [];
      return BREAK.test(token.content) ? [{ tag: "br", in: [] }] : [token.content];
    case "html_block": {
      const text = token.content.trim();
      return COMMENT.test(text) ? [] : [{ tag: "p", kind: "html", in: [text] }];
    }
    case "footnote_ref": {
      const { id, subId } = token.meta;
      const anchor = `${prefix}${id + 1}`;
      return [{
        tag: "sup",
        id: `fnref-${anchor}${subId > 0 ? `-${subId}` : ""}`,
        in: [{ tag: "a", href: `#fn-${anchor}`, in: [`${id + 1}`] }],
      }];
    }
    case "footnote_anchor": {
      const { id, subId } = token.meta;
      const anchor = `${prefix}${id + 1}${subId > 0 ? `-${subId}` : ""}`;
      return [" ", { tag: "a", href: `#fnref-${anchor}`, kind: "back", in: ["↩"] }];
    }
    default:
      return token.content ? [token.content] : [];
  }
}

function plainText({ children, content }) {
  if (!children) return content;
  return children.map((child) => child.type === "softbreak" ? "\n" : plainText(child)).join("");
}

/** Joins neighbouring texts, and makes links of the URLs in them. */
function joinText(nodes, isLinked = true) {
  const joined = [];
  for (const node of nodes) {
    const last = joined.length - 1;
    if (typeof node === "string" && typeof joined[last] === "string") joined[last] += node;
    else joined.push(node);
  }
  if (!isLinked) return joined;
  return joined.flatMap((node) => {
    if (typeof node === "string") return linkUrls(node);
    if (node.tag !== "a" && node.tag !== "code") node.in = joinText(node.in);
    return [node];
  });
}

/** Makes links of the URLs in a text, as GitHub does: punctuation at the end is not part of a URL. */
function linkUrls(text) {
  const out = [];
  let from = 0;
  for (const { 0: found, index } of text.matchAll(URL_TEXT)) {
    const url = withoutEnd(found);
    if (!/^(?:https?:\/\/|www\.)[^\s/]*[\p{L}\p{N}]/iu.test(url)) continue;
    if (index > from) out.push(text.slice(from, index));
    const href = /^www\./i.test(url) ? `http://${url}` : url;
    out.push({ tag: "a", href, in: [url] });
    from = index + url.length;
  }
  if (from < text.length) out.push(text.slice(from));
  return out.flatMap((part) => typeof part === "string" ? linkMails(part) : [part]);
}

function linkMails(text) {
  const out = [];
  let from = 0;
  for (const { 0: mail, index } of text.matchAll(MAIL_TEXT)) {
    if (index > from) out.push(text.slice(from, index));
    out.push({ tag: "a", href: `mailto:${mail}`, in: [mail] });
    from = index + mail.length;
  }
  if (from < text.length) out.push(text.slice(from));
  return out;
}

function withoutEnd(url) {
  let end = url.length;
  let surplus = url.split(")").length - url.split("(").length;
  for (; end > 0; end--) {
    const last = url[end - 1];
    if (last === ")" && surplus > 0) surplus--;
    else if (!/[?!.,:*_~'";]/.test(last)) break;
  }
  return url.slice(0, end);
}

function textOf(node) {
  if (typeof node === "string") return node;
  return node.tag === "sup" ? "" : node.in.map(textOf).join("");
}

/** The anchor of a heading, as on GitHub. */
function slugOf(text, slugs) {
  const slug = text.trim().toLowerCase().replace(/[^\p{L}\p{M}\p{N}\s_-]/gu, "").replace(
    /\s/g,
    "-",
  );
  const count = slugs.get(slug) ?? 0;
  slugs.set(slug, count + 1);
  return count === 0 ? slug : `${slug}-${count}`;
}
