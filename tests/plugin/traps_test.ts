/**
 * The second belt: source that imports never gets into a cell, but if it did, what would it reach? Here
 * the check is left out on purpose. Each case is a trap of the runtime that the design leans on.
 */

import assert from "node:assert/strict";
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
  Deno.test(`a cell (${launch}) imports no file and no URL even with unchecked source (deno#29503)`, async () => {
    const attempts: [string, string][] = [
      ['"file:///etc/hostname"', TEXT],
      ['"file:" + "///etc/hostname"', TEXT],
      [HERE, ""],
      ['"https://esm.sh/hono"', ""],
      ['"https://" + "esm.sh/hono"', ""],
      ['"http://127.0.0.1:8123/x.js"', ""],
    ];
    for (const [specifier, options] of attempts) {
      assert.match(await unchecked(launch, specifier, options), /^\w*Error/, specifier);
    }
  });
}

Deno.test("a cell's process imports no npm package even with unchecked source", async () => {
  // Ignored by permissions (seen); the process's own --no-npm holds. A Worker has no such belt.
  for (const specifier of ['"npm:hono@4.13.19"', '"npm:" + "is-odd@3.0.1"', '"jsr:@std/assert"']) {
    assert.match(await unchecked("process", specifier), /^\w*Error/, specifier);
  }
});
