/** The pure modules of the shell, which need no browser. */

import { assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { changedSpan, deceptionOf } from "../../shell/code_view.js";
import { parseCsv } from "../../shell/csv.js";
import { safeUrl } from "../../shell/dom.js";
import { rank } from "../../shell/rank.js";
import { ago, duration, grouped, size } from "../../shell/format.js";
import { hexDump } from "../../shell/hex_view.js";
import { pathOf, placeOf, shownName } from "../../shell/place.js";
import { eventParser } from "../../shell/sse.js";
import { throttled } from "../../shell/throttled.js";
import { EXTENSIONS, kindOf } from "../../shell/viewers.js";

Deno.test("the page loads the module of a viewer early for each extension that needs it", async () => {
  const page = await Deno.readTextFile("worlds/usr/lib/shell/index.html");
  const lines = [...page.matchAll(/src="[^"]*\/(\w+)\.js\?raw"\s+data-for="([^"]*)"/g)];
  assertEquals(lines.map(([, name]) => name), ["json", "markdown", "table"]);
  for (const [, kind, exts = ""] of lines) {
    assertEquals(EXTENSIONS[String(kind)], exts, kind);
    for (const ext of exts.split(" ")) assertStrictEquals(kindOf({ ext, text: "x" }), kind);
  }
});

/** Modules of the shell that format times, except for `times.js`, each with a reason. */
const FORMAT_TIMES: Record<string, string> = {
  "agent_prompt.js": "toISOString: a text for agents, which is read in any time zone",
  "app.js": "ago: updates the elements of timeAgo()",
  "lazy/compare.js": "ago: an option can have only text; its title is the one of timeAgo()",
  "mint_dialog.js": "toISOString: what timeAt() gets",
  "world.js": "toISOString: the time of a world, which timeAgo() gets",
  "format.js": "ago: the function itself",
};

Deno.test("times of the shell are local, with UTC as their title: only times.js formats them", async () => {
  const found: string[] = [];
  for (const folder of ["", "lazy/"]) {
    for await (const { name, isFile } of Deno.readDir(`shell/${folder}`)) {
      if (!isFile || !name.endsWith(".js") || name === "times.js") continue;
      const source = (await Deno.readTextFile(`shell/${folder}${name}`))
        // The time at which a draft was stored, which local() shows.
        .replace("at: new Date().toISOString()", "");
      const writes =
        /\bh\(\s*"time"|\bago\(|\.to(?:ISO|UTC|GMT|Date|Time|LocaleDate|LocaleTime)String\(|DateTimeFormat/;
      if (writes.test(source)) found.push(folder + name);
    }
  }
  assertEquals(found.sort(), Object.keys(FORMAT_TIMES).sort());
});

Deno.test("placeOf() returns the name and the kind of a path", () => {
  assertEquals(placeOf("/").kind, "home");
  assertEquals(placeOf("/home/").kind, "collection");
  assertEquals(placeOf("/home").kind, "collection");
  assertEquals(placeOf("/home/a%20b/%C3%A4"), {
    name: "home/a b/ä",
    collection: false,
    kind: "world",
  });
  assertEquals(placeOf("/bin").kind, "route");
  assertEquals(placeOf("/home/%E0%A4%A").name, "home/%E0%A4%A");
});

Deno.test("grouped() writes a whole number as toLocaleString() does in English", () => {
  for (const number of [0, 7, 999, 1000, 12_345, 999_999, 1_000_000, 2 ** 53 - 1, -1234]) {
    assertStrictEquals(grouped(number), number.toLocaleString("en"));
  }
});

Deno.test("pathOf() encodes a name so that placeOf() returns it", () => {
  for (const name of ["home/a b", "home/100%", "home/#1?x", "home/埏埴", "home/a&b+c"]) {
    assertStrictEquals(
      placeOf(new URL(pathOf(name), "http://x").pathname).name,
      name.normalize("NFC"),
    );
  }
});

Deno.test("safeUrl() rejects URLs that could run code", () => {
  for (
    const url of [
      "javascript:alert(1)",
      "JaVaScRiPt:x",
      " javascript:x",
      "java\nscript:x",
      "data:text/html,x",
      "vbscript:x",
      "file:///etc",
    ]
  ) {
    assertEquals(safeUrl(url, "http://x/"), undefined, url);
  }
  for (const url of ["/a", "b?c", "#d", "https://e", "mailto:f@g"]) {
    assertStrictEquals(safeUrl(url, "http://x/"), url);
  }
});

Deno.test("eventParser() parses events wherever the text is cut", () => {
  const text =
    ': ping\r\nevent: update\rid: 7\ndata: a\ndata:b\n\nid: 8\r\ndata: {"x":1}\r\n\r\nevent: empty\n\n';
  const expected = [
    { type: "update", data: "a\nb", id: "7" },
    { type: "message", data: '{"x":1}', id: "8" },
  ];
  for (let cut = 1; cut <= text.length; cut++) {
    const found: unknown[] = [];
    const feed = eventParser((event: unknown) => found.push(event));
    for (let at = 0; at < text.length; at += cut) feed(text.slice(at, at + cut));
    assertEquals(found, expected, `cut every ${cut}`);
  }
});

Deno.test("parseCsv() parses quotes, line breaks in quotes and empty cells (RFC 4180)", () => {
  assertEquals(parseCsv('a,b\r\n"x, ""y""","1\n2"\n,\n'), [["a", "b"], ['x, "y"', "1\n2"], [
    "",
    "",
  ]]);
  assertEquals(parseCsv("a\tb\nc", "\t"), [["a", "b"], ["c"]]);
  assertEquals(parseCsv('"open'), [["open"]]);
  assertEquals(parseCsv(""), []);
});

Deno.test("changedSpan() returns the span between the common beginning and end", () => {
  assertEquals(changedSpan("abc", "abXc"), { start: 2, end: 3 });
  assertEquals(changedSpan("aaa", "aa"), { start: 2, end: 2 });
  assertEquals(changedSpan("", "x"), { start: 0, end: 1 });
  assertEquals(changedSpan("same", "same"), { start: 4, end: 4 });
});

Deno.test("rank() puts names that begin with the query first", () => {
  const names = ["home/a/planet", "home/plan", "var/log/x", "home/explain", "home/p/l/a/n"];
  assertEquals(rank(names, "plan", 2), ["home/plan", "home/a/planet"]);
  assertEquals(rank(names, "zzz", 2), []);
  assertEquals(rank(names, "/hme/plan", 2), [], "a path must occur as it is typed");
});

Deno.test("hexDump() shows offset, bytes and characters", () => {
  assertEquals(hexDump(new Uint8Array([65, 0, 255]), 16, 4), "00000010  41 00 ff     A··\n");
});

Deno.test("size(), ago() and duration() return short texts", () => {
  assertEquals([0, 1023, 1024, 5_242_880].map(size), ["0 B", "1023 B", "1.0 KiB", "5.0 MiB"]);
  const now = Date.parse("2026-01-02T00:00:00Z");
  assertEquals(
    ["2026-01-02T00:00:00Z", "2026-01-01T23:59:30Z", "2026-01-01T23:00:00Z", "2025-12-01T00:00:00Z"]
      .map((time) => ago(time, now)),
    ["now", "30 s", "1 h", "2025-12-01"],
  );
  assertEquals([5, 61, 3661, 90_000].map(duration), ["5 s", "1 min", "1 h 1 min", "1 d 1 h"]);
});

Deno.test("shownName() marks what would hide or reorder a part of a name, and nothing else", () => {
  const marked = {
    "home/\u202egpj.exe": "home/‹U+202E›gpj.exe",
    "a\u200bb": "a‹U+200B›b",
    "a\u200db": "a‹U+200D›b",
    " ": "␣",
    "a /  b": "a␣/␣␣b",
    "a  b": "a␣ b",
    "a\u00a0b": "a␣b",
  };
  for (const [name, shown] of Object.entries(marked)) assertStrictEquals(shownName(name), shown);
  const names = ["", "home/a b.txt", "👩‍👩‍👧", "❤️", "می‌خواهم", "日本\u3000語", "e\u0301", "__proto__"];
  for (const name of names) assertStrictEquals(shownName(name), name);
});

Deno.test("deceptionOf() warns of source that looks different from what it does", () => {
  assertEquals(
    deceptionOf("run();\n/* \u202e } \u2066if (isAdmin)\u2069 */\n"),
    "This source can look different from what it does: U+202E in line 2 is invisible, or reorders the line.",
  );
  assertMatch(deceptionOf("let a\u200bb = 1;") ?? "", /U\+200B in line 1/);
  assertStrictEquals(deceptionOf("// é שלום 👩‍👩‍👧\n\ufeffa"), undefined);
});

Deno.test("throttled() calls again for what was asked during a call, after its end", async () => {
  const ends: (() => void)[] = [];
  const ended = new AbortController();
  let started = Promise.withResolvers<void>();
  const ask = throttled(1, ended.signal, () => {
    started.resolve();
    return new Promise<void>((resolve) => ends.push(resolve));
  }, 1);
  ask();
  ask();
  await started.promise;
  started = Promise.withResolvers();
  ask();
  ask();
  // Longer than the time between two calls.
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(ends.length, 1);
  ends[0]?.();
  await started.promise;
  ends[1]?.();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(ends.length, 2);
  ask();
  ended.abort();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(ends.length, 2);
});
