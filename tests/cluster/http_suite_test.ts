/** A part of the tests over HTTP runs against three servers over one database, in a process of its own. */

import { assert } from "../support/assert.ts";
import { postgresTest } from "../support/postgres_servers.ts";
import { runHttpSuite } from "./http_suite.ts";

/** Files of the changes of worlds, which must finish within some seconds. All files: see http_suite.ts. */
const FILES = [
  "tests/routes/delete_world_test.ts",
  "tests/routes/move_world_test.ts",
  "tests/routes/worlds_concurrent_test.ts",
];

postgresTest(
  "the contract holds if every request goes to a random server of a cluster",
  async () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    const { passed, output } = await runHttpSuite(FILES, { seed });
    const failures = output.slice(output.indexOf(" ERRORS "));
    assert(passed, `TEST_SEED=${seed} deno run -A tests/cluster/http_suite.ts\n${failures}`);
  },
);
