/** A part of the tests over HTTP runs against three servers over one database, in a process of its own. */

import { assert } from "../support/assert.ts";
import { postgresTest } from "../support/postgres_servers.ts";
import { runHttpSuite } from "./http_suite.ts";

/**
 * Beginnings of the titles of the tests, by file: the changes of worlds, and what each caller may see, in
 * so few tests that they finish within some seconds. All files: see http_suite_files.ts.
 */
const TESTS: Readonly<Record<string, readonly string[]>> = {
  "tests/routes/delete_world_test.ts": ["PUT, POST and DELETE"],
  "tests/routes/move_world_test.ts": ["MOVE /<world>"],
  "tests/routes/worlds_concurrent_test.ts": ["GET, PUT, POST and DELETE"],
  "tests/security/hidden_worlds_test.ts": ["no interface shows hidden worlds: T2"],
  "tests/security/policy_over_http_test.ts": ["the policy applies to every request"],
  "tests/security/redaction_test.ts": [
    "no response to a caller below T3",
  ],
};

postgresTest(
  "the contract holds if every request goes to a random server of a cluster",
  async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const titles = Object.values(TESTS).flat();
    const { passed, output } = await runHttpSuite(Object.keys(TESTS), { seed, titles });
    const failures = output.slice(output.indexOf(" ERRORS "));
    assert(passed, `TEST_SEED=${seed} deno run -A tests/cluster/http_suite.ts\n${failures}`);
    for (const title of titles) assert(output.includes(`\n${title}`), `${title} did not run`);
  },
);
