import { deepStrictEqual as equal } from "node:assert/strict";
import {
  countCases,
  countUncaughtErrors,
  formatSummary,
  planBatches,
  selectFiles,
} from "../../lib/tools/run_tests.ts";

const CASE = '<testcase name="a &gt; b" classname="x" time="0" line="1" col="1">';

function report(...insides: string[]): string {
  return insides.map((inside) => `${CASE}\n  ${inside}\n</testcase>`).join("\n");
}

Deno.test("countCases() counts passed and failed cases, and errors", () => {
  const text = report("", '<failure message="no">no</failure>', "", '<error message="x"></error>');
  equal(countCases(text), { passed: 2, failed: 2, skipped: 0 });
  equal(countCases(""), { passed: 0, failed: 0, skipped: 0 });
});

Deno.test("countCases() counts a skipped test as failed unless its name has a reason", () => {
  equal(countCases(report("<skipped/>")), { passed: 0, failed: 1, skipped: 0 });
  const excused = report("<skipped/>").replace("a &gt; b", "a (skipped: no sqlite3 here)");
  equal(countCases(excused), { passed: 0, failed: 0, skipped: 1 });
});

Deno.test("countCases() ignores a message that looks like a case", () => {
  const text = report('<failure message="&lt;testcase ">&lt;skipped/&gt;</failure>');
  equal(countCases(text), { passed: 0, failed: 1, skipped: 0 });
});

Deno.test("countUncaughtErrors() counts each failed file once, with and without colours", () => {
  const plain = "\n FAILURES \n\n./tests/a_test.ts (uncaught error)\nx ... ok\n";
  equal(countUncaughtErrors(plain), 1);
  equal(
    countUncaughtErrors(`${plain}\x1b[0m./tests/b_test.ts (uncaught error)\x1b[0m\n${plain}`),
    2,
  );
  equal(countUncaughtErrors("a test about (uncaught error) ... ok\n"), 0);
});

Deno.test("formatSummary() ends a run with the line that other tools parse", () => {
  equal(formatSummary({ passed: 3, failed: 1, skipped: 0 }), "3 passed, 1 failed");
  equal(formatSummary({ passed: 3, failed: 0, skipped: 2 }), "3 passed, 0 failed, 2 skipped");
});

const FILES = [
  "tests/server/app_test.ts",
  "tests/browser/shell_test.ts",
  "tests/faults/kill_test.ts",
  "tests/http/path_test.ts",
];

Deno.test("selectFiles() excludes browser tests unless they are selected", () => {
  equal(selectFiles(FILES, []), [FILES[0], FILES[2], FILES[3]]);
  equal(selectFiles(FILES, ["browser"]), [FILES[1]]);
  equal(selectFiles(["tests/bundle/suite_test.ts"], []), []);
});

Deno.test("selectFiles() accepts folders, files and paths", () => {
  equal(selectFiles(FILES, ["http"]), [FILES[3]]);
  equal(selectFiles(FILES, ["tests/http/"]), [FILES[3]]);
  equal(selectFiles(FILES, ["./tests/server/app_test.ts", "faults"]), [FILES[0], FILES[2]]);
  equal(selectFiles(FILES, ["htt"]), []);
});

Deno.test("planBatches() puts disturbing tests into a sequential batch", () => {
  equal(planBatches(FILES), [
    { parallel: true, files: [FILES[0], FILES[3]] },
    { parallel: false, files: [FILES[1], FILES[2]] },
  ]);
  equal(planBatches(["tests/faults/kill_test.ts"]).length, 1);
  equal(planBatches(["tests/plugin/cell/cell_test.ts"])[0]?.parallel, true);
});
