/**
 * The word list: words and phrases that are hard to understand, each with what to write instead. It
 * covers comments and string literals of `lib` and of the sources in `plugins`, test titles, and the
 * prose of Markdown documents. Identifiers and code blocks are not read.
 *
 * `deno run -A tests/project/word_list_test.ts [paths…]` prints every occurrence below the paths.
 */
import { assertEquals } from "../support/assert.ts";
import { splitSource } from "../support/source_text.ts";

/** Nouns for a person. After one of them "who" has an antecedent. */
const PERSON =
  "agents?|anyone|authors?|browsers?|callers?|clients?|contributors?|developers?|everyone|holders?|humans?|operators?|others|owners?|people|persons?|readers?|someone|those|users?|writers?";

/** Words and phrases, and what to write instead. */
const WORDS: readonly (readonly [pattern: string, instead: string])[] = [
  [
    "nobody|somebody|whoever|whomever",
    'name the actor: "no client", "any caller", "another process"',
  ],
  [`(?<!\\b(?:${PERSON}),? )who (?:may|is|sends)`, '"callers that can …"'],
  [
    "(?<!\\bthere )(?:is|are) (?:none|no(?! (?:longer|more|less|later|earlier|other)\\b))",
    '"is not a …", "there is no …", "returns undefined if absent"',
  ],
  ["(?<!\\b(?:run|runs|running|leave|leaves|left) )alone", "only"],
  ["stands?", "is, is given, appears, exists, means"],
  ["beside", "next to, in addition to, together with"],
  ["to be had", "available, allowed, reserved"],
  ["lets? go|letting go", "release, drop, evict, delete"],
  ["meanwhile", '"between the read and the write"'],
  ["go on|goes on|going on|went on", "continue"],
  ["strangers?", "client, untrusted input, unauthenticated caller"],
  ["by itself", "automatically"],
  ["shall", "must, will"],
  [
    "at home|befalls?|befell|foresaw|lateness|in vain|vouch(?:es)?|its own affair|somebody else's concern",
    "the plain statement",
  ],
  ["houses?|rooms?|doors?", "module, handler, entry point, space"],
  ["births?", "creation, initial, lower layer"],
  ["journeys?|dwells?", "the plain statement"],
];

/** Occurrences that stay, by file and word, each with a reason. */
const ALLOWED: Readonly<
  Record<string, Readonly<Record<string, { readonly count: number; readonly reason: string }>>>
> = {};

/** One occurrence. */
interface Occurrence {
  readonly file: string;
  readonly line: number;
  /** In lower case, with single spaces. */
  readonly word: string;
  readonly instead: string;
}

const TABLE = WORDS.map(([pattern, instead]) => ({
  pattern: new RegExp(`\\b(?:${pattern})\\b`, "gi"),
  instead,
}));

/**
 * Finds the words of the table in prose.
 *
 * @param prose text of the same length as the file, with U+0000 in place of each character of code
 */
function findWords(file: string, prose: string): Occurrence[] {
  // One space for each white space, so that a phrase may continue on the next line.
  const flat = prose.replace(/\s/g, " ");
  const single = flat.replace(/ {2,}/g, (spaces) => ` ${"\u200b".repeat(spaces.length - 1)}`);
  const found: Occurrence[] = [];
  // Zero-width characters keep the offsets; the pattern of a phrase has to allow them.
  for (const { pattern, instead } of TABLE) {
    const spaced = new RegExp(pattern.source.replaceAll(" ", " \u200b*"), pattern.flags);
    for (const { 0: text, index } of single.matchAll(spaced)) {
      const line = prose.slice(0, index).split("\n").length;
      const word = text.replaceAll("\u200b", "").toLowerCase();
      found.push({ file, line, word, instead });
    }
  }
  return found.sort((a, b) => a.line - b.line);
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, "\0");
}

/** Comments without their marks, and string literals that contain white space. */
export function proseOfSource(source: string, titlesOnly = false): string {
  let prose = "";
  let code = "";
  for (const { kind, start, end } of splitSource(source)) {
    const text = source.slice(start, end);
    if (kind === "code") code = text;
    const keep = titlesOnly ? kind === "string" && isTitle(code) : kind !== "code";
    if (!keep) prose += blank(text);
    else if (kind === "string") prose += proseOfString(text);
    else prose += withoutCode(text.replace(/^[ \t]*\*(?!\/)|^\/\*+|\*+\/$|^\/\//gm, spaces));
    if (kind !== "code") code = "";
  }
  return prose;
}

function spaces(text: string): string {
  return " ".repeat(text.length);
}

function proseOfString(text: string): string {
  const plain = text.replace(/\\[^]/g, spaces).replace(/^["'`}]|["'`]$|\$\{$/g, blank);
  return /\s/.test(plain) ? withoutCode(plain) : blank(text);
}

/** Whether the literal after this code is the title of a test, a step or a row. */
function isTitle(code: string): boolean {
  return /(?:\bDeno\.test|\.step|\btest|\bstep)\(\s*$|\b(?:name|title):\s*$/.test(code);
}

/** Blanks fenced code, code spans and addresses. */
function withoutCode(text: string): string {
  return text.replace(/^([ \t]*)(`{3,})[^]*?^[ \t]*\2`*[ \t]*$/gm, blank)
    .replace(/`[^`\n]*(?:\n[^`\n]+)?`/g, blank)
    .replace(/\]\([^)\s]*\)|\bhttps?:\/\/\S+/g, blank);
}

/** Prose of a Markdown document. */
export function proseOfMarkdown(text: string): string {
  return withoutCode(text.replace(/^---\n[^]*?\n---\n/, blank));
}

const ROOT = new URL("../../", import.meta.url);

async function filesBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(folder, ROOT))) {
    if (isDirectory) found.push(...await filesBelow(`${folder}${name}/`));
    else found.push(`${folder}${name}`);
  }
  return found.sort();
}

/** The prose of a file, or undefined if the list does not cover the file. */
function proseOf(file: string, text: string): string | undefined {
  if (/^(?:lib|plugins)\/.*\.ts$/.test(file)) {
    const generated = file === "plugins/mod.ts" ||
      /^(?:\/\/ Built from |.*\n.*\n.*do not edit)/.test(text);
    return generated ? undefined : proseOfSource(text);
  }
  if (/^tests\/.*\.ts$/.test(file)) return proseOfSource(text, true);
  if (/^(?!tests\/).*\.md$/.test(file)) return proseOfMarkdown(text);
}

async function findAll(): Promise<Occurrence[]> {
  const files: string[] = [];
  for await (const { name, isFile } of Deno.readDir(ROOT)) {
    if (isFile && name.endsWith(".md")) files.push(name);
  }
  for (const folder of ["lib/", "plugins/", "tests/", "worlds/usr/share/doc/", "worlds/usr/lib/"]) {
    files.push(...await filesBelow(folder));
  }
  const found: Occurrence[] = [];
  for (const file of files) {
    if (!/\.(?:ts|md)$/.test(file) || file === "tests/project/word_list_test.ts") continue;
    const prose = proseOf(file, await Deno.readTextFile(new URL(file, ROOT)));
    if (prose !== undefined) found.push(...findWords(file, prose));
  }
  return found;
}

/** Numbers by `file: word`. */
function countByKey(found: readonly Occurrence[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { file, word } of found) {
    const key = `${file}: ${word}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

function allowedCounts(): Record<string, number> {
  const allowed: Record<string, number> = {};
  for (const [file, words] of Object.entries(ALLOWED)) {
    for (const [word, { count }] of Object.entries(words)) {
      const key = `${file}: ${word}`;
      allowed[key] = (allowed[key] ?? 0) + count;
    }
  }
  return allowed;
}

function format({ file, line, word, instead }: Occurrence): string {
  return `${file}:${line}: ${word} → ${instead}`;
}

Deno.test("no text has a word of the list more often than it is allowed", async () => {
  const found = await findAll();
  const counts = countByKey(found);
  const allowed = allowedCounts();
  const tooMany = found.filter(({ file, word }) => {
    const key = `${file}: ${word}`;
    return (counts[key] ?? 0) > (allowed[key] ?? 0);
  });
  assertEquals(tooMany.map(format), [], "rewrite the sentences");
});

Deno.test("the allowed numbers of words are not higher than those found", async () => {
  const counts = countByKey(await findAll());
  const higher = Object.entries(allowedCounts())
    .filter(([key, count]) => count > (counts[key] ?? 0))
    .map(([key, count]) => `${key}: allowed ${count}, found ${counts[key] ?? 0}`);
  assertEquals(higher, [], "lower the number");
});

Deno.test("proseOfSource() keeps comments and strings with white space", () => {
  const prose = (text: string) => findWords("a.ts", proseOfSource(text)).map(({ word }) => word);
  assertEquals(prose('const shall = "shall"; // it shall'), ["shall"]);
  assertEquals(prose('f("you shall"); g(`a ${"stand"} b ${x.shall} shall`);'), ["shall", "shall"]);
  assertEquals(prose("/**\n * It is\n * none of `let go`.\n */"), ["is none"]);
  assertEquals(prose("// It is\n// no use.\nconst a = /shall beside/;"), ["is no"]);
  assertEquals(prose("/**\n * ```ts\n * shall();\n * ```\n * shall\n */"), ["shall"]);
  assertEquals(
    prose("// there is no such, there is none, it is no longer, runs alone, besides"),
    [],
  );
  assertEquals(prose("// a caller who is known, and who is not"), ["who is"]);
});

Deno.test("proseOfSource() finds the titles of tests, steps and rows", () => {
  const text =
    'Deno.test("a shall b", () => { f("c shall d"); });\nconst r = { title: "e stands f" };';
  const found = findWords("a.ts", proseOfSource(text, true));
  assertEquals(found.map(({ line, word }) => [line, word]), [[1, "shall"], [2, "stands"]]);
});

Deno.test("proseOfMarkdown() leaves out code and addresses", () => {
  const text = "a shall\n\n```sh\nshall\n```\n`shall` [go\non](/doors/room)\n";
  const found = findWords("a.md", proseOfMarkdown(text));
  assertEquals(found.map(({ line, word }) => [line, word]), [[1, "shall"], [6, "go on"]]);
});

if (import.meta.main) {
  const paths = Deno.args.map((path) => path.replace(/^\.\//, ""));
  for (const occurrence of await findAll()) {
    if (paths.length === 0 || paths.some((path) => occurrence.file.startsWith(path))) {
      console.log(format(occurrence));
    }
  }
}
