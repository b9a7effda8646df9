/** Reads what `deno test` writes about a file of the HTTP suite that runs against a cluster. Not a test itself. */

/** Results of one file or of several: tests and steps. */
export interface SuiteCounts {
  readonly passed: number;
  readonly failed: number;
  /** Those that cannot hold for a cluster. */
  readonly leftOut: number;
}

/** What a file wrote. */
export interface FileReport extends SuiteCounts {
  /** Titles of what was left out, each with its reason. */
  readonly reasons: readonly string[];
  /** Why all requests of some tests went to one server. */
  readonly pinned: readonly string[];
}

/** No result. */
export const NO_COUNTS: SuiteCounts = { passed: 0, failed: 0, leftOut: 0 };

const NUMBER = String.raw`(\d+)`;
const STEPS = String.raw`(?: \((\d+) steps?\))?`;
const SUMMARY = new RegExp(
  `^(?:ok|FAILED) \\| ${NUMBER} passed${STEPS} \\| ${NUMBER} failed${STEPS}` +
    `(?: \\| ${NUMBER} ignored${STEPS})?`,
  "m",
);
/** Lines of `skipInCluster` and names of `oneServerTest` in tests/support/test_server.ts. */
const SKIPPED = /^skipped in a cluster: (.+)$/gm;
const IGNORED = /^(.+) \(skipped in a cluster: (.+)\) \.\.\. ignored/gm;
const PINNED = /^at one server of a cluster: (.+)$/gm;

/**
 * Reads the output of one file.
 *
 * @param output without colours
 * @param hasSucceeded whether the process ended with code 0
 */
export function readFileReport(output: string, hasSucceeded: boolean): FileReport {
  const [, ...counts] = SUMMARY.exec(output) ?? [];
  const [passed, passedSteps, failed, failedSteps, ignored, ignoredSteps] = counts.map((text) =>
    Number(text ?? 0)
  );
  const skipped = [...output.matchAll(SKIPPED)].map(([, text = ""]) => text);
  const titles = [...output.matchAll(IGNORED)].map(([, title, reason]) => `${title}: ${reason}`);
  const failures = sum(failed, failedSteps);
  return {
    // A test that leaves itself counts as passed for the runtime.
    passed: Math.max(0, sum(passed, passedSteps) - skipped.length),
    // An error outside a test is in no count.
    failed: hasSucceeded ? failures : Math.max(1, failures),
    leftOut: sum(ignored, ignoredSteps) + skipped.length,
    reasons: [...titles, ...skipped],
    pinned: [...new Set([...output.matchAll(PINNED)].map(([, reason = ""]) => reason))],
  };
}

/** Adds two results. */
export function addSuiteCounts(one: SuiteCounts, other: SuiteCounts): SuiteCounts {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    leftOut: one.leftOut + other.leftOut,
  };
}

/** Formats a result for a line of output. */
export function formatSuiteCounts({ passed, failed, leftOut }: SuiteCounts): string {
  return `${passed} passed, ${failed} failed, ${leftOut} left out`;
}

function sum(a = 0, b = 0): number {
  return a + b;
}
