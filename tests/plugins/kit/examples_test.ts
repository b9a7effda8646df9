import { ok } from "node:assert/strict";
import { ROOT } from "../../project/program.ts";

for (const { name } of Deno.readDirSync(`${ROOT}/plugins/kit`)) {
  const text = Deno.readTextFileSync(`${ROOT}/plugins/kit/${name}`);
  const exports = text.matchAll(
    /(\/\*\*(?:(?!\*\/)[^])*\*\/\n)?^export (?:async )?(?:function|class) (\w+)/gm,
  );
  for (const [, comment = "", symbol] of exports) {
    Deno.test(`${symbol}() in plugins/kit/${name} has an example`, () => {
      ok(comment.includes("@example"), `${name}: ${symbol} has no @example`);
    });
  }
}
