/** Tests of the program in a cell's Worker: loading a plugin, requests, and reporting of errors. */

import { assertEquals, assertMatch, assertNotMatch, assertRejects } from "../../support/assert.ts";
import { CellEndedError } from "../../../lib/plugin/cell/cell_run.ts";
import { until, withCell } from "../cell_fixture.ts";

const options = { launch: "worker" } as const;

async function unfit(source: string): Promise<string> {
  let words = "";
  await withCell(source, options, async ({ cell }) => {
    await assertRejects(cell.start(), (error) => {
      words = error instanceof CellEndedError && error.kind === "unfit" ? error.message : "";
      return words !== "";
    });
  });
  return words;
}

Deno.test("start() refuses a module whose default export has no method fetch", async () => {
  for (
    const source of ["", "export default 1;", "export default {};", "export default { fetch: 1 };"]
  ) {
    assertMatch(await unfit(source), /export default does not have a method fetch/);
  }
});

Deno.test("start() reports the line of an error, without the source of the plugin or the bootstrap", async () => {
  const words = await unfit("const a = 1;\n\nnull.x;\nexport default { fetch() {} };");
  assertMatch(words, /TypeError: .* \(\/lib\/[\w-]+:3:\d+\)$/);
  assertNotMatch(words, /data:/);
});

Deno.test("start() accepts a function that has a method fetch as a plugin", async () => {
  const source =
    "const f = () => {}; f.fetch = () => new Response('from a function'); export default f;";
  await withCell(
    source,
    options,
    async ({ text }) => assertEquals(await text("/"), "from a function"),
  );
});

Deno.test("start() gives each request its own env, which shares config and vars", async () => {
  const source = `let first;
  export default { fetch(request, env, ctx) {
    const same = first && [env !== first, env.config === first.config, env.caller !== first.caller];
    first ??= env;
    return Response.json([same, Object.isFrozen(env.config), env.caller.tier, typeof ctx.passThroughOnException]);
  } };`;
  await withCell(source, options, async ({ text }) => {
    assertEquals(JSON.parse(await text("/")), [null, true, "T2", "function"]);
    assertEquals(JSON.parse(await text("/")), [[true, true, true], true, "T2", "function"]);
  });
});

Deno.test("waitUntil() lets work continue after the response and logs its failure", async () => {
  const source = `export default { fetch(request, env, ctx) {
    ctx.waitUntil(new Promise((r) => setTimeout(r, 20)).then(() => { throw new Error("too late") }));
    return new Response("at once");
  } };`;
  await withCell(source, options, async ({ text, lines }) => {
    assertEquals(await text("/"), "at once");
    await until(
      () => lines.some((line) => /waitUntil: Error: too late/.test(line)),
      60_000,
      "the failure is logged",
    );
  });
});
