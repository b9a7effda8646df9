/**
 * Tests of the second line of defence: a source that imports is refused, but if one reached a cell, its
 * imports must fail. These tests skip the check. Each case depends on a behaviour of Deno.
 */

import { assertMatch } from "../support/assert.ts";
import { Cell } from "../../lib/plugin/cell/cell.ts";
import { createBareInit } from "../../lib/plugin/wire/cell_init.ts";
import { LAUNCHES, type LaunchName, SHORT } from "./cell_fixture.ts";

async function unchecked(launch: LaunchName, specifier: string, options = ""): Promise<string> {
  const cell = new Cell<null>({
    init: createBareInit(
      "serve",
      "unchecked",
      `export default { async fetch() {
        return new Response(await import(${specifier}${options}).then((m) => "got " + Object.keys(m), (e) => String(e)));
      } };`,
    ),
    startCell: LAUNCHES[launch],
    limits: SHORT,
    now: Date.now,
    answerSubrequest: () => Promise.resolve(new Response("")),
    log: () => {},
    onEvent: () => {},
  });
  try {
    const visit = { authority: null, tier: "T1", by: "T1", depth: 0 };
    return await (await cell.request(new Request("http://localhost/"), visit)).text();
  } finally {
    await cell.stop({ drain: false });
  }
}

const TEXT = ", { with: { type: 'text' } }";
const HERE = JSON.stringify(import.meta.url);

for (const launch of Object.keys(LAUNCHES) as LaunchName[]) {
  Deno.test(`Cell (${launch}) imports no file or URL, even with an unchecked source (deno#29503)`, async () => {
    const attempts: [string, string][] = [
      ['"file:///etc/hostname"', TEXT],
      ['"file:" + "///etc/hostname"', TEXT],
      [HERE, ""],
      ['"https://esm.sh/hono"', ""],
      ['"https://" + "esm.sh/hono"', ""],
      ['"http://127.0.0.1:8123/x.js"', ""],
    ];
    for (const [specifier, options] of attempts) {
      assertMatch(await unchecked(launch, specifier, options), /^\w*Error/, specifier);
    }
  });
}

Deno.test("Cell (process) imports no npm package, even with an unchecked source", async () => {
  // Permissions do not cover npm imports (Deno 2.9.6); the flag --no-npm does. A Worker has no such flag.
  for (const specifier of ['"npm:hono@4.13.19"', '"npm:" + "is-odd@3.0.1"', '"jsr:@std/assert"']) {
    assertMatch(await unchecked("process", specifier), /^\w*Error/, specifier);
  }
});
