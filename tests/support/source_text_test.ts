import { assertEquals } from "./assert.ts";
import { listImports, splitSource } from "./source_text.ts";

Deno.test("splitSource() separates code, comments, strings and the chunks of templates", () => {
  const source = "a /* b */ + \"c\" + `d${e + 'f'}g` // h\n/ [/\"]i/.test('j') / 2";
  const marks = { code: "c", comment: "#", string: "s" };
  const parts = splitSource(source).map(({ kind, start, end }) =>
    `${marks[kind]}:${source.slice(start, end)}`
  );
  assertEquals(parts, [
    "c:a ",
    "#:/* b */",
    "c: + ",
    's:"c"',
    "c: + ",
    "s:`d${",
    "c:e + ",
    "s:'f'",
    "s:}g`",
    "c: ",
    "#:// h",
    'c:\n/ [/"]i/.test(',
    "s:'j'",
    "c:) / 2",
  ]);
});

Deno.test("listImports() finds values and types in each form of import", () => {
  const source = `
    import a from "./a.ts"; import type { B } from "./b.ts"; import "./c.ts";
    export { d } from "./d.ts"; export type * from "./e.ts"; import { type F, f } from "./f.ts";
    const g = await import("./g.ts"); let h: import("./h.ts").H; type I = typeof import("./i.ts");
    new URL("./j.ts", import.meta.url); import.meta.resolve("./k.ts"); // import "./no.ts"
    const text = 'import "./no.ts"'; new URL("./no.ts", base); import * as l from "./l.ts";`;
  const found = listImports(source);
  assertEquals(
    found.map(({ specifier }) => specifier.slice(2, -3)).join(""),
    "abcdefghijkl",
  );
  const types = found.filter(({ typeOnly }) => typeOnly).map(({ specifier }) => specifier);
  assertEquals(types, ["./b.ts", "./e.ts", "./h.ts", "./i.ts"]);
});
