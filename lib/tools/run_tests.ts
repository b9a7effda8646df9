/**
 * Runs the tests and prints one last line with the counts: `N passed, N failed`.
 *
 * The arguments name tiers (`unit`, `machine`, `faults`, `browser`, `bundle`), folders below `tests/`
 * or files. Without arguments it runs the unit, machine and faults tiers. The tier of a test file:
 *
 * - `faults`, `browser`, `bundle`: the folder below `tests/` that it is in.
 * - `machine`: it, or a module that it imports, starts a process, a Worker or a server.
 * - `unit`: all others. They run without permission for the network, for processes and for native
 *   libraries. The examples in the comments of `lib` and `plugins` belong to this tier.
 *
 * Files run in parallel, except those that disturb other tests or measure what other tests disturb.
 * Unit tests run in a few groups of files: `deno test` needs 0.12 s of CPU for each module that it is
 * given (Deno 2.9.6), which is more than most of the files need. So a unit test must not change globals.
 */
import { pathToFileURL } from "node:url";

/** Names of the tiers, in the order in which they run. */
export const TIERS = ["unit", "machine", "faults", "browser", "bundle"] as const;
/** A tier of the tests. */
export type TestTier = (typeof TIERS)[number];

/** Tiers that run only when they are named: one needs a browser, one runs other tests again. */
const ONLY_IF_NAMED: readonly TestTier[] = ["browser", "bundle"];
/**
 * Files and folders that run one after the other. The hostile plugins take the processor and memory of
 * other tests; the last three measure the memory or the child processes of the runner.
 */
const SEQUENTIAL = [
  "tests/faults/hostile_",
  "tests/browser/",
  "tests/plugin/cell/cell_memory_test.ts",
  "tests/plugin/cell/sql_runner_test.ts",
  "tests/plugins/db_file_test.ts",
];
/** Folders and files whose `@example` blocks run as tests. */
export const DOCUMENTED: readonly string[] = [
  "lib/base",
  "lib/http",
  "lib/auth/capability.ts",
  "plugins/kit",
];
/** What starts a process, a Worker or a server. */
const STARTS = /\bDeno\.(?:Command|serve|listen\w*|connect\w*)\b|\bnew Worker\(/;
/** Static and dynamic imports of modules of the project, and Workers' addresses; not `import type`. */
const IMPORTS =
  /^(?:import|export)\b(?! type\b)[^;"']*"(\.{1,2}\/[^"]+\.ts)"|\b(?:import|new URL)\("(\.{1,2}\/[^"]+\.ts)"/gm;
/** Groups of unit tests; with fewer files each file runs on its own. */
const GROUPS = 8;
/** A skipped test has the reason in its name, in this form. */
const REASON = /\(skipped: .+\)/;

/** Results of a run. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/**
 * Counts the cases of a JUnit report, steps included. An ignored test without a reason in its name,
 * such as `(skipped: sqlite3 is not installed)`, counts as failed.
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
 * Counts the test files that failed outside a test or could not be loaded. They are in the output of
 * `deno test`, and not in its report.
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

/** Reads a file of the project, such as `tests/config_test.ts`; undefined if there is no such file. */
export type ReadFile = (path: string) => string | undefined;

/** Returns a function that finds the tier of a file; it reads each module once. */
export function createTierOf(read: ReadFile): (file: string) => TestTier {
  const starts = new Map<string, boolean>();
  const imports = new Map<string, string[]>();

  function load(path: string): void {
    const text = (read(path) ?? "").replace(/^\s*(?:\*|\/\/|\/\*).*$/gm, "");
    starts.set(path, STARTS.test(text));
    imports.set(
      path,
      [...text.matchAll(IMPORTS)].map(([, first, second]) =>
        new URL(first ?? second ?? "", `file:///${path}`).pathname.slice(1)
      ),
    );
  }

  return function tierOf(file) {
    const named = TIERS.find((tier) => file.startsWith(`tests/${tier}/`));
    if (named !== undefined) return named;
    const reached = new Set([file]);
    for (const path of reached) {
      if (!imports.has(path)) load(path);
      if (starts.get(path)) return "machine";
      for (const imported of imports.get(path) ?? []) reached.add(imported);
    }
    return "unit";
  };
}

/** Test files that run together. */
export interface Batch {
  readonly tier: TestTier;
  readonly parallel: boolean;
  /** Whether the examples in the comments of these files run, in place of the files' tests. */
  readonly examples: boolean;
  readonly files: readonly string[];
}

/** Groups the files of a run into batches, in the order in which they run. */
export function planBatches(files: readonly string[], tierOf: (file: string) => TestTier): Batch[] {
  const sequential = (file: string) => SEQUENTIAL.some((name) => file.startsWith(name));
  const isTest = (file: string) => file.startsWith("tests/");
  return TIERS.flatMap((tier): Batch[] => {
    const own = files.filter((file) => isTest(file) ? tierOf(file) === tier : tier === "unit");
    const tests = own.filter(isTest);
    const examples = own.filter((file) => !isTest(file));
    return [
      { tier, parallel: true, examples: false, files: tests.filter((file) => !sequential(file)) },
      { tier, parallel: false, examples: false, files: tests.filter(sequential) },
      { tier, parallel: true, examples: true, files: examples },
    ];
  }).filter((batch) => batch.files.length > 0);
}

/**
 * Selects the files that the arguments name.
 *
 * @param files all test files, and the modules whose examples run as tests
 * @param args tiers, folders and files; empty for the tiers that run without being named
 */
export function selectFiles(
  files: readonly string[],
  args: readonly string[],
  tierOf: (file: string) => TestTier,
): string[] {
  const tier = (file: string) => file.startsWith("tests/") ? tierOf(file) : "unit";
  if (args.length === 0) return files.filter((file) => !ONLY_IF_NAMED.includes(tier(file)));
  const names = args.map((arg) => arg.replace(/^\.\//, "").replace(/\/$/, ""));
  return files.filter((file) =>
    names.some((name) =>
      name === tier(file) || file === name || file.startsWith(`${name}/`) ||
      file.startsWith(`tests/${name}/`)
    )
  );
}

async function filesBelow(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) found.push(...await filesBelow(path));
    else found.push(path);
  }
  return found.sort();
}

/** All test files, and the modules whose examples run as tests. */
async function testFiles(read: ReadFile): Promise<string[]> {
  const tests = (await filesBelow("tests")).filter((file) => file.endsWith("_test.ts"));
  const modules = [...await filesBelow("lib"), ...await filesBelow("plugins")].filter((file) =>
    file.endsWith(".ts") &&
    DOCUMENTED.some((name) => file === name || file.startsWith(`${name}/`)) &&
    read(file)?.includes("* @example")
  );
  return [...tests, ...modules];
}

/** Permissions of a tier: a unit test may not use the network, processes and native libraries. */
function permissions(tier: TestTier): string[] {
  return tier === "unit"
    ? ["--allow-all", "--deny-net", "--deny-run", "--deny-ffi"]
    : ["--allow-all"];
}

/**
 * Writes one module per group, which imports the files of the group.
 *
 * @param folder folder for the modules
 * @returns the paths of the modules, or the files themselves if they are few
 */
export async function groupFiles(files: readonly string[], folder: string): Promise<string[]> {
  if (files.length <= GROUPS) return [...files];
  const groups: string[] = [];
  for (let at = 0; at < GROUPS; at++) {
    const imports = files.filter((_, i) => i % GROUPS === at).map((file) =>
      `import ${JSON.stringify(pathToFileURL(file).href)};\n`
    );
    const path = `${folder}/unit_${at + 1}.ts`;
    await Deno.writeTextFile(path, imports.join(""));
    groups.push(path);
  }
  return groups;
}

async function runBatch({ tier, parallel, examples, files }: Batch): Promise<TestCounts> {
  const folder = await Deno.makeTempDir({ prefix: "elastik-tests-" });
  const report = `${folder}/report.xml`;
  // A server under test has the settings that its test gives, not those of the developer's shell.
  const env = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("ELASTIK_"));
  const colour = Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR");
  try {
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "test",
        "--config=deno.json",
        ...permissions(tier),
        "--no-check",
        // The lock file has the packages of the server only; those of the tests are not in it.
        "--no-lock",
        ...(examples ? ["--doc"] : []),
        ...(parallel ? ["--parallel"] : []),
        `--junit-path=${report}`,
        ...(tier === "unit" && !examples ? await groupFiles(files, folder) : files),
      ],
      clearEnv: true,
      env: { ...Object.fromEntries(env), ...(colour ? { FORCE_COLOR: "1" } : {}) },
      stdout: "piped",
    }).spawn();
    const broken = countUncaughtErrors(await copyToStdout(child.stdout));
    const { success, code, signal } = await child.status;
    const counts = countCases(await Deno.readTextFile(report));
    const failed = counts.failed + broken;
    if (success) return { ...counts, failed };
    if (failed === 0) {
      const end = signal === null ? `code ${code}` : `signal ${signal}`;
      console.error(`Cannot finish the ${tier} tests: deno test ended with ${end}`);
    }
    return { ...counts, failed: Math.max(1, failed) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Copies a stream to standard output and returns its text. */
async function copyToStdout(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of stream) {
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
    text += decoder.decode(bytes, { stream: true });
  }
  return text;
}

/** Reads a file below the current folder. An import in a string may name a file that does not exist. */
function readProject(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

if (import.meta.main) {
  const tierOf = createTierOf(readProject);
  const files = selectFiles(await testFiles(readProject), Deno.args, tierOf);
  if (files.length === 0) console.error(`Cannot find tests for ${Deno.args.join(" ")}`);
  let total: TestCounts = { passed: 0, failed: files.length === 0 ? 1 : 0, skipped: 0 };
  for (const batch of planBatches(files, tierOf)) {
    const start = performance.now();
    const counts = await runBatch(batch);
    const seconds = Math.round((performance.now() - start) / 1000);
    console.log(
      `${batch.tier}${batch.examples ? " examples" : ""}: ${formatSummary(counts)} (${seconds} s)`,
    );
    total = {
      passed: total.passed + counts.passed,
      failed: total.failed + counts.failed,
      skipped: total.skipped + counts.skipped,
    };
  }
  console.log(formatSummary(total));
  Deno.exit(total.failed === 0 ? 0 : 1);
}
