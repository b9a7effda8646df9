import { equal, match } from "node:assert/strict";
import { APPROVE, withServer } from "../support/test_server.ts";
import { needing, runTool, withFolder } from "./tool.ts";

const SUITES = ["basic", "copymove", "props", "locks", "http"];

for (const suite of SUITES) {
  Deno.test({
    ...needing("litmus", `DavRouter passes all tests of litmus ${suite}`),
    fn: () =>
      withServer({}, (server) =>
        withFolder(async (folder) => {
          const url = `http://127.0.0.1:${server.port}/dav/home/`;
          const { code, text } = await runTool("litmus", [url, "admin", APPROVE], {
            cwd: folder,
            env: { TESTS: suite },
          });
          match(text, /(\d+) tests run: \1 passed, 0 failed\. 100\.0%/, text);
          equal(/WARNING/.test(text), false, text);
          equal(code, 0, text);
          // After the requests of the suite, the audit of every world is ok.
          await server.audit();
        })),
  });
}
