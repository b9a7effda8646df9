/**
 * Colours source text with the CSS Custom Highlight API: the text stays one node, so that it cannot
 * become markup. A text is read in short tasks, so that the page can answer between them.
 */

import { modes as frequent } from "./modes.js";
import { readTokens } from "./string_stream.js";

export { readTokens };

/** Modes of `modes.js` and of `lazy/grammars.js`, with the extensions and names that they are for. */
const FREQUENT = {
  diff: "diff patch",
  dockerfile: "dockerfile docker",
  go: "go golang",
  html: "html htm",
  ini: "ini cfg conf env properties",
  javascript: "javascript js mjs cjs jsx node",
  json: "json jsonl ndjson geojson webmanifest json5",
  lua: "lua",
  python: "python py pyw python3",
  ruby: "ruby rb",
  rust: "rust rs",
  shell: "shell sh bash zsh console ksh",
  toml: "toml",
  typescript: "typescript ts mts cts tsx",
  xml: "xml svg xsl xslt rss atom plist",
  yaml: "yaml yml",
};
const RARE = {
  c: "c h",
  cpp: "cpp cc cxx hpp hh c++ ino",
  csharp: "csharp cs c#",
  css: "css",
  dart: "dart",
  java: "java",
  kotlin: "kotlin kt kts",
  less: "less",
  perl: "perl pl pm",
  powershell: "powershell ps1 pwsh",
  r: "r",
  scala: "scala",
  scss: "scss sass",
  sql: "sql sqlite postgresql mysql",
  swift: "swift",
};
/** @type {Map<string, { isRare: boolean, name: string }>} */
const LANGUAGES = new Map();
for (const names of [FREQUENT, RARE]) {
  for (const [name, words] of Object.entries(names)) {
    for (const word of words.split(" ")) LANGUAGES.set(word, { isRare: names === RARE, name });
  }
}
/** Longest text that is coloured, in characters; longest task, and all of them, in milliseconds. */
const MAX_LENGTH = 500_000;
const TASK_MS = 12;
const ALL_MS = 3000;

/** The colour of a token of a mode; undefined for most names and for punctuation. */
export function kindOfStyle(style) {
  if (/comment|quote/.test(style)) return "comment";
  if (/string|inserted|url|link/.test(style)) return "string";
  if (/number|atom|bool|unit/.test(style)) return "number";
  if (/error/.test(style)) return undefined;
  if (/deleted/.test(style)) return "deleted";
  if (/keyword|tag|header/.test(style)) return "keyword";
  if (/\bdef\b|property|attribute|type|builtin|meta|qualifier/.test(style)) return "name";
  return undefined;
}

/** @type {Map<Text, { kind: string, range: StaticRange }[]>} */
const painted = new Map();

/**
 * Colours a text node. Colours of nodes that left the page are removed.
 *
 * @param {Text} node
 * @param {string} language an extension, or a name of a language
 * @param {string} rare URL of the module with the other grammars
 */
export async function paint(node, language, rare) {
  const text = node.data;
  forget((other) => other === node || !other.isConnected);
  const found = LANGUAGES.get(language);
  if (found === undefined || text.length > MAX_LENGTH) return;
  const modes = found.isRare ? (await import(rare)).modes : frequent;
  const ranges = [];
  painted.set(node, ranges);
  let left = ALL_MS;
  let end = performance.now() + TASK_MS;
  for (const tokens of readTokens(modes[found.name], text)) {
    for (const { style, start, end } of tokens) {
      const kind = kindOfStyle(style);
      if (kind === undefined) continue;
      const range = new StaticRange({
        startContainer: node,
        startOffset: start,
        endContainer: node,
        endOffset: end,
      });
      ranges.push({ kind, range });
      highlightOf(kind).add(range);
    }
    const late = performance.now() - end;
    if (late < 0) continue;
    left -= TASK_MS + late;
    if (left < 0) return;
    await new Promise((done) => setTimeout(done));
    if (painted.get(node) !== ranges || !node.isConnected || node.data !== text) return;
    end = performance.now() + TASK_MS;
  }
}

function highlightOf(kind) {
  if (!CSS.highlights.has(kind)) CSS.highlights.set(kind, new Highlight());
  return CSS.highlights.get(kind);
}

function forget(isGone) {
  for (const [node, ranges] of painted) {
    if (!isGone(node)) continue;
    painted.delete(node);
    for (const { kind, range } of ranges) CSS.highlights.get(kind)?.delete(range);
  }
}
