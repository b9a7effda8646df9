import {
  assert,
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertRejects,
  assertStrictEquals,
} from "../../support/assert.ts";
import { stripTypeScriptTypes } from "node:module";
import { MAX_PLUGIN_BYTES } from "../../../lib/limits.ts";
import { createStripTypes } from "../../../lib/plugin/host/strip_types.ts";
import { LAUNCHES, SHORT } from "../cell_fixture.ts";
import { SourceError, validateSource } from "../../../lib/plugin/manifest/validate_source.ts";

/** Removes types in this process; only for sources that do not overflow the compiler's stack. */
const strip = (text: string) => Promise.resolve(text).then(stripTypeScriptTypes);
const read = (text: string) => validateSource(new TextEncoder().encode(text), strip);

const IMPORTS = [
  'import "x";',
  'import x from "x";',
  'import { type A } from "x";',
  'import { a } from "npm:x";',
  'import * as x from "node:fs";',
  'import json from "./x.json" with { type: "json" };',
  'export * from "x";',
  'export * as y from "x";',
  'export { a } from "x";',
  'const x = await import("x");',
  "const x = import(name);",
  "const x = `${await import('x')}`;",
  "const x = `a ${`b ${import('x')}`}`;",
  "const x = a / b; import('x') / 2;",
  "const x = /re/ / import('x');",
  "if (x) /re/.test(import('x'));",
  "const f = () => import /* comment */ ('x');",
  "const f = () => import // comment\n('x');",
  "function f(a = import('x')) {}",
  "class A { static { import('x') } }",
  "class A { [import('x')] = 1 }",
  "label: import('x');",
  "x = { async *[Symbol.iterator]() { yield import('x') } };",
  "export default { fetch: () => import('x') };",
  "const u = import.meta.url;",
  "const r = import.meta.resolve('x');",
  "a\n++import.meta.x",
  "x <!--y;\nimport('x')",
];

Deno.test("validateSource() refuses every form of import, with its line", async () => {
  for (const text of IMPORTS) {
    const fault = await read(`// a comment\n${text}\n`).catch((error) => error);
    assert(fault instanceof SourceError, text);
    const line = fault.place?.line ?? 0;
    assert(line >= 2 && line <= 4, `${text}: line ${line}`);
    assertMatch(fault.message, /line \d/, text);
  }
});

Deno.test("validateSource() accepts text that only looks like an import", async () => {
  const texts = [
    "// import 'x'\n/* import('x') */ export default {};",
    "const s = \"import('x')\"; const t = 'import.meta'; const u = `import('x')`;",
    "const r = /import('x')/; const q = a / /import\\(/.source;",
    "const o = { import: 1 }; o.import(2); o?.import;",
    "class A { import() {} static import = 1 }",
    "export { a as default }; const a = 1;",
    "#!/usr/bin/env deno\nexport default {};",
  ];
  for (const text of texts) assertStrictEquals(await read(text), text);
});

Deno.test("validateSource() removes types and keeps the line numbers", async () => {
  const text = [
    'import type { X } from "./types.ts";',
    "interface A { b: string }",
    'export type { X } from "./types.ts";',
    "const a: number = 1 as number;",
    "export const f = <T,>(x: T): T => x as T;",
    "abstract class C { declare y: number; constructor(x?: string) {} private z!: string }",
    "export default { fetch(r: Request): Response { return new Response(String(a satisfies number)) } };",
  ].join("\n");
  const code = await read(text);
  assertEquals(code.split("\n").length, 7);
  assertNotMatch(code, /interface|import|number|string/);
  assertMatch(code.split("\n")[6] ?? "", /fetch\(r/);
});

Deno.test("validateSource() does not change JavaScript that TypeScript would parse differently", async () => {
  const text = "export default f(a < b, c > (d));";
  assertStrictEquals(await read(text), text);
});

Deno.test("validateSource() names the TypeScript construct that it cannot erase, and its line", async () => {
  for (
    const [text, found] of [["enum X { A }", "enum"], [
      "namespace N { export const a = 1 }",
      "namespace",
    ], [
      "class A { constructor(private x: number) {} }",
      "parameter property",
    ]] as const
  ) {
    await assertRejects(read(`const a: number = 1;\n${text}`), (error) => {
      assert(error instanceof SourceError);
      assertMatch(error.message, new RegExp(found));
      assertEquals(error.place?.line, 2);
      return true;
    });
  }
});

Deno.test("validateSource() refuses a source that does not parse, is not UTF-8, too long or too deep", async () => {
  await assertRejects(read("const = 1;"), SourceError);
  await assertRejects(validateSource(new Uint8Array([0xff, 0xfe]), strip), /UTF-8/);
  await assertRejects(
    validateSource(new Uint8Array(MAX_PLUGIN_BYTES + 1), strip),
    /at most \d+ are allowed/,
  );
  const inCell = createStripTypes(LAUNCHES.process, SHORT, Date.now);
  for (
    const text of ["(".repeat(200_000), `const a: b = ${"[".repeat(50_000)}${"]".repeat(50_000)}`]
  ) {
    await assertRejects(validateSource(new TextEncoder().encode(text), inCell), SourceError);
  }
});

Deno.test("validateSource() names line and column of a syntax error, and marks it", async () => {
  const inProcess = createStripTypes(LAUNCHES.process, SHORT, Date.now);
  const typed = "interface A { b: string }\nconst a: A = { b: 'x' };\n";
  const rows: [text: string, message: RegExp, excerpt: string | undefined][] = [
    [
      "let a;\n\tlet b = ;",
      /^Cannot parse the source: .*\(line 2, column 10\)$/,
      " let b = ;\n         ^",
    ],
    [
      `${typed}const c = ;`,
      /: Expression expected \(line 3, column 11\)$/,
      "const c = ;\n          ^",
    ],
    [
      `${typed}const c = \`x;`,
      /: Unterminated template \(line 3, column 11\)$/,
      "const c = `x;\n          ^",
    ],
    [`${typed}enum E {}`, /a TypeScript enum \(line 3, column 1\)/, "enum E {}\n^"],
    [
      `${typed}/* a`,
      /it is not valid TypeScript; a string, a comment or a bracket may not be closed$/,
      undefined,
    ],
    [
      `${typed}f(`,
      /it is not valid TypeScript; a string, a comment or a bracket may not be closed$/,
      undefined,
    ],
    ["let a;\nf(", /^Cannot parse the source: Unexpected token \(line 2, column 3\)$/, "f(\n  ^"],
    [
      "let a; /* b",
      /^Cannot parse the source: Unterminated comment \(line 1, column 8\)$/,
      "let a; /* b\n       ^",
    ],
    [
      `${typed}export const u: string = import.meta.url;`,
      /^Cannot load import\.meta \(line 3, column 26\)/,
      `export const u: string = import.meta.url;\n${" ".repeat(25)}^`,
    ],
  ];
  for (const end of ["\r", "\r\n", "\u2028", "\u2029"]) {
    rows.push([
      `type B = 1;${end}const c: B = ;`,
      /: Expression expected \(line 2, column 14\)$/,
      "const c: B = ;\n             ^",
    ]);
  }
  for (const [text, message, excerpt] of rows) {
    const fault = await validateSource(new TextEncoder().encode(text), inProcess).catch((error) =>
      error
    );
    assert(fault instanceof SourceError, text);
    assertMatch(fault.message, message);
    assertEquals(fault.place?.excerpt, excerpt, text);
  }
});

Deno.test("validateSource() does not guess a place if types are removed in a Worker", async () => {
  const inWorker = createStripTypes(LAUNCHES.worker, SHORT, Date.now);
  const text = "let a: string = '';\nlet b = ;";
  await assertRejects(validateSource(new TextEncoder().encode(text), inWorker), {
    message: "Cannot parse the source: it is not valid TypeScript, and as JavaScript: " +
      "Unexpected token (line 1, column 6)",
  });
});

Deno.test("validateSource() names the author's file of a bundle with a source map", async () => {
  const map = { sources: ["src/load.ts"], mappings: ";KAUG" };
  const data = new TextEncoder().encode(JSON.stringify(map)).toBase64();
  const text =
    `let a;\nlet b = import("npm:x");\n//# sourceMappingURL=data:application/json;base64,${data}\n`;
  const fault = await read(text).catch((error) => error);
  assert(fault instanceof SourceError);
  assertMatch(fault.message, /import\(\) \(src\/load\.ts:11:4, line 2, column 9\)/);
  assertEquals(fault.place?.original, "src/load.ts:11:4");
});
