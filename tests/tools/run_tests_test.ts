import { deepStrictEqual as equal } from "node:assert/strict";
import { batches, brokenOff, chosen, countCases, summary } from "../../lib/tools/run_tests.ts";

const CASE = '<testcase name="a &gt; b" classname="x" time="0" line="1" col="1">';

function report(...insides: string[]): string {
  return insides.map((inside) => `${CASE}\n  ${inside}\n</testcase>`).join("\n");
}

Deno.test("countCases() counts what passed, failed and broke", () => {
  const text = report("", '<failure message="no">no</failure>', "", '<error message="x"></error>');
  equal(countCases(text), { passed: 2, failed: 2, skipped: 0 });
  equal(countCases(""), { passed: 0, failed: 0, skipped: 0 });
});

Deno.test("countCases() takes a skipped test for failed unless its name says why", () => {
  equal(countCases(report("<skipped/>")), { passed: 0, failed: 1, skipped: 0 });
  const excused = report("<skipped/>").replace("a &gt; b", "a (skipped: no sqlite3 here)");
  equal(countCases(excused), { passed: 0, failed: 0, skipped: 1 });
});

Deno.test("countCases() is not fooled by a message that looks like a case", () => {
  const text = report('<failure message="&lt;testcase ">&lt;skipped/&gt;</failure>');
  equal(countCases(text), { passed: 0, failed: 1, skipped: 0 });
});

Deno.test("brokenOff() counts files that broke off, with and without colours, once", () => {
  const plain = "\n FAILURES \n\n./tests/a_test.ts (uncaught error)\nx ... ok\n";
  equal(brokenOff(plain), 1);
  equal(brokenOff(`${plain}\x1b[0m./tests/b_test.ts (uncaught error)\x1b[0m\n${plain}`), 2);
  equal(brokenOff("a test about (uncaught error) ... ok\n"), 0);
});

Deno.test("summary() ends a run in the words that are counted elsewhere", () => {
  equal(summary({ passed: 3, failed: 1, skipped: 0 }), "3 passed, 1 failed");
  equal(summary({ passed: 3, failed: 0, skipped: 2 }), "3 passed, 0 failed, 2 skipped");
});

const FILES = [
  "tests/server/app_test.ts",
  "tests/browser/shell_test.ts",
  "tests/faults/kill_test.ts",
  "tests/http/path_test.ts",
];

Deno.test("chosen() leaves the browser to who asks for it", () => {
  equal(chosen(FILES, []), [FILES[0], FILES[2], FILES[3]]);
  equal(chosen(FILES, ["browser"]), [FILES[1]]);
  equal(chosen(["tests/bundle/suite_test.ts"], []), []);
});

Deno.test("chosen() takes folders, files and paths", () => {
  equal(chosen(FILES, ["http"]), [FILES[3]]);
  equal(chosen(FILES, ["tests/http/"]), [FILES[3]]);
  equal(chosen(FILES, ["./tests/server/app_test.ts", "faults"]), [FILES[0], FILES[2]]);
  equal(chosen(FILES, ["htt"]), []);
});

Deno.test("batches() lets what would disturb others take its turn", () => {
  equal(batches(FILES), [
    { parallel: true, files: [FILES[0], FILES[3]] },
    { parallel: false, files: [FILES[1], FILES[2]] },
  ]);
  equal(batches(["tests/faults/kill_test.ts"]).length, 1);
  equal(batches(["tests/plugin/cell/cell_test.ts"])[0]?.parallel, true);
});
