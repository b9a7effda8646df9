/**
 * Colours source text with the CSS Custom Highlight API: the text stays one node, and a browser
 * without the API shows it uncoloured. Comments, strings, numbers and keywords are found by patterns
 * that are the same for most languages.
 */

const KEYWORDS = new Set(
  ("abstract and as assert async await bool boolean break case catch char class const continue def " +
    "default defer del delete do double elif else end enum except export extends extern false final " +
    "finally float fn for from func function go goto if impl implements import in int interface is " +
    "lambda let long loop match mod module mut namespace new nil none not null number object of or " +
    "package pass private protected pub public raise readonly return self static string struct super " +
    "switch this throw trait true try type typeof undefined union unsafe use using var void where " +
    "while with yield None True False set then fi done esac local echo").split(" "),
);
const SQL = new Set(
  ("select from where insert update delete create table join on group order by limit values into and " +
    "or not null as set left having distinct").split(" "),
);
const HASH = new Set("py rb sh bash zsh yaml yml toml ini cfg conf env pl r dockerfile".split(" "));
const DASH = new Set("sql lua hs elm".split(" "));
const PLAIN = new Set("txt log md markdown csv tsv bin org tex srt vtt rst".split(" "));
/** Longest text that is coloured, in characters. */
const MAX_LENGTH = 200_000;
const STRING = `"(?:[^"\\\\\\n]|\\\\.)*"|'(?:[^'\\\\\\n]|\\\\.)*'|\`(?:[^\`\\\\]|\\\\[^])*\``;

/**
 * The coloured spans of a source.
 *
 * @param {string} text
 * @param {string} ext
 * @returns {{ kind: "comment" | "string" | "number" | "keyword", start: number, end: number }[]}
 */
export function spansOf(text, ext) {
  if (PLAIN.has(ext) || text.length > MAX_LENGTH) return [];
  const comment = HASH.has(ext)
    ? "(?<![\\w$&])#.*"
    : DASH.has(ext)
    ? "--.*|/\\*[^]*?(?:\\*/|$)"
    : "//.*|/\\*[^]*?(?:\\*/|$)|<!--[^]*?(?:-->|$)";
  const pattern = new RegExp(
    `(?<comment>${comment})|(?<string>${STRING})|(?<number>\\b\\d[\\w.]*)|(?<keyword>[A-Za-z_]\\w*)`,
    "g",
  );
  const spans = [];
  for (const { groups, index: start, 0: found } of text.matchAll(pattern)) {
    const kind = Object.keys(groups).find((name) => groups[name] !== undefined);
    if (kind === "keyword" && !isKeyword(found, ext)) continue;
    spans.push({ kind, start, end: start + found.length });
  }
  return spans;
}

function isKeyword(word, ext) {
  return ext === "sql" ? SQL.has(word.toLowerCase()) : KEYWORDS.has(word);
}

/** Colours a text node, and removes the colours of any earlier one. */
export function paint(node, text, ext) {
  if (!("highlights" in CSS)) return;
  const ranges = { comment: [], string: [], number: [], keyword: [] };
  for (const { kind, start, end } of spansOf(text, ext)) {
    ranges[kind].push(
      new StaticRange({
        startContainer: node,
        startOffset: start,
        endContainer: node,
        endOffset: end,
      }),
    );
  }
  for (const [kind, found] of Object.entries(ranges)) {
    CSS.highlights.set(kind, new Highlight(...found));
  }
}
