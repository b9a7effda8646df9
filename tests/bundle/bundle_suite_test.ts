/** Runs tests of the checkout that use a server only over HTTP, with the bundle as that server. */

import { assert, assertEquals } from "../support/assert.ts";
import { bundle } from "../../lib/tools/bundle.ts";
import { TEST_PROGRAM } from "../support/server_process.ts";
import { ROOT, runProgram } from "../project/program.ts";
import { withTempFolder } from "../support/temp_folder.ts";

/** Files of these tests: at least one for each part of the server. */
const SUITE = [
  "tests/dav/router_test.ts",
  "tests/routes/plugin_state_test.ts",
  "tests/routes/stream/stream_test.ts",
  "tests/routes/fallback_test.ts",
  "tests/routes/read_world_test.ts",
  "tests/security/wire_test.ts",
  "tests/plugin/lifecycle_steps_test.ts",
  "tests/plugins/example_test.ts",
];
/** Least number of passed tests and steps; fewer mean that files were not run. */
const MIN_PASSED = 200;

Deno.test("the bundle passes the tests that the checkout passes over HTTP", () =>
  withTempFolder(async (folder) => {
    await bundle(`${folder}/elastik.js`);
    const { code, stdout, stderr } = await runProgram({
      command: Deno.execPath(),
      args: ["test", "--allow-all", "--no-check", ...SUITE],
      cwd: ROOT,
      env: { [TEST_PROGRAM]: `${folder}/elastik.js` },
    });
    assertEquals(code, 0, stdout + stderr);
    const [, passed, steps] = /\| (\d+) passed \((\d+) steps\) \| 0 failed/.exec(stdout) ?? [];
    assert(Number(passed) + Number(steps) >= MIN_PASSED, `${passed} passed, ${steps} steps`);
  }));
