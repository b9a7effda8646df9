/**
 * Runs the tests and prints one last line with the counts: `N passed, N failed`.
 *
 * The arguments name tiers (`unit`, `machine`, `faults`, `browser`, `bundle`), folders below `tests/`
 * or files; `all` names all tiers. Without arguments it runs the unit, machine and faults tiers. The tier
 * of a test file:
 *
 * - `faults`, `browser`, `bundle`: the folder below `tests/` that it is in.
 * - `machine`: it, or a module that it imports, starts a process, a Worker or a server.
 * - `unit`: all others. They run without permission for the network, for processes and for native
 *   libraries. The examples in the comments of `lib` and `plugins` belong to this tier.
 *
 * Files run in parallel, except those that measure what other tests disturb: at the same time, only one
 * of these runs. The same holds for the tests of the browser, which leave a processor idle half of the
 * time. The parallel files run in groups of files, one isolate for each group: `deno test` needs 0.12 s of CPU for each
 * module that it is given, and 0.3 s if it imports the server (Deno 2.9.6). So a test must not change
 * globals. An error outside a test ends all files of its group: those that it has ended run again, each in
 * an isolate of its own.
 */
import { pathToFileURL } from "node:url";
import {
  countCases,
  describeFailures,
  findLongest,
  findLostFiles,
  findUncaughtErrors,
  formatSummary,
  readCases,
  type TestCase,
  type TestCounts,
} from "./test_report.ts";

/** Names of the tiers, in the order in which they run. */
export const TIERS = ["unit", "machine", "faults", "browser", "bundle"] as const;
/** A tier of the tests. */
export type TestTier = (typeof TIERS)[number];

/** Tiers that run only when they are named, also by `all`: one needs a browser, one runs other tests again. */
const ONLY_IF_NAMED: readonly TestTier[] = ["browser", "bundle"];
/**
 * Files that run longest, 18 s or more. They start first, in this order, each in a group of its own: a
 * long file at the end would leave the other processors idle.
 */
export const LONGEST: readonly string[] = [
  "tests/cluster/faults_test.ts",
  "tests/cluster/patroni_test.ts",
  "tests/cluster/wrong_setups_test.ts",
  "tests/project/readme_test.ts",
  "tests/faults/hostile_process_test.ts",
  "tests/security/settings_fail_closed_test.ts",
  "tests/plugins/reality_seed_test.ts",
  "tests/faults/long_jobs_test.ts",
  "tests/faults/model_streams_test.ts",
  "tests/tools/bundle_test.ts",
  "tests/plugins/gpu_failure_test.ts",
  "tests/project/url_run_test.ts",
  "tests/faults/numbering_test.ts",
  "tests/faults/kill_test.ts",
  "tests/tools/compile_test.ts",
  "tests/faults/model_failures_test.ts",
  "tests/faults/hostile_fallback_test.ts",
  "tests/dav/methods/proppatch_test.ts",
  "tests/dav/clients_test.ts",
  "tests/plugin/lifecycle_restart_test.ts",
  "tests/plugin/lifecycle_steps_test.ts",
  "tests/plugins/gpu_authority_test.ts",
  "tests/plugins/gpu_answer_test.ts",
];
/**
 * Files and folders that run one after the other. The files measure memory, which grows further if the
 * garbage collector waits for a processor, or the child processes of the runner.
 */
export const SEQUENTIAL: readonly string[] = [
  "tests/browser/",
  "tests/plugin/cell/cell_memory_test.ts",
  "tests/plugin/cell/sql_runner_test.ts",
  "tests/plugins/db_file_test.ts",
  "tests/plugins/reality_weight_test.ts",
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
/** Files whose time a run prints at its end, those that ran longest, to keep the list above true. */
const LONGEST_PRINTED = 30;
/** Groups of unit tests. */
const UNIT_GROUPS = 8;
/** Groups of the files that share a database server, which each group starts once: 2.2 s of CPU. */
const SERVER_GROUPS = 5;
/** What a file calls that shares the server of its group. */
const SHARES_SERVER = /^const \w+ = sharedServer\(\);$/m;
/** Groups of other tests: more, because the times of their files differ more. */
const GROUPS = 40;
/**
 * Groups that run at the same time for each processor, the browser counted as one. Many tests wait for a
 * process or a time limit.
 */
const JOBS_PER_PROCESSOR = 2;
/**
 * Environment variable with the URL of the store's Worker in one file. Deno compiles every module of a
 * Worker again: 66 ms of CPU for each Worker, and 38 ms if its modules are bundled (Deno 2.9.6). A server
 * has five, and the tests start some thousand.
 */
export const TEST_STORE_WORKER = "TEST_STORE_WORKER";
/** Path of a group module before the name of a test; there may be colours around it. */
// deno-lint-ignore no-control-regex -- colours
const GROUP_PATH = /[^\s\x1b]*\/elastik-tests-[0-9a-f]+\/group_\d+\.ts => /g;
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

/** Test files that one `deno test` runs. */
export interface Batch {
  readonly tiers: readonly TestTier[];
  /** Whether groups of files run at the same time. */
  readonly parallel: boolean;
  /** Whether the examples in the comments of these files run, in place of the files' tests. */
  readonly examples: boolean;
  readonly files: readonly string[];
}

/** Batches that run one after the other, each in a process of its own. */
export type Lane = readonly Batch[];

/** Groups the files of a run into stages, which run one after the other; their lanes run at the same time. */
export function planStages(
  files: readonly string[],
  tierOf: (file: string) => TestTier,
): Lane[][] {
  const isTest = (file: string) => file.startsWith("tests/");
  const tests = files.filter(isTest);
  const alone = tests.filter((file) => SEQUENTIAL.some((name) => file.startsWith(name)));
  const parallel = tests.filter((file) => !alone.includes(file));
  const batch = (tiers: readonly TestTier[], some: readonly string[]): Batch => {
    const own = some.filter((file) => tiers.includes(tierOf(file)));
    return {
      tiers: tiers.filter((tier) => own.some((file) => tierOf(file) === tier)),
      parallel: some === parallel,
      examples: false,
      files: own,
    };
  };
  const examples: Batch = {
    tiers: ["unit"],
    parallel: true,
    examples: true,
    files: files.filter((file) => !isTest(file)),
  };
  const stages: readonly (readonly Lane[])[] = [
    [[batch(["unit"], parallel)], [batch(["unit"], alone)], [examples]],
    [
      [batch(["machine", "faults"], parallel)],
      [batch(["machine", "faults"], alone), batch(["bundle"], tests)],
      [batch(["browser"], alone)],
    ],
  ];
  return stages.map((stage) =>
    stage.map((lane) => lane.filter((some) => some.files.length > 0))
      .filter((lane) => lane.length > 0)
  ).filter((stage) => stage.length > 0);
}

/**
 * Number of groups of a parallel batch that run at the same time.
 *
 * @param stage its lane, and those that run at the same time
 * @param processors processors of the computer
 */
export function countJobs(stage: readonly Lane[], processors: number): number {
  const tiers = new Set(stage.flat().flatMap((batch) => batch.tiers));
  if (tiers.has("unit")) return processors;
  return processors * JOBS_PER_PROCESSOR - (tiers.has("browser") ? 1 : 0);
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
  if (args.includes("all")) return [...files];
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
function permissions(tiers: readonly TestTier[]): string[] {
  return tiers.includes("unit")
    ? ["--allow-all", "--deny-net", "--deny-run", "--deny-ffi"]
    : ["--allow-all"];
}

/** Modules that one `deno test` gets. */
export interface Groups {
  /** Paths of the modules of groups, or of the files if there are few, in the order of their start. */
  readonly modules: readonly string[];
  /** The files of each group, by the name of its module. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
}

/**
 * Writes one module per group, which imports the files of the group.
 *
 * @param folder folder for the modules
 * @param count number of groups, besides the files that run longest and those that share a server
 * @param read reads a file, to find out whether it shares a server
 */
export async function groupFiles(
  files: readonly string[],
  folder: string,
  count: number,
  read: ReadFile,
): Promise<Groups> {
  const groups = new Map<string, readonly string[]>();
  if (files.length <= count) return { modules: files, groups };
  const others = files.filter((file) => !LONGEST.includes(file));
  // Modules in other folders start in another order than the one in which `deno test` gets them
  // (Deno 2.9.6), so each of the files that run longest has a module here too.
  const longest = LONGEST.filter((file) => files.includes(file)).map((file) => [file]);
  const modules: string[] = [];
  const sharing = others.filter((file) => SHARES_SERVER.test(read(file) ?? ""));
  const alone = others.filter((file) => !sharing.includes(file));
  const shared = spread(deal(sharing, SERVER_GROUPS), deal(alone, count));
  for (const own of [...longest, ...shared]) {
    const imports = own.map((file) => `import ${JSON.stringify(pathToFileURL(file).href)};\n`);
    const name = `group_${groups.size + 1}.ts`;
    await Deno.writeTextFile(`${folder}/${name}`, imports.join(""));
    groups.set(name, own);
    modules.push(`${folder}/${name}`);
  }
  return { modules, groups };
}

/** Spreads groups evenly among others, so that few of them run at the same time. */
function spread(some: readonly string[][], others: readonly string[][]): readonly string[][] {
  if (some.length === 0) return others;
  const step = Math.ceil(others.length / some.length);
  return some.flatMap((own, i) => [own, ...others.slice(i * step, (i + 1) * step)]);
}

/** Deals files into groups of nearly the same size, none of which is empty. */
function deal(files: readonly string[], count: number): string[][] {
  return Array.from({ length: count }, (_, at) => files.filter((_, i) => i % count === at))
    .filter((own) => own.length > 0);
}

/**
 * Bundles the store's Worker for the tests, unless there are so few that this would take longer.
 *
 * @param files of the run, without unit tests
 * @returns variables for the tests
 */
async function bundleStoreWorker(
  files: readonly string[],
  folder: string,
): Promise<Record<string, string>> {
  if (files.length <= GROUPS) return {};
  const output = `${folder}/store_worker.js`;
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--output", output, "lib/world/worker/worker_main.ts"],
  }).spawn().status;
  // Without the bundler, which Deno downloads, the tests take longer.
  return success ? { [TEST_STORE_WORKER]: pathToFileURL(output).href } : {};
}

/** Result of a batch. */
export interface BatchResult extends TestCounts {
  /** The cases that failed, one line for each. */
  readonly failures: readonly string[];
}

/** How the batches of a stage run. */
export interface RunOptions {
  /** Environment variables in addition to those of the runner. */
  readonly variables: Readonly<Record<string, string>>;
  /** Groups that run at the same time, if the batch is parallel. */
  readonly jobs: number;
  /** Whether to print the output as it arrives, and not at the end. */
  readonly live: boolean;
}

/**
 * Runs a batch and prints its result. Files that an error outside a test in another file of their group
 * has ended run again, each on its own. That error counts as one failure, also if it does not occur again.
 */
export async function runBatch(batch: Batch, options: RunOptions): Promise<BatchResult> {
  const { tiers, parallel, examples, files } = batch;
  const start = performance.now();
  const folder = await Deno.makeTempDir({ prefix: "elastik-tests-" });
  try {
    const { modules, groups } = parallel && !examples
      ? await groupFiles(
        files,
        folder,
        tiers.includes("unit") ? UNIT_GROUPS : GROUPS,
        readProject,
      )
      : { modules: files, groups: NO_GROUPS };
    const run = await runModules(modules, batch, options, folder);
    const ended = run.uncaught.map((path) => groups.get(path.replace(/^.*\//, "")))
      .filter((own) => own !== undefined);
    const lost: string[] = [];
    const again = ended.flatMap((own) => {
      const { during, files } = findLostFiles(own, run.cases);
      const where = during === undefined ? "before the first test" : `during ${during}`;
      const fault = `An error outside a test ended a group of tests ${where}: ${files.join(", ")}`;
      console.error(fault);
      lost.push(`Failed: ${fault}`);
      return files;
    });
    const first = run.cases.filter(({ file }) => !again.includes(file));
    let counts = countCases(first);
    const failures = describeFailures(first);
    let uncaught = ended.length;
    if (again.length > 0) {
      console.error("These files run again, each on its own:");
      const second = await runModules(again, batch, options, folder);
      counts = addCounts(counts, countCases(second.cases));
      failures.push(...describeFailures(second.cases));
      // The same error may come again when its file runs on its own. It counts once.
      uncaught = Math.max(uncaught, second.uncaught.length);
    }
    uncaught += run.uncaught.length - ended.length;
    counts = addCounts(counts, { passed: 0, failed: uncaught, skipped: 0 });
    if (run.end !== undefined && counts.failed === 0) {
      console.error(
        `Cannot finish the tests of ${tiers.join(", ")}: deno test ended with ${run.end}`,
      );
      counts = { ...counts, failed: 1 };
    }
    const seconds = Math.round((performance.now() - start) / 1000);
    const what = tiers.join(", ") + (examples ? " examples" : "");
    const longest = findLongest(run.cases, LONGEST_PRINTED).filter(({ seconds }) => seconds >= 1);
    for (const { file, seconds } of longest) {
      console.log(`${seconds.toFixed(0).padStart(6)} s ${file}`);
    }
    console.log(`${what}: ${formatSummary(counts)} (${seconds} s)`);
    return { ...counts, failures: [...lost, ...failures] };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const NO_GROUPS: ReadonlyMap<string, readonly string[]> = new Map();

/** What a run of `deno test` has reported. */
interface ModuleRun {
  readonly cases: readonly TestCase[];
  /** Modules that failed outside a test. */
  readonly uncaught: readonly string[];
  /** How the process ended, unless with success. */
  readonly end: string | undefined;
}

/** Runs `deno test` with modules of a batch. */
async function runModules(
  modules: readonly string[],
  { tiers, parallel, examples }: Batch,
  { variables, jobs, live }: RunOptions,
  folder: string,
): Promise<ModuleRun> {
  const report = await Deno.makeTempFile({ dir: folder, suffix: ".xml" });
  // A server under test has the settings that its test gives, not those of the developer's shell.
  const env = Object.entries(Deno.env.toObject()).filter(([name]) => !name.startsWith("ELASTIK_"));
  const colour = Deno.stdout.isTerminal() && !Deno.env.get("NO_COLOR");
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "test",
      "--config=deno.json",
      ...permissions(tiers),
      "--no-check",
      // The lock file has the packages of the server only; those of the tests are not in it.
      "--no-lock",
      ...(examples ? ["--doc"] : []),
      ...(parallel ? ["--parallel"] : []),
      `--junit-path=${report}`,
      ...modules,
    ],
    clearEnv: true,
    env: {
      ...Object.fromEntries(env),
      ...variables,
      DENO_JOBS: String(jobs),
      ...(colour ? { FORCE_COLOR: "1" } : {}),
    },
    stdout: "piped",
  }).spawn();
  const output = await readOutput(child.stdout, live ? print : () => {});
  if (!live) print(output);
  const { success, code, signal } = await child.status;
  const end = signal === null ? `code ${code}` : `signal ${signal}`;
  return {
    // It is empty if a signal has ended the process.
    cases: readCases(await Deno.readTextFile(report)),
    uncaught: findUncaughtErrors(output),
    end: success ? undefined : end,
  };
}

/** Adds counts. */
function addCounts(a: TestCounts, b: TestCounts): TestCounts {
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
  };
}

/** Prints text without the paths of group modules before the names of tests. */
function print(text: string): void {
  const bytes = new TextEncoder().encode(text.replace(GROUP_PATH, ""));
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

/**
 * Reads the output of a process.
 *
 * @param onLines gets whole lines as they arrive
 * @returns the whole output
 */
async function readOutput(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  onLines: (lines: string) => void,
): Promise<string> {
  let text = "";
  let rest = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    text += piece;
    rest += piece;
    const end = rest.lastIndexOf("\n") + 1;
    onLines(rest.slice(0, end));
    rest = rest.slice(end);
  }
  onLines(rest);
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
  const failures: string[] = [];
  const folder = await Deno.makeTempDir({ prefix: "elastik-tests-" });
  const started = files.filter((file) => file.startsWith("tests/") && tierOf(file) !== "unit");
  const variables = await bundleStoreWorker(started, folder);
  for (const stage of planStages(files, tierOf)) {
    const jobs = countJobs(stage, navigator.hardwareConcurrency);
    const results = await Promise.all(stage.map(async (lane, at) => {
      const done: BatchResult[] = [];
      for (const batch of lane) {
        done.push(await runBatch(batch, { variables, jobs, live: at === 0 }));
      }
      return done;
    }));
    for (const result of results.flat()) total = addCounts(total, result);
    failures.push(...results.flat().flatMap((result) => result.failures));
  }
  await Deno.remove(folder, { recursive: true });
  for (const line of failures) console.log(line);
  console.log(formatSummary(total));
  Deno.exit(total.failed === 0 ? 0 : 1);
}
