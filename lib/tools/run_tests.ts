/**
 * Runs the tests and prints a summary: `N passed, N failed`. Most files run in parallel; tests that
 * kill processes or measure time run alone afterwards. Arguments select folders below `tests/` or
 * files.
 */

/**
 * Tests that would disturb others or be disturbed, and so run alone. The last two inspect all
 * processes that the runner has started.
 */
const ALONE = [
  "tests/faults/",
  "tests/browser/",
  "tests/plugin/cell/sql_runner_test.ts",
  "tests/plugins/db_file_test.ts",
];
/**
 * Folders that run only if selected: one needs a browser, the other runs tests again in a bundle.
 */
const ON_REQUEST = ["browser", "bundle"] as const;
/** The reason in the name of an ignored test. */
const REASON = /\(skipped: .+\)/;

/** Result counts of a run. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/**
 * Counts the cases of a JUnit report, including steps. An ignored test without a reason in its
 * name, `(skipped: no sqlite3 here)`, counts as failed.
 */
export function countCases(report: string): TestCounts {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (
    const [, head = "", rest = ""] of report.matchAll(/<testcase ([^>]*)>([\s\S]*?)<\/testcase>/g)
  ) {
    const outcome = /^\s*<(failure|error|skipped)\b/.exec(rest)?.[1];
    if (outcome === undefined) counts.passed += 1;
    else if (outcome === "skipped" && REASON.test(head)) counts.skipped += 1;
    else counts.failed += 1;
  }
  return counts;
}

/**
 * Counts the test files that failed outside a test or could not be loaded. Deno prints them, but
 * its report omits them.
 */
export function countUncaughtErrors(output: string): number {
  // deno-lint-ignore no-control-regex -- colours
  const plain = output.replace(/\x1b\[[0-9;]*m/g, "");
  return new Set(plain.match(/^\S+ \(uncaught error\)$/gm)).size;
}

/** Formats the last line of a run. */
export function formatSummary({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/** Splits the test files of a run into the batches in which they run. */
export function planBatches(files: readonly string[]): { parallel: boolean; files: string[] }[] {
  const alone = (file: string) => ALONE.some((name) => file.startsWith(name));
  return [
    { parallel: true, files: files.filter((file) => !alone(file)) },
    { parallel: false, files: files.filter(alone) },
  ].filter((batch) => batch.files.length > 0);
}

/**
 * Selects the test files that the command line names.
 *
 * @param files all test files
 * @param args folders below `tests/` or files; none for all except those on request
 */
export function selectFiles(files: readonly string[], args: readonly string[]): string[] {
  if (args.length === 0) {
    return files.filter((file) => !ON_REQUEST.some((folder) => inFolder(file, folder)));
  }
  const selected = args.map((arg) => arg.replace(/^\.\//, "").replace(/\/$/, ""));
  return files.filter((file) =>
    selected.some((name) => file === name || file.startsWith(`${name}/`) || inFolder(file, name))
  );
}

function inFolder(file: string, name: string): boolean {
  return file.startsWith(`tests/${name}/`);
}

async function testFiles(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) found.push(...await testFiles(path));
    else if (entry.name.endsWith("_test.ts")) found.push(path);
  }
  return found.sort();
}

async function runBatch(parallel: boolean, files: readonly string[]): Promise<TestCounts> {
  const report = await Deno.makeTempFile({ prefix: "elastik-tests-", suffix: ".xml" });
  // A server under test has only the settings of its test, not those of the shell.
  const env = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("ELASTIK_"));
  const colour = Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR");
  try {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "test",
        "--allow-all",
        "--no-check",
        // Packages that only tests import are not in the lock file; otherwise every start would
        // download them.
        "--no-lock",
        ...(parallel ? ["--parallel"] : []),
        `--junit-path=${report}`,
        ...files,
      ],
      clearEnv: true,
      env: { ...Object.fromEntries(env), ...(colour ? { FORCE_COLOR: "1" } : {}) },
      stdout: "piped",
    }).spawn();
    const broken = countUncaughtErrors(await passOn(child.stdout));
    const { success, code, signal } = await child.status;
    const counts = countCases(await Deno.readTextFile(report));
    const failed = counts.failed + broken;
    if (success) return { ...counts, failed };
    if (failed === 0) {
      console.error(`The test runner ended ${signal === null ? `with ${code}` : `by ${signal}`}`);
    }
    return { ...counts, failed: Math.max(1, failed) };
  } finally {
    await Deno.remove(report);
  }
}

/** Prints a stream as it arrives and returns its text. */
async function passOn(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of stream) {
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
    text += decoder.decode(bytes, { stream: true });
  }
  return text;
}

if (import.meta.main) {
  const files = selectFiles(await testFiles("tests"), Deno.args);
  if (files.length === 0) console.error(`No tests for ${Deno.args.join(" ")}`);
  let total: TestCounts = { passed: 0, failed: files.length === 0 ? 1 : 0, skipped: 0 };
  for (const batch of planBatches(files)) {
    const counts = await runBatch(batch.parallel, batch.files);
    total = {
      passed: total.passed + counts.passed,
      failed: total.failed + counts.failed,
      skipped: total.skipped + counts.skipped,
    };
  }
  console.log(formatSummary(total));
  Deno.exit(total.failed === 0 ? 0 : 1);
}
