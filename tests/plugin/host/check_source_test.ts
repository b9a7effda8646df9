import { assertEquals, assertRejects, errorWith } from "../../support/assert.ts";
import { checkSource, describeRequested } from "../../../lib/plugin/host/check_source.ts";
import * as steps from "../../../lib/plugin/host/plugin_loader.ts";
import { toDraft } from "../../../lib/plugin/host/plugin_source_world.ts";
import { Problem } from "../../../lib/http/problem.ts";
import { ManifestError } from "../../../lib/plugin/manifest/manifest.ts";
import { LAUNCHES, SHORT } from "../cell_fixture.ts";
import { plugin } from "../plugin_test_server.ts";

const loaded = {
  steps,
  sandbox: {
    startCell: LAUNCHES.process,
    limits: SHORT,
    now: Date.now,
    readVariable: () => undefined,
    forbiddenFolders: ["/closed"],
    routeFault: () => undefined,
    readConfig: () => Promise.resolve(undefined),
    log: () => {},
  },
};
const accept = () => {};

function draft(manifest: Record<string, unknown>) {
  const source = plugin(manifest, "return new Response('x')");
  return toDraft("lib/p", new Uint8Array(new TextEncoder().encode(source)));
}

Deno.test("checkSource() describes a source as an approval shows it", async () => {
  const source = draft({ auth: "T2", routes: ["/x"] });
  const [checked, shown] = await Promise.all([
    checkSource(loaded, source, accept),
    describeRequested(loaded, source, accept),
  ]);
  assertEquals([checked.auth, checked.routes], ["T2", ["/x"]]);
  assertEquals(checked, shown);
});

Deno.test("checkSource() throws a problem for each reason of a refusal", async () => {
  const refuse = () => {
    throw new ManifestError("routes", "it is taken");
  };
  await assertRejects(
    () => checkSource(loaded, draft({}), refuse),
    errorWith(Problem, "it is taken"),
  );
  const closed = draft({ permissions: { read: ["/closed"] } });
  await assertRejects(() => checkSource(loaded, closed, accept), errorWith(Problem, "/closed"));
  // The folder is checked only if the cell would start.
  assertEquals(typeof (await describeRequested(loaded, closed, accept)).digest, "string");
});
