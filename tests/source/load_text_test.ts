import { assertRejects, assertStrictEquals } from "../support/assert.ts";
import { loadText } from "../../lib/source/load_text.ts";

Deno.test("loadText() returns the text of a module and does not run it", async () => {
  const text = 'throw new Error("it ran"); // ä\n';
  const url = `data:text/javascript;base64,${new TextEncoder().encode(text).toBase64()}`;
  assertStrictEquals(await loadText(url), text);
  const own = import.meta.resolve("../../lib/source/load_text.ts");
  assertStrictEquals(await loadText(own), await Deno.readTextFile(new URL(own)));
  await assertRejects(loadText(import.meta.resolve("./none.ts")));
});
