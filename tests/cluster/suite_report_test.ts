import { assertEquals } from "../support/assert.ts";
import { addSuiteCounts, formatSuiteCounts, NO_COUNTS, readFileReport } from "./suite_report.ts";

const OUTPUT = `running 4 tests from ./tests/dav/router_test.ts
a lock lives in memory (skipped in a cluster: the database has it) ... ignored (0ms)
routes of /dav ...
  OPTIONS ... ok (2ms)
  quota ...
------- output -------
skipped in a cluster: quota: its servers do not know the disk of the database
at one server of a cluster: a node counts its own requests
at one server of a cluster: a node counts its own requests
----- output end -----
  quota ... ok (1ms)
routes of /dav ... ok (3s)

ok | 2 passed (2 steps) | 0 failed | 1 ignored (3s)
`;

Deno.test("readFileReport() counts what left itself in a cluster as left out, with its reason", () => {
  assertEquals(readFileReport(OUTPUT, true), {
    passed: 3,
    failed: 0,
    leftOut: 2,
    reasons: [
      "a lock lives in memory: the database has it",
      "quota: its servers do not know the disk of the database",
    ],
    pinned: ["a node counts its own requests"],
  });
});

Deno.test("readFileReport() counts failed steps, and a failure if the process failed without a count", () => {
  const failed = "FAILED | 1 passed (1 step) | 1 failed (2 steps) (3s)\n";
  assertEquals(readFileReport(failed, false).failed, 3);
  assertEquals(readFileReport("FAILED | 3 passed | 0 failed (3s)\n", false).failed, 1);
  assertEquals(readFileReport("error: Module not found\n", false).failed, 1);
});

Deno.test("addSuiteCounts() and formatSuiteCounts() make the last line of a run", () => {
  const one = readFileReport(OUTPUT, true);
  const text = formatSuiteCounts(addSuiteCounts(addSuiteCounts(NO_COUNTS, one), one));
  assertEquals(text, "6 passed, 0 failed, 4 left out");
});
