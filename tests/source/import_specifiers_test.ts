import { assertEquals } from "../support/assert.ts";
import { findImportSpecifiers, type ImportSpecifier } from "../../lib/source/import_specifiers.ts";

const ROWS: readonly (readonly [
  text: string,
  found: readonly (readonly [string, ImportSpecifier["kind"]])[],
])[] = [
  [`import { a } from "./a.ts";`, [["./a.ts", "code"]]],
  [`import a, { type B } from '../a.ts'`, [["../a.ts", "code"]]],
  [`import {\n  a,\n  b,\n} from "./a.ts";`, [["./a.ts", "code"]]],
  [`import * as sql from "./sql.ts";`, [["./sql.ts", "code"]]],
  [`import "./a.ts";`, [["./a.ts", "code"]]],
  [`export * from "./a.ts";\nexport { b } from "./b.ts";`, [["./a.ts", "code"], [
    "./b.ts",
    "code",
  ]]],
  [`import type { A } from "./a.ts";`, [["./a.ts", "types"]]],
  [`export type { A } from "./a.ts";`, [["./a.ts", "types"]]],
  [`import t from "./a.md" with { type: "text" };`, [["./a.md", "text"]]],
  [`const m = await import("./a.ts");`, [["./a.ts", "code"]]],
  [`load: () => import(\n  "./a.ts",\n),`, [["./a.ts", "code"]]],
  [`import("../LICENSE", { with: { type: "text" } })`, [["../LICENSE", "text"]]],
  [`import.meta.resolve("./w.ts")`, [["./w.ts", "code"]]],
  [`new URL("./w.ts", import.meta.url)`, [["./w.ts", "code"]]],
  [`new URL("../../", import.meta.url)`, []],
  [`new URL("./w.ts", base)`, []],
  [`import { a } from "npm:a@1.0.0"; import "node:fs"; import b from "https://x/y.ts";`, []],
  [`await import(url, { with: { type: "text" } })`, []],
  [`export const a = 1;\nconst b = "from './no.ts'";`, []],
];

for (const [text, found] of ROWS) {
  Deno.test(`findImportSpecifiers() reads ${JSON.stringify(text)}`, () => {
    assertEquals(findImportSpecifiers(text).map(({ specifier, kind }) => [specifier, kind]), found);
  });
}
