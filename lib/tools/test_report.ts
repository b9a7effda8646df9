/**
 * Reads what `deno test` reports: its JUnit report, and the errors outside a test that are only in its
 * output.
 */

/** Results of a run. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A case of a JUnit report, which is a test or a step. */
export interface TestCase {
  /** Path of the file that defines it, such as `tests/config_test.ts`. */
  readonly file: string;
  /** Name of the test, and that of the step if it is one. */
  readonly title: string;
  /** How long it ran, in seconds, with its steps. */
  readonly seconds: number;
  /** First line of the reason if it failed, otherwise empty. */
  readonly reason: string;
  /** `cancelled` if an error outside a test, in another file too, ended the process of the test before it. */
  readonly outcome: "passed" | "failed" | "skipped" | "cancelled";
}

/** A skipped test has the reason in its name, in this form. */
const REASON = /\(skipped: .+\)/;

/**
 * Reads the cases of a JUnit report, steps included. An ignored test without a reason in its name, such
 * as `(skipped: sqlite3 is not installed)`, counts as failed.
 */
export function readCases(report: string): TestCase[] {
  const cases: TestCase[] = [];
  for (
    const [, head = "", rest = ""] of report.matchAll(/<testcase ([^>]*)>([\s\S]*?)<\/testcase>/g)
  ) {
    const file = attribute(head, "classname").replace(/^\.\//, "");
    const outcome = outcomeOf(head, rest);
    const isFailed = outcome === "failed" || outcome === "cancelled";
    const reason = isFailed ? attribute(rest, "message").trim().split("\n", 1)[0] ?? "" : "";
    const seconds = Number(attribute(head, "time")) || 0;
    cases.push({ file, title: attribute(head, "name"), seconds, reason, outcome });
  }
  return cases;
}

/** Reads an attribute of an XML element that `deno test` has written; empty if it is absent. */
function attribute(element: string, name: string): string {
  const value = new RegExp(`(?:^|\\s)${name}="([^"]*)"`).exec(element)?.[1] ?? "";
  return value.replace(
    /&(?:#(\d+)|(\w+));/g,
    (all, code?: string, word = "") =>
      code === undefined ? ENTITIES[word] ?? all : String.fromCodePoint(Number(code)),
  );
}

/** The characters that XML predefines (XML 1.0, section 4.6). */
const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  apos: "'",
  gt: ">",
  lt: "<",
  quot: '"',
};

/**
 * Describes the cases that failed, one line for each, so that the end of a long output has them.
 */
export function describeFailures(cases: readonly TestCase[]): string[] {
  return cases.filter(({ outcome }) => outcome === "failed" || outcome === "cancelled")
    .map(({ file, title, reason }) => `Failed: ${file}: ${title}${reason && `: ${reason}`}`);
}

/**
 * Finds the files that ran longest, longest first.
 *
 * @param count number of files at most
 */
export function findLongest(
  cases: readonly TestCase[],
  count: number,
): { file: string; seconds: number }[] {
  const files = new Map<string, number>();
  for (const { file, title, seconds } of cases) {
    // The time of a step is in that of its test.
    if (!title.includes(" > ")) files.set(file, (files.get(file) ?? 0) + seconds);
  }
  return [...files].map(([file, seconds]) => ({ file, seconds }))
    .sort((a, b) => b.seconds - a.seconds).slice(0, count);
}

function outcomeOf(head: string, rest: string): TestCase["outcome"] {
  if (/^\s*<error message="Cancelled"/.test(rest)) return "cancelled";
  const element = /^\s*<(failure|error|skipped)\b/.exec(rest)?.[1];
  if (element === undefined) return "passed";
  return element === "skipped" && REASON.test(head) ? "skipped" : "failed";
}

/** Counts cases. Those that were cancelled failed. */
export function countCases(cases: readonly TestCase[]): TestCounts {
  const count = (...outcomes: TestCase["outcome"][]) =>
    cases.filter(({ outcome }) => outcomes.includes(outcome)).length;
  return {
    passed: count("passed"),
    failed: count("failed", "cancelled"),
    skipped: count("skipped"),
  };
}

/**
 * Returns the paths of the modules that failed outside a test or could not be loaded, each once, as they
 * are in the output of `deno test`. They are not in its report.
 */
export function findUncaughtErrors(output: string): string[] {
  // deno-lint-ignore no-control-regex -- colours
  const plain = output.replace(/\x1b\[[0-9;]*m/g, "");
  const paths = [...plain.matchAll(/^(\S+) \(uncaught error\)$/gm)].map(([, path = ""]) => path);
  return [...new Set(paths)];
}

/** Files whose tests an error outside a test has ended, because one module imports all of them. */
export interface LostFiles {
  /** The file whose test ran at that time; undefined if the error came before the first test. */
  readonly during: string | undefined;
  /** Files with a test that did not run to its end. */
  readonly files: readonly string[];
}

/**
 * Finds the files of a group that have not run to their end.
 *
 * @param files files of the group, in the order of their tests
 * @param cases of all files
 */
export function findLostFiles(files: readonly string[], cases: readonly TestCase[]): LostFiles {
  const reported = new Set(cases.map(({ file }) => file));
  const cancelled = cases.filter(({ outcome }) => outcome === "cancelled").map(({ file }) => file);
  return {
    during: files.find((file) => cancelled.includes(file)),
    files: files.filter((file) => cancelled.includes(file) || !reported.has(file)),
  };
}

/** Formats the last line of a run. */
export function formatSummary({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
