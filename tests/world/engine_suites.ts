/** All tests of the `Store` interface. A new engine passes itself to {@link engineSuites}. */

import { changesSuite } from "./changes_suite.ts";
import { keyedSuite } from "./keyed_suite.ts";
import { quotaSuite } from "./quota_suite.ts";
import { renameSuite } from "./rename_suite.ts";
import { searchSuite } from "./search_suite.ts";
import type { Engine } from "./store_fixture.ts";
import { storeSuite } from "./store_suite.ts";
import { trashSuite } from "./trash_suite.ts";

/** Registers all suites for an engine. */
export function engineSuites(engine: Engine): void {
  storeSuite(engine);
  renameSuite(engine);
  trashSuite(engine);
  changesSuite(engine);
  keyedSuite(engine);
  searchSuite(engine);
  quotaSuite(engine);
}
