/** The generated modules of the kit and the built plugins are up to date. */

import { strictEqual } from "node:assert/strict";
import { generatedKit, linkedPlugins } from "../../lib/tools/build_plugins.ts";
import { ROOT } from "../project/program.ts";

for (const [path, text] of generatedKit()) {
  Deno.test(`${path} is what \`deno task plugins\` generates`, async () => {
    const advice = `run \`deno task plugins\` and commit ${path}`;
    strictEqual(await Deno.readTextFile(`${ROOT}/${path}`) === text, true, advice);
  });
}

for (const [path, text] of await linkedPlugins(`${ROOT}/`)) {
  Deno.test(`${path} is what its sources are linked to`, async () => {
    const advice = `run \`deno task plugins\` and commit ${path}`;
    strictEqual(await Deno.readTextFile(`${ROOT}/${path}`) === text, true, advice);
  });

  Deno.test(`${path} can be evaluated`, async () => {
    // With a query, since other tests load the same file as text.
    const plugin = await import(`../../${path}?evaluated`);
    strictEqual(typeof plugin.default.fetch, "function");
  });
}
