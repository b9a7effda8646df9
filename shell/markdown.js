/**
 * Parses Markdown to a tree of plain values: headings, paragraphs, lists, quotes, code, tables, rules,
 * and the marks within a line. Pure. HTML in the text stays text, because the text is untrusted.
 *
 * @typedef {string | { tag: string, in: Node[], [fact: string]: unknown }} Node
 */

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*(\S*)/;
const HEADING = /^ {0,3}(#{1,6})(?:\s+(.*))?$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const ITEM = /^(\s*)(?:[-*+]|(\d{1,9})[.)])(?:\s+|$)/;
const QUOTE = /^ {0,3}>\s?/;
const TABLE_RULE = /^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;
/** A longer line is part of a paragraph, which bounds the work of the patterns. In characters. */
const MAX_LINE = 1000;
/** Most levels of nested lists and quotes; deeper ones are text. */
const MAX_DEPTH = 12;

/**
 * Parses a document.
 *
 * @param {string} text
 * @returns {Node[]}
 */
export function parseMarkdown(text) {
  return blocks(
    text.replace(/^\ufeff/, "").replace(/\r\n?/g, "\n").replace(/\t/g, "    ").split("\n"),
    0,
  );
}

function blocks(lines, depth) {
  const out = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at].length > MAX_LINE ? "x" : lines[at];
    const fence = FENCE.exec(line);
    const heading = HEADING.exec(line);
    if (line.trim() === "") at++;
    else if (fence) {
      const end = lines.findIndex((other, index) =>
        index > at && other.trim().startsWith(fence[1])
      );
      const stop = end < 0 ? lines.length : end;
      out.push({ tag: "pre", in: [lines.slice(at + 1, stop).join("\n")] });
      at = stop + 1;
    } else if (heading) {
      out.push({
        tag: `h${heading[1].length}`,
        in: inline((heading[2] ?? "").replace(/\s+#+\s*$/, "").trim()),
      });
      at++;
    } else if (RULE.test(line)) {
      out.push({ tag: "hr", in: [] });
      at++;
    } else if (QUOTE.test(line) && depth < MAX_DEPTH) {
      const start = at;
      while (at < lines.length && QUOTE.test(lines[at])) at++;
      const inner = lines.slice(start, at).map((quoted) => quoted.replace(QUOTE, ""));
      out.push({ tag: "blockquote", in: blocks(inner, depth + 1) });
    } else if (ITEM.test(line) && depth < MAX_DEPTH) {
      at = list(lines, at, depth, out);
    } else if (line.includes("|") && isTableRule(lines[at + 1] ?? "")) {
      at = table(lines, at, out);
    } else {
      const start = at;
      while (at < lines.length && !(at > start && breaksParagraph(lines[at]))) at++;
      out.push({ tag: "p", in: inline(lines.slice(start, at).join("\n").trim()) });
    }
  }
  return out;
}

function isTableRule(line) {
  return line.length <= MAX_LINE && TABLE_RULE.test(line);
}

function breaksParagraph(line) {
  if (line.length > MAX_LINE) return false;
  return line.trim() === "" || FENCE.test(line) || HEADING.test(line) || QUOTE.test(line) ||
    RULE.test(line) || ITEM.test(line);
}

function list(lines, from, depth, out) {
  const [, , number] = ITEM.exec(lines[from]);
  const items = [];
  let at = from;
  while (at < lines.length) {
    const item = ITEM.exec(lines[at]);
    if (!item || (item[2] === undefined) !== (number === undefined)) break;
    const indent = item[0].trimEnd().length + 1;
    const inner = [lines[at].slice(item[0].length)];
    at++;
    while (at < lines.length) {
      const line = lines[at];
      const blank = line.trim() === "";
      const inside = line.search(/\S/) >= Math.min(indent, item[1].length + 2);
      if (blank && !/^\s{2,}\S/.test(lines[at + 1] ?? "")) break;
      if (!blank && !inside && breaksParagraph(line)) break;
      inner.push(line.slice(Math.min(indent, Math.max(0, line.search(/\S/)))));
      at++;
    }
    const task = /^\[([ xX])\]\s+/.exec(inner[0]);
    if (task) inner[0] = inner[0].slice(task[0].length);
    let children = blocks(inner, depth + 1);
    if (children[0]?.tag === "p") children = [...children[0].in, ...children.slice(1)];
    items.push({ tag: "li", ...(task ? { checked: task[1] !== " " } : {}), in: children });
    while (at < lines.length && lines[at].trim() === "" && ITEM.test(lines[at + 1] ?? "")) at++;
  }
  out.push(
    number === undefined
      ? { tag: "ul", in: items }
      : { tag: "ol", start: Number(number), in: items },
  );
  return at;
}

function table(lines, from, out) {
  const aligns = cells(lines[from + 1]).map((rule) =>
    rule.endsWith(":") ? (rule.startsWith(":") ? "center" : "right") : "left"
  );
  const row = (line, tag) => ({
    tag: "tr",
    in: cells(line).slice(0, aligns.length).map((cell, at) => ({
      tag,
      align: aligns[at],
      in: inline(cell),
    })),
  });
  const rows = [{ tag: "thead", in: [row(lines[from], "th")] }];
  const body = [];
  let at = from + 2;
  for (; at < lines.length && lines[at].includes("|"); at++) body.push(row(lines[at], "td"));
  out.push({ tag: "table", in: [...rows, { tag: "tbody", in: body }] });
  return at;
}

function cells(line) {
  return line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "").split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replace(/\\\|/g, "|"));
}

// Each alternative begins with a different character and has a limited length, which bounds the work.
const INLINE =
  /(?<!`)(?<code>`{1,3})(?!`)(?<codeText>[^]{0,2000}?[^`])\k<code>(?!`)|(?<image>!?)\[(?<label>(?:[^[\]\\]|\\.|\[[^[\]]{0,200}\]){0,1000})\]\((?<url><[^<>\n]{0,2000}>|[^\s()]{0,2000}(?:\([^\s()]{0,500}\)[^\s()]{0,500})?)(?:\s+"[^"]{0,500}")?\)|(?<auto><?https?:\/\/[^\s<>]{1,2000}>?)|(?<strong>\*\*|__)(?=\S)(?<strongText>[^]{0,2000}?\S)\k<strong>|(?<em>[*_])(?=[^\s*_])(?<emText>[^*_]{0,2000}?[^\s*_])\k<em>(?![\p{L}\p{N}])|~~(?=\S)(?<gone>[^~]{0,2000})~~|\\(?<literal>[\\`*_{}[\]()#+.!|<>~-])|(?<br>(?: {2,}|\\)\n)/gu;

/** Parses the marks within a paragraph. */
export function inline(text, depth = 0) {
  if (depth > MAX_DEPTH) return [text];
  const out = [];
  let from = 0;
  for (const match of text.matchAll(INLINE)) {
    const found = match.groups;
    if (found.em === "_" && /[\p{L}\p{N}]$/u.test(text.slice(0, match.index))) continue;
    if (match.index < from) continue;
    if (match.index > from) out.push(text.slice(from, match.index));
    from = match.index + match[0].length;
    out.push(mark(found, depth));
  }
  if (from < text.length) out.push(text.slice(from));
  return out;
}

function mark(found, depth) {
  if (found.codeText !== undefined) {
    return { tag: "code", in: [found.codeText.replace(/^ (.+) $/, "$1")] };
  }
  if (found.url !== undefined) {
    const url = found.url.replace(/^<(.*)>$/, "$1");
    return found.image
      ? { tag: "img", src: url, alt: found.label, in: [] }
      : { tag: "a", href: url, in: inline(found.label, depth + 1) };
  }
  if (found.auto !== undefined) {
    const url = found.auto.replace(/^<|>$/g, "");
    return { tag: "a", href: url, in: [url] };
  }
  if (found.strongText !== undefined) {
    return { tag: "strong", in: inline(found.strongText, depth + 1) };
  }
  if (found.emText !== undefined) return { tag: "em", in: inline(found.emText, depth + 1) };
  if (found.gone !== undefined) return { tag: "del", in: inline(found.gone, depth + 1) };
  if (found.br !== undefined) return { tag: "br", in: [] };
  return found.literal;
}
