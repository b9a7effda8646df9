import { stripTypeScriptTypes } from "node:module";
import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { locateSyntaxError } from "../../../lib/plugin/realm/locate_syntax_error.ts";

const INVALID = new SyntaxError("[InvalidSyntax] Syntax error");

Deno.test("locateSyntaxError() finds the place, and loads and runs nothing", async () => {
  const run = "globalThis.locatedRan = true;";
  const rows: readonly [string, RegExp][] = [
    ["let a: string = '';\nlet b = ;", /^Expression expected at stripTypeScriptTypes\.ts:2:9$/],
    [`${run} let a: string = ''`, /may not be closed at stripTypeScriptTypes\.ts:0:0$/],
    [`${run} f(`, / at stripTypeScriptTypes\.ts:0:0$/],
    [`${run} /* a`, / at stripTypeScriptTypes\.ts:0:0$/],
    [`${run} // a`, / at stripTypeScriptTypes\.ts:0:0$/],
    [`${run} <!-- a`, / at stripTypeScriptTypes\.ts:\d:\d+$/],
    [`${run} /a`, / at stripTypeScriptTypes\.ts:\d:\d+$/],
    [`${run} /* a *`, / at stripTypeScriptTypes\.ts:0:0$/],
    [`${run} let s = 'a`, / at stripTypeScriptTypes\.ts:0:0$/],
    [`${run} let s = 'a\\`, / at stripTypeScriptTypes\.ts:\d:\d+$/],
    [`${run} let s = \`a\${`, / at stripTypeScriptTypes\.ts:\d:\d+$/],
    [`${run} class A { a = 1 /`, / at stripTypeScriptTypes\.ts:\d:\d+$/],
    [`${run} let a: "`, / at stripTypeScriptTypes\.ts:\d:\d+$/],
    [`${run} type A = \``, / at stripTypeScriptTypes\.ts:\d:\d+$/],
    [`import "data:text/javascript,${run}"; /*`, / at stripTypeScriptTypes\.ts:0:0$/],
    [`import "data:text/javascript,${run}"; let a: b;`, / at stripTypeScriptTypes\.ts:0:0$/],
  ];
  for (const [text, says] of rows) {
    const found = await locateSyntaxError(text, INVALID, true);
    assert(found instanceof Error, text);
    assertEquals(says.test(found.message), true, `${text}: ${found.message}`);
    assertEquals(Reflect.get(globalThis, "locatedRan"), undefined, text);
  }
});

Deno.test("locateSyntaxError() counts UTF-16 code units, and one for a tab", async () => {
  for (const before of ["", "\t", "\t\ta;\t", "/*\u{1f4a9}*/", "/*é*/"]) {
    const text = `let a: x;\n${before}let b = ;`;
    const found = await locateSyntaxError(text, INVALID, true);
    const column = before.length + 9;
    assertEquals(
      String(found),
      `SyntaxError: Expression expected at stripTypeScriptTypes.ts:2:${column}`,
    );
  }
  for (const before of ["", "\t", "\t\ta;\t", "/*é*/"]) {
    const text = `let a: x;\n${before}enum E {}`;
    let thrown: unknown;
    try {
      stripTypeScriptTypes(text);
    } catch (error) {
      thrown = error;
    }
    const found = await locateSyntaxError(text, thrown, false);
    assertMatch(String(found), new RegExp(` at stripTypeScriptTypes\\.ts:2:${before.length + 1}$`));
  }
});

Deno.test("locateSyntaxError() imports nothing if it may not, and does not replace another error", async () => {
  const other = new SyntaxError("another");
  assertEquals(await locateSyntaxError("let b = ;", INVALID, false), INVALID);
  assertEquals(await locateSyntaxError("let b = ;", other, true), other);
  assertEquals(await locateSyntaxError("let b = ;", "thrown", true), "thrown");
});
