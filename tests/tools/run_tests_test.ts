import {
  countCases,
  countJobs,
  countUncaughtErrors,
  createTierOf,
  formatSummary,
  groupFiles,
  LONGEST,
  planStages,
  selectFiles,
  SEQUENTIAL,
  TEST_STORE_WORKER,
} from "../../lib/tools/run_tests.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { TEST_STORE_WORKER as VARIABLE_OF_TESTS } from "../support/store_worker.ts";

const CASE = '<testcase name="a &gt; b" classname="x" time="0" line="1" col="1">';

function report(...insides: string[]): string {
  return insides.map((inside) => `${CASE}\n  ${inside}\n</testcase>`).join("\n");
}

Deno.test("countCases() counts passed, failed and erroneous cases", () => {
  const text = report("", '<failure message="no">no</failure>', "", '<error message="x"></error>');
  assertEquals(countCases(text), { passed: 2, failed: 2, skipped: 0 });
  assertEquals(countCases(""), { passed: 0, failed: 0, skipped: 0 });
});

Deno.test("countCases() counts a skipped test as failed unless its name has the reason", () => {
  assertEquals(countCases(report("<skipped/>")), { passed: 0, failed: 1, skipped: 0 });
  const excused = report("<skipped/>").replace("a &gt; b", "a (skipped: no sqlite3)");
  assertEquals(countCases(excused), { passed: 0, failed: 0, skipped: 1 });
});

Deno.test("countCases() ignores a message that looks like a case", () => {
  const text = report('<failure message="&lt;testcase ">&lt;skipped/&gt;</failure>');
  assertEquals(countCases(text), { passed: 0, failed: 1, skipped: 0 });
});

Deno.test("countUncaughtErrors() counts each file once, with and without colours", () => {
  const plain = "\n FAILURES \n\n./tests/a_test.ts (uncaught error)\nx ... ok\n";
  assertEquals(countUncaughtErrors(plain), 1);
  assertEquals(
    countUncaughtErrors(`${plain}\x1b[0m./tests/b_test.ts (uncaught error)\x1b[0m\n${plain}`),
    2,
  );
  assertEquals(countUncaughtErrors("a test about (uncaught error) ... ok\n"), 0);
});

Deno.test("formatSummary() names the skipped tests only if there are any", () => {
  assertEquals(formatSummary({ passed: 3, failed: 1, skipped: 0 }), "3 passed, 1 failed");
  assertEquals(
    formatSummary({ passed: 3, failed: 0, skipped: 2 }),
    "3 passed, 0 failed, 2 skipped",
  );
});

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
    assertEquals(await groupFiles(["tests/a_test.ts"], folder, 8), ["tests/a_test.ts"]);
    const files = Array.from({ length: 21 }, (_, i) => `tests/${i}_test.ts`);
    const long = LONGEST.slice(0, 2);
    const [first, second, ...groups] = await groupFiles([...files, ...long], folder, 8);
    assertEquals([[first, second], groups.length], [long, 8]);
    const texts = await Promise.all(groups.map((path) => Deno.readTextFile(path)));
    const imported = texts.join("").matchAll(/^import "file:\/\/\/.*\/(tests\/\d+_test\.ts)";$/gm);
    assertEquals([...imported].map(([, file = ""]) => file).sort(), files.sort());
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
