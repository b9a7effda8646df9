/**
 * The one-file form under the tests of the checkout: those that speak HTTP to a server, and need
 * none of its modules and no lower layer but its own.
 */

import { equal, ok } from "node:assert/strict";
import { bundle } from "../../lib/tools/bundle.ts";
import { MACHINE_PROGRAM } from "../support/server_process.ts";
import { inFolder, ROOT, runProgram } from "../project/program.ts";

/** What they are about, one of each subject. */
const SUITE = [
  "tests/routes/auth_test.ts",
  "tests/dav/router_test.ts",
  "tests/routes/plugin_state_test.ts",
  "tests/routes/stream/stream_test.ts",
  "tests/routes/fallback_test.ts",
  "tests/routes/worlds_read_test.ts",
  "tests/routes/worlds_together_test.ts",
  "tests/routes/worlds_write_test.ts",
  "tests/http/refusals_test.ts",
  "tests/security/gate_over_http_test.ts",
  "tests/security/policy_over_http_test.ts",
  "tests/security/secrets_test.ts",
  "tests/security/wire_test.ts",
  "tests/plugin/lifecycle_steps_test.ts",
  "tests/plugins/example_test.ts",
];
/** Fewer would mean that the suite was not run. */
const LEAST = 600;

Deno.test("the bundle passes the tests that the checkout passes over HTTP", () =>
  inFolder(async (folder) => {
    await bundle(`${folder}/elastik.js`);
    const { code, stdout, stderr } = await runProgram({
      command: Deno.execPath(),
      args: ["test", "--allow-all", "--no-check", ...SUITE],
      cwd: ROOT,
      env: { [MACHINE_PROGRAM]: `${folder}/elastik.js` },
    });
    equal(code, 0, stdout + stderr);
    const [, passed, steps] = /\| (\d+) passed \((\d+) steps\) \| 0 failed/.exec(stdout) ?? [];
    ok(Number(passed) + Number(steps) >= LEAST, `${passed} passed, ${steps} steps`);
  }));
