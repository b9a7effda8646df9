import { assertEquals, assertMatch } from "../support/assert.ts";
import { APPROVE, withServer } from "../support/test_server.ts";
import { requireTool, runTool } from "./tool.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const SUITES = ["basic", "copymove", "props", "locks", "http"];

for (const suite of SUITES) {
  Deno.test({
    ...requireTool("litmus", `DavRouter passes all tests of litmus ${suite}`),
    fn: () =>
      withServer({}, (server) =>
        withTempFolder(async (folder) => {
          const url = `http://127.0.0.1:${server.clientPort}/dav/home/`;
          const { code, text } = await runTool("litmus", [url, "admin", APPROVE], {
            cwd: folder,
            env: { TESTS: suite },
          });
          assertMatch(text, /(\d+) tests run: \1 passed, 0 failed\. 100\.0%/, text);
          assertEquals(/WARNING/.test(text), false, text);
          assertEquals(code, 0, text);
          // After the requests of the suite, the audit of every world is ok.
          await server.audit();
        })),
  });
}
