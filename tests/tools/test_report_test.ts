import {
  countCases,
  describeFailures,
  findLongest,
  findLostFiles,
  findUncaughtErrors,
  formatSummary,
  readCases,
  type TestCase,
} from "../../lib/tools/test_report.ts";
import { assertEquals } from "../support/assert.ts";

const CASE = '<testcase name="a &gt; b" classname="x" time="0" line="1" col="1">';

function report(...insides: string[]): string {
  return insides.map((inside) => `${CASE}\n  ${inside}\n</testcase>`).join("\n");
}

Deno.test("countCases() counts passed, failed and erroneous cases", () => {
  const text = report("", '<failure message="no">no</failure>', "", '<error message="x"></error>');
  assertEquals(countCases(readCases(text)), { passed: 2, failed: 2, skipped: 0 });
  assertEquals(countCases(readCases("")), { passed: 0, failed: 0, skipped: 0 });
});

Deno.test("countCases() counts a skipped test as failed unless its name has the reason", () => {
  assertEquals(countCases(readCases(report("<skipped/>"))), { passed: 0, failed: 1, skipped: 0 });
  const excused = report("<skipped/>").replace("a &gt; b", "a (skipped: no sqlite3)");
  assertEquals(countCases(readCases(excused)), { passed: 0, failed: 0, skipped: 1 });
});

Deno.test("readCases() ignores a message that looks like a case", () => {
  const text = report('<failure message="&lt;testcase ">&lt;skipped/&gt;</failure>');
  assertEquals(countCases(readCases(text)), { passed: 0, failed: 1, skipped: 0 });
});

Deno.test("readCases() finds the file of a case, and cases that were cancelled", () => {
  const text = report('<error message="Cancelled"/>', '<error message="no"/>', "<skipped/>")
    .replace('classname="x"', 'classname="./tests/a_test.ts"');
  const title = "a > b";
  assertEquals(readCases(text), [
    { file: "tests/a_test.ts", title, seconds: 0, reason: "Cancelled", outcome: "cancelled" },
    { file: "x", title, seconds: 0, reason: "no", outcome: "failed" },
    { file: "x", title, seconds: 0, reason: "", outcome: "failed" },
  ]);
  assertEquals(countCases(readCases(text)), { passed: 0, failed: 3, skipped: 0 });
});

Deno.test("describeFailures() has one line for each failed case, with the first line of its reason", () => {
  const message = "Uncaught Error: 1 &lt; 2 &amp;&#10;second line";
  const text = report("", `<failure message="${message}">no</failure>`, "<skipped/>");
  assertEquals(describeFailures(readCases(text)), [
    "Failed: x: a > b: Uncaught Error: 1 < 2 &",
    "Failed: x: a > b",
  ]);
});

Deno.test("findLongest() adds the times of the tests of a file, not those of steps", () => {
  const of = (file: string, title: string, seconds: number): TestCase => {
    return { file, title, seconds, reason: "", outcome: "passed" };
  };
  const cases = [
    of("a", "t", 1),
    of("b", "t", 2),
    of("a", "u", 1.5),
    of("b", "t > step", 9),
    of("c", "t", 0),
  ];
  const longest = [{ file: "a", seconds: 2.5 }, { file: "b", seconds: 2 }];
  assertEquals(findLongest(cases, 2), longest);
});

Deno.test("findUncaughtErrors() finds each module once, with and without colours", () => {
  const plain = "\n FAILURES \n\n./tests/a_test.ts (uncaught error)\nx ... ok\n";
  assertEquals(findUncaughtErrors(plain), ["./tests/a_test.ts"]);
  assertEquals(
    findUncaughtErrors(`${plain}\x1b[0m./tests/b_test.ts (uncaught error)\x1b[0m\n${plain}`),
    ["./tests/a_test.ts", "./tests/b_test.ts"],
  );
  assertEquals(findUncaughtErrors("a test about (uncaught error) ... ok\n"), []);
});

Deno.test("findLostFiles() finds the files with a cancelled test or without any", () => {
  const of = (file: string, ...outcomes: TestCase["outcome"][]) =>
    outcomes.map((outcome) => ({ file, title: "", seconds: 0, reason: "", outcome }));
  const cases = [
    ...of("a", "passed", "failed", "skipped"),
    ...of("b", "passed", "cancelled"),
    ...of("c", "skipped", "cancelled"),
    ...of("x", "cancelled"),
  ];
  assertEquals(findLostFiles(["a", "b", "c", "d"], cases), { during: "b", files: ["b", "c", "d"] });
  assertEquals(findLostFiles(["a", "d"], cases), { during: undefined, files: ["d"] });
  assertEquals(findLostFiles(["a"], cases), { during: undefined, files: [] });
});

Deno.test("formatSummary() names the skipped tests only if there are any", () => {
  assertEquals(formatSummary({ passed: 3, failed: 1, skipped: 0 }), "3 passed, 1 failed");
  assertEquals(
    formatSummary({ passed: 3, failed: 0, skipped: 2 }),
    "3 passed, 0 failed, 2 skipped",
  );
});
