/** The pure modules of the viewers, and the built files that the browser loads for them. */

import { assert, assertEquals } from "../support/assert.ts";
import { timeOf } from "../support/growth.ts";
import { filterRows, numberOf, sortRows } from "../../shell/table_rows.js";
import { columnName } from "../../shell/table_view.js";
import { guessSeparator, parseCsv } from "../../shell/csv.js";
import { decodeHTML } from "../../shell/entities.js";
import { searchJson } from "../../shell/json_search.js";
import { parseJsonText } from "../../shell/json_text.js";
import { local, utc } from "../../shell/times.js";
import { parseMarkdown } from "../../worlds/usr/lib/shell/markdown.js";
import { readTokens } from "../../worlds/usr/lib/shell/highlight.js";
import { readText } from "../../worlds/usr/lib/shell/bytes.js";
import { modes as rare } from "../../worlds/usr/lib/shell/grammars.js";

/** How much longer one part of hostile text may take than plain text. */
const HOSTILE_FACTOR = 400;
/** How often a part is timed before it has taken too long. */
const MAX_TIMES = 5;

type Parsed = { nodes: unknown[]; state?: object };
const parse = (text: string, state?: object): Parsed => parseMarkdown(text, state) as Parsed;
const nodes = (text: string) => parse(text).nodes;

Deno.test("parseMarkdown() parses blocks and inline marks", () => {
  assertEquals(nodes("# A *b*\n\ntext `c` **d** ~~e~~\n\n***\n> q\n"), [
    { tag: "h1", in: ["A ", { tag: "em", in: ["b"] }], id: "a-b" },
    {
      tag: "p",
      in: [
        "text ",
        { tag: "code", in: ["c"] },
        " ",
        { tag: "strong", in: ["d"] },
        " ",
        { tag: "s", in: ["e"] },
      ],
    },
    { tag: "hr", in: [] },
    { tag: "blockquote", in: [{ tag: "p", in: ["q"] }] },
  ]);
  assertEquals(nodes("- a\n  - b\n- [x] c\n- [ ] d\n"), [{
    tag: "ul",
    in: [
      { tag: "li", in: ["a", { tag: "ul", in: [{ tag: "li", in: ["b"] }] }] },
      { tag: "li", in: ["c"], checked: true },
      { tag: "li", in: ["d"], checked: false },
    ],
  }]);
  assertEquals(nodes("```js x\n# no\n<b>\n```\n"), [
    { tag: "pre", language: "js", in: ["# no\n<b>"] },
  ]);
  assertEquals(nodes("\ufeff# Title"), [{ tag: "h1", in: ["Title"], id: "title" }]);
});

Deno.test("parseMarkdown() shows blocks that are nested too deeply as text, and what follows them", () => {
  const list = Array.from({ length: 90 }, (_, at) => `${"  ".repeat(at)}- item ${at}`).join("\n");
  const shown = JSON.stringify(parseMarkdown(`${list}\n\nafter\n`).nodes);
  for (const text of ["item 0", "item 29", "item 30", "item 89"]) {
    assert(shown.includes(text), text);
  }
  assertEquals(parseMarkdown(`${list}\n\nafter\n`).nodes.at(-1), { tag: "p", in: ["after"] });
  for (const levels of [60, 99, 30_000]) {
    const { nodes } = parseMarkdown(`${">".repeat(levels)} hidden\n\nafter\n`);
    assert(JSON.stringify(nodes).includes("hidden"), String(levels));
    assertEquals(nodes.at(-1), { tag: "p", in: ["after"] }, String(levels));
  }
});

Deno.test("parseMarkdown() parses setext headings and nested emphasis (CommonMark)", () => {
  assertEquals(nodes("Title\n=====\n\nPart\n---\n"), [
    { tag: "h1", in: ["Title"], id: "title" },
    { tag: "h2", in: ["Part"], id: "part" },
  ]);
  assertEquals(nodes("*a **b *c* d** e*"), [{
    tag: "p",
    in: [{
      tag: "em",
      in: ["a ", { tag: "strong", in: ["b ", { tag: "em", in: ["c"] }, " d"] }, " e"],
    }],
  }]);
  assertEquals(nodes("[a][r] snake_case_name &copy; &unknown; \\*\n\n[r]: /b 'T'"), [{
    tag: "p",
    in: [
      { tag: "a", in: ["a"], href: "/b", title: "T" },
      " snake_case_name \u00a9 &unknown; *",
    ],
  }]);
});

Deno.test("parseMarkdown() parses tables, URLs, footnotes and alerts (GFM)", () => {
  const [table] = nodes("| a | b |\n|---|--:|\n| 1 | x\\|y |\n");
  const text = JSON.stringify(table);
  assert(text.includes('"align":"right"') && text.includes("x|y"), text);
  assertEquals(nodes("see (http://a.b/c_(d)), www.x.org."), [{
    tag: "p",
    in: [
      "see (",
      { tag: "a", href: "http://a.b/c_(d)", in: ["http://a.b/c_(d)"] },
      "), ",
      { tag: "a", href: "http://www.x.org", in: ["www.x.org"] },
      ".",
    ],
  }]);
  assertEquals(nodes("ask a.b+c@x-y.org, `d@e.f`, @g, h@i or <j@k.l>."), [{
    tag: "p",
    in: [
      "ask ",
      { tag: "a", href: "mailto:a.b+c@x-y.org", in: ["a.b+c@x-y.org"] },
      ", ",
      { tag: "code", in: ["d@e.f"] },
      ", @g, h@i or ",
      { tag: "a", href: "mailto:j@k.l", in: ["j@k.l"] },
      ".",
    ],
  }]);
  const [paragraph, notes] = nodes("a[^x]\n\n[^x]: note *b*\n") as { in: unknown[] }[];
  assertEquals(paragraph?.in, ["a", {
    tag: "sup",
    id: "fnref-1",
    in: [{ tag: "a", href: "#fn-1", in: ["1"] }],
  }]);
  assertEquals(JSON.stringify(notes).includes('"id":"fn-1"'), true);
  assertEquals(nodes("> [!WARNING]\n> hot *x*\n"), [{
    tag: "blockquote",
    in: [{ tag: "p", in: ["hot ", { tag: "em", in: ["x"] }] }],
    alert: "warning",
  }]);
});

Deno.test("parseMarkdown() keeps HTML as text, except comments and line breaks", () => {
  assertEquals(nodes("a <i onclick=x>b</i><br>c <!-- d -->\n\n<!-- e -->\n\n<div>f</div>\n"), [
    { tag: "p", in: ["a <i onclick=x>b</i>", { tag: "br", in: [] }, "c "] },
    { tag: "p", kind: "html", in: ["<div>f</div>"] },
  ]);
});

Deno.test("parseMarkdown() gives equal headings different anchors", () => {
  const ids = nodes("# A b!\n# A b\n## \u00c9t\u00e9 `x`\n").map((node) =>
    (node as { id: string }).id
  );
  assertEquals(ids, ["a-b", "a-b-1", "\u00e9t\u00e9-x"]);
});

Deno.test("parseMarkdown() parses a long text in parts, which are not cut in a block of code", () => {
  const text = `[r]: /x\n\n${"```\ncode\n\ncode\n```\n\n[r] text\n\n".repeat(6000)}`;
  let parsed = parse(text);
  const all = [...parsed.nodes];
  let parts = 1;
  while (parsed.state !== undefined) {
    parsed = parse(text, parsed.state);
    all.push(...parsed.nodes);
    parts++;
  }
  assert(parts > 2, String(parts));
  assertEquals(all.length, 12_000);
  assertEquals(all.at(-1), { tag: "p", in: [{ tag: "a", in: ["r"], href: "/x" }, " text"] });
  assertEquals(all.at(-2), { tag: "pre", language: "", in: ["code\n\ncode"] });
});

Deno.test("parseMarkdown() takes little time for each part of a text that is made to be slow", () => {
  const plain = "some words of a text\n\n".repeat(4_500);
  const plainMs = Math.min(...Array.from({ length: 5 }, () => timeOf(() => parse(plain))));
  const pieces =
    "* _ ` [ ![ ]( > - | # ~~ \\ <http:// -|- [a]( <!-- &amp [a][ <x@ www. ![[]() ^[a [^a]"
      .split(" ");
  pieces.push(" ", "\t", "**a ", "1. ", "\n- a\n  ", "[a]: x\n", "[^a]: x\n\n", "a_ *b", "\n> ");
  pieces.push(
    "- \n\n",
    "a|b\n-|-\n|\n",
    "  - a\n    ",
    "> [!NOTE]\n\n",
    "# a\n",
    "```\n",
    "www.a ",
    "a@",
    "a.a@b.",
  );
  for (const piece of pieces) {
    const text = piece.repeat(Math.ceil(100_000 / piece.length));
    let state: object | undefined;
    do {
      const before = state;
      let ms = Infinity;
      // Other processes can interrupt each of several times.
      for (let time = 0; time < MAX_TIMES && ms >= HOSTILE_FACTOR * plainMs; time++) {
        ms = Math.min(ms, timeOf(() => state = parse(text, before).state));
      }
      assert(
        ms < HOSTILE_FACTOR * plainMs,
        `${JSON.stringify(piece)} took ${ms} ms, plain text ${plainMs} ms`,
      );
    } while (state !== undefined);
  }
});

Deno.test("decodeHTML() decodes names of HTML 4 and numbers, and keeps what it does not know", () => {
  assertEquals(
    decodeHTML("&lt;&AMP;&nbsp;&Omega;&hearts;&mdash;&#65;&#x1F600;&#0;&#xD800;&x;&toString;"),
    "<&AMP;\u00a0\u03a9\u2665\u2014A\u{1f600}\ufffd\ufffd&x;&toString;",
  );
});

Deno.test("readTokens() reads the tokens of a language line by line", () => {
  const source = 'select a -- x\nfrom "b"\n';
  const tokens = [...readTokens(rare.sql, source)].flat()
    .map(({ style, start, end }) => [style, source.slice(start, end)]);
  assertEquals(tokens.filter(([style]) => style === "keyword"), [
    ["keyword", "select"],
    ["keyword", "from"],
  ]);
  assertEquals(tokens.find(([style]) => style === "comment"), ["comment", "-- x"]);
});

Deno.test("guessSeparator() counts all lines", () => {
  assertEquals(guessSeparator("Report, 2026\n\na;b;c\n1;2;3\n4,5;6;7\n"), ";");
  assertEquals(guessSeparator("a|b\n1|2\n"), "|");
  assertEquals(guessSeparator(`x\n${"a,b\tc\n".repeat(3)}`), ",");
  assertEquals(parseCsv("a|b\n1,5|2"), [["a", "b"], ["1,5", "2"]]);
});

Deno.test("sortRows() puts numbers before texts before empty cells, in both directions", () => {
  const rows = [["b"], ["10"], [""], ["9"], ["a"], ["1,000"], []];
  assertEquals(sortRows(rows, 0).map(([cell]) => cell), [
    ...["9", "10", "1,000", "a", "b", "", undefined],
  ]);
  assertEquals(sortRows(rows, 0, true).map(([cell]) => cell), [
    ...["1,000", "10", "9", "b", "a", "", undefined],
  ]);
  assertEquals(["-1.5", "12 %", "1e3", "1,5", "1,234.5"].map(numberOf), [
    -1.5,
    12,
    1000,
    1.5,
    1234.5,
  ]);
  for (const text of ["", "-", "a1", "1-2", "2026-11-28", "1.2.3"]) {
    assertEquals(Number.isNaN(numberOf(text)), true, text);
  }
});

Deno.test("filterRows() finds rows with each word", () => {
  const rows = [["Ada", "London"], ["Bob", "Paris"]];
  assertEquals(filterRows(rows, "lon ADA"), [["Ada", "London"]]);
  assertEquals(filterRows(rows, " "), rows);
  assertEquals([0, 25, 26, 701, 702].map(columnName), ["A", "Z", "AA", "ZZ", "AAA"]);
});

Deno.test("searchJson() finds names and values, and where they are", () => {
  const value = parseJsonText('{"a":{"B":[1,"bc"]},"b":1}');
  assertEquals(searchJson(value, "b", 10), [[0, 0], [0, 0, 1], [1]]);
  assertEquals(searchJson(value, "b", 1), [[0, 0]]);
  assertEquals(searchJson(value, "", 10), []);
  const deep = parseJsonText(`${"[".repeat(50_000)}1${"]".repeat(50_000)}`);
  assertEquals(searchJson(deep, "1", 10), []);
});

Deno.test("readText() tells text from other bytes and guesses its encoding", () => {
  const cyrillic = Uint8Array.from(
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u044d\u0442\u043e \u0442\u0435\u043a\u0441\u0442 \u0434\u043b\u044f \u043f\u0440\u043e\u0432\u0435\u0440\u043a\u0438",
    (char) => {
      const code = char.charCodeAt(0);
      return code < 128 ? code : code - 0x410 + 0xc0;
    },
  );
  const { text, encoding } = readText(cyrillic);
  assertEquals([encoding, text?.slice(0, 6)], [
    "windows-1251",
    "\u041f\u0440\u0438\u0432\u0435\u0442",
  ]);
  const latin = new Uint8Array([0x67, 0x72, 0xfc, 0x6e]);
  assertEquals(readText(latin).guesses?.includes("windows-1252"), true);
  const wide = Uint8Array.from("abcdefgh", (char) => char.charCodeAt(0));
  const spaced = new Uint8Array(16);
  wide.forEach((byte, at) => spaced[2 * at] = byte);
  assertEquals(readText(spaced).text, "abcdefgh");
  for (const bytes of [[], [0x89, 0x50, 0x4e, 0x47, 0, 0], [0xff, 0xfe, 0x61], [1, 2, 3]]) {
    assertEquals(readText(Uint8Array.from(bytes)), {}, String(bytes));
  }
});

Deno.test("utc() and local() return any time as text", () => {
  assertEquals(utc("2026-11-28T09:25:03.123Z"), "2026-11-28 09:25:03 UTC");
  assertEquals(utc("2026-11-28T10:25:03+01:00"), "2026-11-28 09:25:03 UTC");
  assertEquals([utc("x"), local("x")], ["x", "x"]);
});
