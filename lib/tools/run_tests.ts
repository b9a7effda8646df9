/**
 * Runs the tests and says in one last line how many passed: `N passed, N failed`. Most run in parallel;
 * what ends machines by force, or measures them, runs alone afterwards. With names of folders below
 * `tests/`, or of files, it runs these alone.
 */

/**
 * What would disturb other tests, or measures what they disturb, and so takes its turn. The last two
 * look at all processes that the runner has started.
 */
const ALONE = [
  "tests/faults/",
  "tests/browser/",
  "tests/plugin/cell/sql_runner_test.ts",
  "tests/plugins/db_file_test.ts",
];
/** One needs a browser and one runs tests once more, so only a run that asks for them has them. */
const ASKED_FOR = ["browser", "bundle"] as const;
/** How an ignored test says why, in its name. */
const REASON = /\(skipped: .+\)/;

/** What a run came to. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/**
 * Counts the cases of a JUnit report, steps included. A test that is ignored and does not say why in
 * its name, `(skipped: no sqlite3 here)`, counts as failed.
 */
export function countCases(report: string): Counts {
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
 * How many test files of a run broke off outside a test, or could not be loaded at all: the runner
 * says so, and its report does not.
 */
export function brokenOff(output: string): number {
  // deno-lint-ignore no-control-regex -- colours
  const plain = output.replace(/\x1b\[[0-9;]*m/g, "");
  return new Set(plain.match(/^\S+ \(uncaught error\)$/gm)).size;
}

/** The line that ends a run. */
export function summary({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/** The test files of a run, in the batches they run in. */
export function batches(files: readonly string[]): { parallel: boolean; files: string[] }[] {
  const alone = (file: string) => ALONE.some((name) => file.startsWith(name));
  return [
    { parallel: true, files: files.filter((file) => !alone(file)) },
    { parallel: false, files: files.filter(alone) },
  ].filter((batch) => batch.files.length > 0);
}

/** Which of all test files the command line means. */
export function chosen(files: readonly string[], args: readonly string[]): string[] {
  if (args.length === 0) {
    return files.filter((file) => !ASKED_FOR.some((folder) => inFolder(file, folder)));
  }
  const wanted = args.map((arg) => arg.replace(/^\.\//, "").replace(/\/$/, ""));
  return files.filter((file) =>
    wanted.some((name) => file === name || file.startsWith(`${name}/`) || inFolder(file, name))
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

async function runBatch(parallel: boolean, files: readonly string[]): Promise<Counts> {
  const report = await Deno.makeTempFile({ prefix: "elastik-tests-", suffix: ".xml" });
  // A machine under test has the settings its test gives it, not those of whoever runs the tests.
  const env = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("ELASTIK_"));
  const colour = Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR");
  try {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "test",
        "--allow-all",
        "--no-check",
        // What tests alone import is not locked: who starts the machine would fetch it all.
        "--no-lock",
        ...(parallel ? ["--parallel"] : []),
        `--junit-path=${report}`,
        ...files,
      ],
      clearEnv: true,
      env: { ...Object.fromEntries(env), ...(colour ? { FORCE_COLOR: "1" } : {}) },
      stdout: "piped",
    }).spawn();
    const broken = brokenOff(await passOn(child.stdout));
    const { success, code, signal } = await child.status;
    const counts = countCases(await Deno.readTextFile(report));
    const failed = counts.failed + broken;
    if (success) return { ...counts, failed };
    if (failed === 0) {
      console.error(`The runner itself ended ${signal === null ? `with ${code}` : `by ${signal}`}`);
    }
    return { ...counts, failed: Math.max(1, failed) };
  } finally {
    await Deno.remove(report);
  }
}

/** Shows a stream as it comes and remembers its text. */
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
  const files = chosen(await testFiles("tests"), Deno.args);
  if (files.length === 0) console.error(`No tests for ${Deno.args.join(" ")}`);
  let total: Counts = { passed: 0, failed: files.length === 0 ? 1 : 0, skipped: 0 };
  for (const batch of batches(files)) {
    const counts = await runBatch(batch.parallel, batch.files);
    total = {
      passed: total.passed + counts.passed,
      failed: total.failed + counts.failed,
      skipped: total.skipped + counts.skipped,
    };
  }
  console.log(summary(total));
  Deno.exit(total.failed === 0 ? 0 : 1);
}
