import { fileURLToPath } from "node:url";
import {
  countJobs,
  createTierOf,
  groupFiles,
  LONGEST,
  planStages,
  selectFiles,
  SEQUENTIAL,
  TEST_STORE_WORKER,
} from "../../lib/tools/run_tests.ts";
import { runProgram } from "../project/program.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { TEST_STORE_WORKER as VARIABLE_OF_TESTS } from "../support/store_worker.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const SOURCES: Readonly<Record<string, string>> = {
  "tests/config_test.ts": 'import { a } from "../lib/a.ts";',
  "tests/b_test.ts": 'import type { Server } from "../lib/server.ts";\n// Deno.serve()',
  "tests/browser/shell_test.ts": "",
  "tests/bundle/suite_test.ts": "",
  "tests/faults/hostile_test.ts": "",
  "tests/faults/kill_test.ts": "",
  "tests/http/path_test.ts": 'import {\n  a,\n} from "../../lib/c.ts";',
  "tests/plugins/db_file_test.ts": "new Deno.Command(path);",
  "lib/a.ts": 'export { x } from "./missing.ts"; import { y } from "./a.ts";',
  "lib/c.ts": 'await import("./server.ts");',
  "lib/http/path.ts": "",
  "lib/server.ts": "Deno.serve(handler);",
};
const FILES = Object.keys(SOURCES).filter((file) =>
  file.startsWith("tests/") || file === "lib/http/path.ts"
);
const tierOf = createTierOf((path) => SOURCES[path]);

Deno.test("tierOf() follows imports to what starts a process or a server", () => {
  const tiers = FILES.map((file) => `${file} ${tierOf(file)}`);
  assertEquals(tiers, [
    "tests/config_test.ts unit",
    "tests/b_test.ts unit",
    "tests/browser/shell_test.ts browser",
    "tests/bundle/suite_test.ts bundle",
    "tests/faults/hostile_test.ts faults",
    "tests/faults/kill_test.ts faults",
    "tests/http/path_test.ts machine",
    "tests/plugins/db_file_test.ts machine",
    "lib/http/path.ts unit",
  ]);
});

Deno.test("tierOf() finds Workers and listeners, and ignores comments", () => {
  const tier = (text: string) => createTierOf(() => text)("tests/a_test.ts");
  assertEquals(tier("const worker = new Worker(url);"), "machine");
  assertEquals(tier("Deno.listenTls(options);"), "machine");
  assertEquals(tier("await Deno.connect({ port });"), "machine");
  assertEquals(tier("/**\n * Deno.serve() is not called.\n */\n// new Worker()\n"), "unit");
});

Deno.test("selectFiles() selects the browser and the bundle only if they are named", () => {
  const select = (...args: string[]) => selectFiles(FILES, args, tierOf);
  assertEquals(
    select(),
    FILES.filter((file) => !/\/(?:browser|bundle)\//.test(file)),
  );
  assertEquals(select("browser"), ["tests/browser/shell_test.ts"]);
  assertEquals(select("bundle"), ["tests/bundle/suite_test.ts"]);
  assertEquals(select("all"), FILES);
});

Deno.test("selectFiles() accepts tiers, folders, files and paths", () => {
  const select = (...args: string[]) => selectFiles(FILES, args, tierOf);
  assertEquals(select("unit"), ["tests/config_test.ts", "tests/b_test.ts", "lib/http/path.ts"]);
  assertEquals(select("http"), ["tests/http/path_test.ts"]);
  assertEquals(select("tests/http/", "lib"), ["tests/http/path_test.ts", "lib/http/path.ts"]);
  assertEquals(select("./tests/b_test.ts", "faults"), [
    "tests/b_test.ts",
    "tests/faults/hostile_test.ts",
    "tests/faults/kill_test.ts",
  ]);
  assertEquals(select("htt"), []);
});

Deno.test("groupFiles() starts the longest files first, and writes modules that import the others", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const few = await groupFiles(["tests/a_test.ts"], folder, 8, () => "");
    assertEquals([few.modules, few.groups.size], [["tests/a_test.ts"], 0]);
    const files = Array.from({ length: 21 }, (_, i) => `tests/${i}_test.ts`);
    const long = LONGEST.slice(0, 2);
    const { modules, groups } = await groupFiles([...files, ...long], folder, 8, () => "");
    assertEquals(modules, Array.from({ length: 10 }, (_, i) => `${folder}/group_${i + 1}.ts`));
    const [first, second] = long;
    assertEquals([groups.get("group_1.ts"), groups.get("group_2.ts")], [[first], [second]]);
    assertEquals(groups.get("group_4.ts"), [1, 9, 17].map((i) => `tests/${i}_test.ts`));
    const texts = await Promise.all(modules.map((path) => Deno.readTextFile(path)));
    const imported = texts.join("").matchAll(/^import "file:\/\/\/.*\/(tests\/\S+_test\.ts)";$/gm);
    assertEquals([...imported].map(([, file = ""]) => file).sort(), [...files, ...long].sort());
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("deno test starts the modules of groups in their order", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const files = Array.from({ length: 4 }, (_, i) => `${folder}/${i}_test.ts`);
    for (const [i, file] of files.entries()) {
      await Deno.writeTextFile(file, `Deno.test("test ${i}", () => {});`);
    }
    const { modules } = await groupFiles(files, folder, 3, () => "");
    const args = ["test", "--parallel", "--no-check", "--no-lock", ...modules];
    const env = { DENO_JOBS: "1", NO_COLOR: "1" };
    const { stdout } = await runProgram({ command: Deno.execPath(), args, cwd: Deno.cwd(), env });
    const started = [...stdout.matchAll(/^.*test (\d) \.\.\. ok/gm)].map(([, i]) => Number(i));
    assertEquals(started, [0, 3, 1, 2]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("groupFiles() puts the files that share a server into few groups", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const files = Array.from({ length: 40 }, (_, i) => `tests/${i}_test.ts`);
    const sharing = files.slice(3, 18);
    const read = (file: string) => sharing.includes(file) ? "const server = sharedServer();" : "";
    const { modules, groups } = await groupFiles(files, folder, 8, read);
    assertEquals(modules.length, groups.size);
    const found = [...groups.values()].filter((own) => own.some((file) => sharing.includes(file)));
    assertEquals(found.map((own) => own.length), [3, 3, 3, 3, 3]);
    const names = [...groups].filter(([, own]) => found.includes(own)).map(([name]) => name);
    assertEquals(names, [1, 4, 7, 10, 13].map((n) => `group_${n}.ts`), "they are spread");
    assertEquals(found.flat().sort(), sharing.sort());
    assertEquals([...groups.values()].flat().sort(), files.sort());
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("planStages() puts tiers in order, and separates files that cannot run in parallel", () => {
  const found = planStages(FILES, tierOf).map((stage) =>
    stage.map((lane) =>
      lane.map(({ tiers, parallel, examples, files }) =>
        `${tiers}: ${parallel ? "parallel" : "sequential"}${examples ? " examples" : ""} ${files}`
      )
    )
  );
  assertEquals(found, [
    [
      ["unit: parallel tests/config_test.ts,tests/b_test.ts"],
      ["unit: parallel examples lib/http/path.ts"],
    ],
    [
      [
        "machine,faults: parallel tests/faults/hostile_test.ts,tests/faults/kill_test.ts,tests/http/path_test.ts",
      ],
      [
        "machine: sequential tests/plugins/db_file_test.ts",
        "bundle: sequential tests/bundle/suite_test.ts",
      ],
      ["browser: sequential tests/browser/shell_test.ts"],
    ],
  ]);
});

Deno.test("planStages() plans each file once, whatever is named", () => {
  for (
    const names of [[], ["all"], ["unit"], ["browser"], ["lib/http/path.ts"], ["tests/plugins"]]
  ) {
    const files = selectFiles(FILES, names, tierOf);
    const planned = planStages(files, tierOf).flat(2).flatMap((batch) => batch.files);
    assertEquals(planned.sort(), files.sort(), names.join());
  }
});

Deno.test("countJobs() counts the browser as one of the groups that run at the same time", () => {
  const jobs = (...names: string[]) =>
    planStages(selectFiles(FILES, names, tierOf), tierOf).map((stage) => countJobs(stage, 2));
  assertEquals(jobs(), [2, 4]);
  assertEquals(jobs("all"), [2, 3]);
  assertEquals(countJobs([], 8), 16);
});

Deno.test("the lists of files name files that exist", async () => {
  for (const name of [...LONGEST, ...SEQUENTIAL]) {
    assert(await Deno.stat(new URL(`../../${name}`, import.meta.url)), name);
  }
});

Deno.test("the runner sets the variable that the test servers read", () => {
  assertEquals(TEST_STORE_WORKER, VARIABLE_OF_TESTS);
});

/** Runs the runner on a project of these tests, and more of them than groups. */
async function runTests(tests: Readonly<Record<string, string>>) {
  return await withTempFolder(async (cwd) => {
    for (const folder of ["lib", "plugins", "tests"]) await Deno.mkdir(`${cwd}/${folder}`);
    await Deno.writeTextFile(`${cwd}/deno.json`, "{}");
    for (let i = 0; i < 18; i++) {
      const text = tests[i] ?? `Deno.test("test ${i}", () => {});`;
      await Deno.writeTextFile(`${cwd}/tests/${String.fromCharCode(97 + i)}_test.ts`, text);
    }
    const runner = fileURLToPath(new URL("../../lib/tools/run_tests.ts", import.meta.url));
    const args = ["run", "-A", "--no-lock", runner];
    return await runProgram({ command: Deno.execPath(), args, cwd });
  });
}

Deno.test("an error outside a test fails its file, and the files of its group run again", async () => {
  // The files b, j and r are a group.
  const { code, stdout, stderr } = await runTests({
    1: `let rejected = false;
      Deno.test("rejects nothing that is awaited", async () => {
        if (rejected) return;
        rejected = true;
        setTimeout(() => void Promise.reject(new Error("lost")), 1);
        await new Promise((resume) => setTimeout(resume, 5_000));
      });`,
  });
  assertMatch(
    stderr,
    /ended a group of tests during tests\/b_test\.ts: tests\/b_test\.ts, .*r_test\.ts$/m,
  );
  assertMatch(stdout, /^\.\/tests\/b_test\.ts \(uncaught error\)$/m, "its own run names the file");
  assertMatch(stdout, /\/r_test\.ts => test 17 \.\.\. ok/);
  assertMatch(stdout, /^Failed: An error outside a test .* during tests\/b_test\.ts: /m);
  // Of the file b, one case and the error outside of it.
  assertMatch(stdout, /^17 passed, 2 failed$/m);
  assertEquals(code, 1);
});

Deno.test("a file that cannot be loaded fails, and the files of its group run again", async () => {
  const { stdout, stderr } = await runTests({ 10: 'await Promise.reject(new Error("lost"));' });
  assertMatch(stderr, /before the first test: tests\/c_test\.ts, tests\/k_test\.ts$/m);
  assertMatch(stdout, /^\.\/tests\/k_test\.ts \(uncaught error\)$/m);
  assertMatch(stdout, /^17 passed, 1 failed$/m);
});
