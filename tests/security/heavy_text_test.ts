/**
 * Long texts for which a careless parser takes quadratic time: output that a model repeats, and SQL
 * with many comments. The plugin must answer within its limits.
 */

import { withDb } from "../plugins/db/queries.ts";
import { withShaper } from "../plugins/shaper.ts";
import { assertEquals, assertMatch } from "../support/assert.ts";

/** Characters: minutes if the time is quadratic, under a second if it is linear. */
const LENGTH = 400_000;

/** A text in the pieces in which a model sends it. */
function piecesOf(text: string): string[] {
  return Array.from(
    { length: Math.ceil(text.length / 10_000) },
    (_, at) => text.slice(10_000 * at, 10_000 * (at + 1)),
  );
}

Deno.test("GET /shaped/… answers at once if the model repeats one part", () =>
  withShaper({ conf: "budget 100" }, async ({ shape, model, put }) => {
    await put("/home/source", "anything");
    const rows: [accept: string, text: string, fault: RegExp][] = [
      ["text/html", `<${"a".repeat(LENGTH)}`, /a tag is incomplete/],
      ["text/html", `<!doctype html><p ${"a ".repeat(LENGTH / 2)}`, /a tag is incomplete/],
      ["text/html", `<p>${"<!".repeat(LENGTH / 2)}`, /text follows its last element/],
      ["text/csv", `a\n${" ".repeat(LENGTH)}x.\nb`, /its single column contains sentences/],
      ["text/csv", `"${'""'.repeat(LENGTH / 2)}`, /a quoted field is not closed/],
      ["image/svg+xml", `<svg ${"a".repeat(LENGTH)}`, /a tag is not well-formed/],
      ["application/xml", `<a${" ".repeat(LENGTH)}b`, /a tag is not well-formed/],
    ];
    for (const [accept, text, fault] of rows) {
      await model.script({ tokens: piecesOf(text) });
      const reply = await shape("/home/source", { accept, "x-semantic-intent": accept });
      assertEquals(reply.status, 406, `${accept}: ${reply.text}`);
      assertMatch(reply.text, fault);
    }
    await model.script({ tokens: piecesOf(`a\n${" ".repeat(LENGTH)}x\nb`) });
    const table = await shape("/home/source", { accept: "text/csv", "x-semantic-intent": "wide" });
    assertEquals(table.status, 200, table.text.slice(0, 500));
  }));

Deno.test("POST /dev/db reads a statement after many comments", () =>
  withDb(async ({ query, put }) => {
    await put("/home/x", "text");
    const explained = await query("?world=x", `${"/**/".repeat(500)} EXPLAIN SELECT 1`);
    assertEquals(explained.status, 200, explained.text);
    const nested = await query("?world=x", `${"/* a **/ -- b\n".repeat(500)} SELECT 1 AS one`);
    assertEquals(nested.text, '[\n{"one":1}\n]\n');
  }));
