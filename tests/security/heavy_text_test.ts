/**
 * Texts that cost an expression their square or worse: what a model repeats when it gets stuck, and what
 * somebody sends who wants that. Each is answered for what it is, by the process that was asked.
 */

import { equal, match } from "node:assert/strict";
import { withDb } from "../plugins/db/queries.ts";
import { withShaper } from "../plugins/shaper.ts";

/** Long enough for minutes where the cost is a square, and under a second where it is not. */
const LENGTH = 400_000;

/** A text in the pieces of a stream. */
function piecesOf(text: string): string[] {
  return Array.from(
    { length: Math.ceil(text.length / 10_000) },
    (_, at) => text.slice(10_000 * at, 10_000 * (at + 1)),
  );
}

Deno.test("semantic judges at once what a model repeats without an end", () =>
  withShaper({ conf: "budget 100" }, async ({ shape, model, put }) => {
    await put("/home/source", "anything");
    const cases: [accept: string, text: string, fault: RegExp][] = [
      ["text/html", `<${"a".repeat(LENGTH)}`, /breaks off inside a tag/],
      ["text/html", `<!doctype html><p ${"a ".repeat(LENGTH / 2)}`, /breaks off inside a tag/],
      ["text/html", `<p>${"<!".repeat(LENGTH / 2)}`, /it breaks off|words stand/],
      ["text/csv", `a\n${" ".repeat(LENGTH)}x.\nb`, /its one column is prose/],
      ["text/csv", `"${'""'.repeat(LENGTH / 2)}`, /a quoted field is not closed/],
      ["image/svg+xml", `<svg ${"a".repeat(LENGTH)}`, /a tag is not well-formed/],
      ["application/xml", `<a${" ".repeat(LENGTH)}b`, /a tag is not well-formed/],
    ];
    for (const [accept, text, fault] of cases) {
      await model.script({ tokens: piecesOf(text) });
      const reply = await shape("/home/source", { accept, "x-semantic-intent": accept });
      equal(reply.status, 406, `${accept}: ${reply.text}`);
      match(reply.text, fault);
    }
    await model.script({ tokens: piecesOf(`a\n${" ".repeat(LENGTH)}x\nb`) });
    const table = await shape("/home/source", { accept: "text/csv", "x-semantic-intent": "wide" });
    equal(table.status, 200, table.text.slice(0, 500));
  }));

Deno.test("db reads a statement behind many comments", () =>
  withDb(async ({ query, put }) => {
    await put("/home/x", "text");
    const explained = await query("?world=x", `${"/**/".repeat(500)} EXPLAIN SELECT 1`);
    equal(explained.status, 200, explained.text);
    const nested = await query("?world=x", `${"/* a **/ -- b\n".repeat(500)} SELECT 1 AS one`);
    equal(nested.text, '[\n{"one":1}\n]\n');
  }));
