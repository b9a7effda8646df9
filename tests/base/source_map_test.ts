import { SourceMap } from "node:module";
import { assert, assertEquals } from "../support/assert.ts";
import { InlineSourceMap, showSourceName, splitSourceMap } from "../../lib/base/source_map.ts";
import { assertLinear, timeOf } from "../support/growth.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { buildPlugin } from "../../lib/cli/client/bundle_plugin.ts";
import { findPluginEntry } from "../../lib/cli/client/plugin_entry.ts";

const LIMITS = { maxMappings: 100_000, maxNameChars: 200 };
const LINE = "\n//# sourceMappingURL=data:application/json;";

function encode(map: unknown): string {
  return new TextEncoder().encode(typeof map === "string" ? map : JSON.stringify(map)).toBase64();
}

function reader(map: unknown, limits = LIMITS): InlineSourceMap {
  return new InlineSourceMap(encode(map), limits);
}

Deno.test("InlineSourceMap finds what SourceMap of the runtime finds in a bundle", () =>
  withTempFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/a.ts`, "export function a(x: string) {\n  return x;\n}\n");
    await Deno.writeTextFile(
      `${folder}/mod.ts`,
      'import { Hono } from "npm:hono@4.13.19";\nimport { a } from "./a.ts";\na("ä");\nexport default new Hono();\n',
    );
    const { text } = await buildPlugin(await findPluginEntry(`${folder}/mod.ts`, "p"));
    const { code, map = "" } = splitSourceMap(text);
    const payload = JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(map)));
    const oracle = new SourceMap(payload);
    const own = new InlineSourceMap(map, LIMITS);
    let compared = 0;
    for (const [at, line] of code.split("\n").entries()) {
      for (let column = 0; column < line.length; column += 7) {
        const found = own.find(at + 1, column + 1);
        if (found === undefined) continue;
        const entry = oracle.findEntry(at, column);
        assert("originalSource" in entry);
        assertEquals(found, {
          file: entry.originalSource,
          line: entry.originalLine + 1,
          column: entry.originalColumn + 1,
        });
        compared++;
      }
    }
    assert(compared > 1000, `${compared} positions`);
  }));

Deno.test("InlineSourceMap.find() has no position before, between and after the mappings", () => {
  // Column 2 of line 1 is a.ts:1:1; column 6 has no source; line 3 column 1 is b.ts:3:1.
  const map = reader({ sources: ["a.ts", "b.ts"], mappings: "EAAA,I;;ACEA" });
  const rows: readonly [number, number, string | undefined][] = [
    [1, 2, undefined],
    [1, 3, "a.ts:1:1"],
    [1, 6, "a.ts:1:1"],
    [1, 7, undefined],
    [2, 1, undefined],
    [3, 1, "b.ts:3:1"],
    [3, 999, "b.ts:3:1"],
    [4, 1, undefined],
    [0, 1, undefined],
    [1e9, 1, undefined],
  ];
  for (const [line, column, expected] of rows) {
    const found = map.find(line, column);
    const shown = found && `${found.file}:${found.line}:${found.column}`;
    assertEquals(shown, expected, `${line}:${column}`);
  }
});

Deno.test("InlineSourceMap reads mappings up to the limit", () => {
  const sources = ["a.ts"];
  const limits = (maxMappings: number) => ({ maxMappings, maxNameChars: 20 });
  assertEquals(reader({ sources, mappings: "AAAA;AACA" }, limits(4)).find(2, 1)?.line, 2);
  assertEquals(reader({ sources, mappings: "AAAA;AACA" }, limits(3)).find(2, 1), undefined);
  assertEquals(reader({ sources, mappings: "AAAA;AACA" }, limits(3)).find(1, 1)?.line, 1);
});

Deno.test("InlineSourceMap has no position in a malformed or hostile map", () => {
  const sources = ["a.ts"];
  const deep = "[".repeat(100_000);
  const hostile: readonly unknown[] = [
    "",
    "no JSON",
    "null",
    "[]",
    deep,
    { sources, mappings: 5 },
    { sources: "a.ts", mappings: "AAAA" },
    { sources: [{ toString: 1 }], mappings: "AAAA" },
    { sources: [null], mappings: "AAAA" },
    { sources: [], mappings: "AAAA" },
    { sections: [{ offset: { line: 0, column: 0 }, map: { sources, mappings: "AAAA" } }] },
    { sources, mappings: "!!!!" },
    { sources, mappings: "AAA\u{1f4a9}" },
    { sources, mappings: "ADAA" }, // a negative source
    { sources, mappings: "A+++++++++++++++B" }, // a number without an end
    { sources, mappings: "AggggggEAA" }, // beyond 32 bits
    { sources, mappings: "AggggggggggggggA" },
    { sources: ["a".repeat(201)], mappings: "AAAA" },
    { sources: ["a".repeat(1e6)], mappings: "AAAA" },
  ];
  for (const map of hostile) {
    assertEquals(reader(map).find(1, 1), undefined, JSON.stringify(map).slice(0, 80));
  }
  assertEquals(new InlineSourceMap("====", LIMITS).find(1, 1), undefined);
});

Deno.test("InlineSourceMap decodes a map of a megabyte of mappings once, in linear time", () => {
  for (const mapping of ["AAAA,", ";", "A,"]) {
    const mapOf = (count: number) => {
      const map = { sources: ["a.ts"], mappings: mapping.repeat(count) };
      return reader(map, { ...LIMITS, maxMappings: 250_000 });
    };
    const count = 1e6 / mapping.length;
    assertLinear((count) => mapOf(count).find(1, 1), count, mapping);
    // The shortest of several times counts, because other processes only add to it.
    let [first, others] = [Infinity, Infinity];
    for (let round = 0; round < 5; round++) {
      const map = mapOf(count);
      first = Math.min(first, timeOf(() => map.find(1, 1)));
      others = Math.min(others, timeOf(() => find(map, FINDS)));
    }
    assert(others < FINDS / 10 * first, `${mapping}: ${first} ms, then ${others} ms`);
  }
});

/** How often a test looks into one map after it was decoded. */
const FINDS = 1000;

function find(map: InlineSourceMap, times: number): void {
  for (let count = 0; count < times; count++) map.find(1, 1 + count);
}

Deno.test("showSourceName() shows no host, no folder of the computer, and no control characters", () => {
  const rows: readonly [string, string | undefined][] = [
    ["src/routes.ts", "src/routes.ts"],
    ["./src//a.ts", "src/a.ts"],
    ["../b.ts", "../b.ts"],
    ["../../etc/shadow", "shadow"],
    ["a/../../../etc/shadow", "shadow"],
    ["/home/ada/p/mod.ts", "mod.ts"],
    ["C:\\Users\\ada\\mod.ts", "mod.ts"],
    ["file:///home/ada/mod.ts", "mod.ts"],
    ["https://ada:secret@host.example/x/mod.ts?token=1#y", "mod.ts"],
    ["webpack:///./src/[id].ts?abcd", "[id].ts"],
    ["javascript:alert(1)", "alert?1?"],
    ["npm:@a/b@1.0.0/c.js", "npm:@a/b@1.0.0/c.js"],
    ["npm:../../x.js", "x.js"],
    ["a\n\u001b[31m\u202eb.ts", "a??[31m?b.ts"],
    ["größe/日本.ts", "größe/日本.ts"],
    ["<define:X>", "?define?X?"],
    ["", undefined],
    ["..", undefined],
    ["../..", undefined],
    ["\n", undefined],
    ["a".repeat(200), "a".repeat(200)],
    ["a".repeat(201), undefined],
  ];
  for (const [source, expected] of rows) {
    assertEquals(showSourceName(source, 200), expected, JSON.stringify(source.slice(0, 50)));
  }
});

Deno.test("splitSourceMap() takes the map of the last line only", () => {
  const rows: readonly [string, string, string | undefined][] = [
    [`a;${LINE}base64,e30=\n`, "a;", "e30="],
    [`a;${LINE}charset=utf-8;base64,e30= \r\n\n`, "a;", "e30="],
    [`a;${LINE}base64,e30=\nb;`, `a;${LINE}base64,e30=\nb;`, undefined],
    [`a;${LINE}base64,\`;`, `a;${LINE}base64,\`;`, undefined],
    ["a;\n//# sourceMappingURL=a.js.map", "a;\n//# sourceMappingURL=a.js.map", undefined],
    [`a;${LINE}base64,eA==${LINE}base64,e30=`, `a;${LINE}base64,eA==`, "e30="],
  ];
  for (const [text, code, map] of rows) {
    const split = splitSourceMap(text);
    assert(split.code.startsWith(`${code}\n//# `), split.code);
    assertEquals(split.map, map);
  }
});

Deno.test("splitSourceMap() keeps the runtime from applying a map or a name of the source", async () => {
  const map = `//# sourceMappingURL=data:application/json;base64,${
    encode({ version: 3, sources: ["file:///etc/shadow"], mappings: "AAAA;AAIG" })
  }`;
  const f = "export function f() { return new Error('x').stack; }";
  for (const text of [`${f}\n${map}\n`, `${map}\n${f}`, `//# sourceURL=file:///etc/passwd\n${f}`]) {
    const { code } = splitSourceMap(text);
    const module = await import(`data:text/javascript;base64,${encode(code)}`);
    assert(!module.f().includes("/etc/"), module.f());
  }
});
