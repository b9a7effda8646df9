import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { SETTINGS } from "../../lib/config.ts";
import { PROBLEMS } from "../../lib/http/problem.ts";
import { CORE_ROUTES } from "../../lib/request/core_routes.ts";
import { lowerWorlds } from "../../worlds/mod.ts";
import { ROOT, runProgram } from "./program.ts";
import { blocksOf, missingAnswer, readmeCommands } from "./readme.ts";

/**
 * Modules without a test of their own: what they do shows only in the room they belong to, and the
 * test named here asks that room. A folder stands for all in it that have none.
 */
const TESTED_ELSEWHERE: Readonly<Record<string, string>> = {
  "lib/cli/commands/cell.ts": "tests/plugin/transport/process_transport_test.ts",
  "lib/dav/": "tests/dav/litmus_test.ts",
  "lib/server/boot_worlds.ts": "tests/security/secrets_test.ts",
  "lib/plugin/transport/cell_process.ts": "tests/plugin/transport/process_transport_test.ts",
  "lib/plugin/transport/cell_worker.ts": "tests/plugin/realm_test.ts",
  "lib/plugin/manifest/check_imports.ts": "tests/plugin/manifest/validate_source_test.ts",
  "lib/plugin/wire/rpc_calls.ts": "tests/plugin/cell/cell_test.ts",
  "lib/plugin/transport/choose_transport.ts": "tests/plugin/lifecycle_steps_test.ts",
  "lib/plugin/cell/rate_limit.ts": "tests/faults/hostile_weight_test.ts",
  "lib/plugin/cell/forwarded_request.ts": "tests/plugin/cell/cell_test.ts",
  "lib/plugin/wire/rpc_endpoint.ts": "tests/plugin/cell/cell_test.ts",
  "lib/plugin/realm/": "tests/plugin/realm_test.ts",
  "lib/plugin/cell/cell_errors.ts": "tests/plugin/cell/cell_test.ts",
  "lib/plugin/cell/process_memory.ts": "tests/faults/hostile_weight_test.ts",
  "lib/plugin/manifest/check_imports_worker.ts":
    "tests/plugin/manifest/check_imports_in_worker_test.ts",
  "lib/plugin/transport/worker_permissions.ts": "tests/plugin/traps_test.ts",
  "lib/plugin/transport/worker_transport.ts": "tests/faults/hostile_fallback_test.ts",
  "lib/routes/stream/replay_buffer.ts": "tests/routes/stream/stream_test.ts",
  "lib/routes/stream/collection_feed.ts": "tests/routes/stream/stream_test.ts",
  "lib/dav/router.ts": "tests/dav/litmus_test.ts",
  "lib/response/json_response.ts": "tests/routes/proc/proc_test.ts",
  "lib/routes/handler.ts": "tests/routes/root_folders_test.ts",
  "lib/response/row_listing.ts": "tests/routes/root_folders_test.ts",
  "lib/routes/world_responses.ts": "tests/routes/worlds_read_test.ts",
  "lib/routes/stream/world_feed.ts": "tests/routes/stream/stream_test.ts",
  "lib/world/store/read_through.ts": "tests/world/store/sqlite_store_test.ts",
  "lib/world/store/empty_collections.ts": "tests/world/store/sqlite_store_test.ts",
  "lib/world/store/read_locks.ts": "tests/world/store/sqlite_store_test.ts",
  "lib/world/file/sql.ts": "tests/world/store/sqlite_store_test.ts",
  "lib/world/store/write_plan.ts": "tests/world/store/sqlite_store_test.ts",
  "lib/world/store/worker_pool.ts": "tests/world/store/sqlite_store_test.ts",
  "lib/world/store/unindexed_worlds.ts": "tests/world/store/sqlite_store_test.ts",
  "lib/world/audit_result.ts": "tests/world/worker/reader_test.ts",
  "lib/world/store/records.ts": "tests/world/store/sqlite_store_test.ts",
  "lib/auth/account_sync.ts": "tests/http/manual_test.ts",
};
/** Longer than the house allows, until somebody splits them; none may grow. */
const LONG: Readonly<Record<string, number>> = { "lib/world/store/sqlite_store.ts": 620 };
const LIB_LINES = 400;
const MAIN_LINES = 60;

async function filesBelow(folder: string, prefix = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(`${ROOT}/${folder}/${prefix}`)) {
    if (isDirectory) found.push(...await filesBelow(folder, `${prefix}${name}/`));
    else found.push(`${folder}/${prefix}${name}`);
  }
  return found.sort();
}

async function textsOf(paths: readonly string[]): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const path of paths) texts.set(path, await Deno.readTextFile(`${ROOT}/${path}`));
  return texts;
}

const lib = await textsOf((await filesBelow("lib")).filter((path) => path.endsWith(".ts")));
const tests = await textsOf((await filesBelow("tests")).filter((path) => path.endsWith(".ts")));
const readme = await Deno.readTextFile(`${ROOT}/README.md`);
const settings = lowerWorlds["usr/share/doc/configuration.md"] ?? "";
const example = await Deno.readTextFile(`${ROOT}/.env.example`);
const manual = Object.entries(lowerWorlds)
  .filter(([path]) => path.startsWith("usr/share/doc/") || path.startsWith("usr/lib/skills/"))
  .map(([, text]) => text).join("\n");

Deno.test("every setting is in the README, in the manual and in .env.example", () => {
  for (const name of Object.keys(SETTINGS)) {
    ok(readme.includes(`\`${name}\``), `README.md lacks ${name}`);
    ok(settings.includes(`\`${name}\``), `configuration.md lacks ${name}`);
    ok(example.includes(`${name}=`), `.env.example lacks ${name}`);
  }
});

Deno.test("no document names a setting that does not exist", () => {
  for (const text of [readme, manual, example]) {
    for (const [name] of text.matchAll(/\bELASTIK_[A-Z_]*[A-Z]\b/g)) {
      ok(Object.hasOwn(SETTINGS, name), `${name} is documented and unknown`);
    }
  }
});

Deno.test("every route of the core is in a document", () => {
  for (const route of Object.keys(CORE_ROUTES)) {
    ok(manual.includes(route) || readme.includes(route), `no document tells of ${route}`);
  }
});

Deno.test("every problem type has a page that begins with its status and title", () => {
  for (const [type, { status, title }] of Object.entries(PROBLEMS)) {
    const page = lowerWorlds[`usr/share/doc/problems/${type}.md`];
    ok(page?.startsWith(`# ${status} ${title}\n`), `problems/${type}.md`);
  }
});

Deno.test("every link of the README leads to a file, and every one of the manual to a world", () => {
  for (const [, path = ""] of readme.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
    ok(Deno.statSync(`${ROOT}/${path}`).isFile, path);
  }
  for (const [, path = ""] of manual.matchAll(/\]\(\/([^)#]+)/g)) {
    const there = path.endsWith("/")
      ? Object.keys(lowerWorlds).some((name) => name.startsWith(path))
      : Object.hasOwn(lowerWorlds, path);
    ok(there, path);
  }
});

Deno.test("every page of the manual is named in the README, and its commands are run by a test", () => {
  const named = [...tests].filter(([path]) => /(?:manual|readme)_test\.ts$/.test(path))
    .map(([, text]) => text).join("\n");
  for (const [path, text] of Object.entries(lowerWorlds)) {
    const page = /^usr\/share\/doc\/([^/]+)$/.exec(path)?.[1];
    if (page === undefined) continue;
    ok(readme.includes(`(worlds/${path})`), `README.md does not lead to ${path}`);
    ok(blocksOf(text).length === 0 || named.includes(page), `no test runs what ${page} says`);
  }
});

Deno.test("the index of the documents leads to every page, and the problems' folder", () => {
  const index = lowerWorlds["usr/share/doc/index.md"] ?? "";
  for (const path of Object.keys(lowerWorlds)) {
    const [, page] = /^usr\/share\/doc\/([^/]+)$/.exec(path) ?? [];
    if (page === undefined || page === "index.md") continue;
    ok(index.includes(`(/${path})`), `index.md does not lead to ${page}`);
  }
  ok(index.includes("(/usr/share/doc/problems/)"));
});

Deno.test("every task that a document names exists, and does what its name says", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
  for (const text of [readme, manual]) {
    for (const [, name = ""] of text.matchAll(/\bdeno(?:@[\d.]+)? task ([a-z:]+)/g)) {
      ok(Object.hasOwn(tasks, name), `deno task ${name} is documented and unknown`);
    }
  }
  for (const command of Object.values(tasks)) {
    for (const [path] of String(command).matchAll(/\b[\w/.]+\.ts\b/g)) {
      ok(Deno.statSync(`${ROOT}/${path}`).isFile, path);
    }
  }
});

Deno.test("deno.lock names what machines download, and not what tests do", async () => {
  const { specifiers } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.lock`));
  const runtime = [...lib].filter(([path]) => path.startsWith("lib/deps/"))
    .flatMap(([, text]) => text.match(/npm:[^"]+@\d[^"/]*/g) ?? []);
  const locked = Object.keys(specifiers);
  equal(locked.filter((name) => !runtime.includes(name)), []);
  ok(locked.length > 3, "it locks nothing");
});

Deno.test(".ci/run runs the command by which the README says to test", async () => {
  const ci = await Deno.readTextFile(`${ROOT}/.ci/run`);
  ok(readmeCommands().includes("deno task test"));
  for (const task of ["check", "test", "test:browser", "test:bundle"]) {
    ok(new RegExp(`\\bdeno task ${task}(?![:\\w])`).test(ci), `.ci/run lacks deno task ${task}`);
  }
});

Deno.test("every module of lib and every plugin has a test", async () => {
  const tested = new Set<string>();
  const elsewhere = Object.keys(TESTED_ELSEWHERE);
  for (const [path, text] of tests) {
    if (!path.endsWith("_test.ts")) continue;
    for (const [, specifier = ""] of text.matchAll(/from "([^"]+)"/g)) {
      const from = new URL(specifier, `file:///${path}`).pathname.slice(1);
      if (from.startsWith("lib/")) tested.add(from);
    }
  }
  const untested: string[] = [];
  for (const [path, text] of lib) {
    // Names of packages, and types that vanish: there is nothing to run.
    const runs = /^export (?:async )?(?:function|class|const)\b/m.test(text);
    if (path.startsWith("lib/deps/") || !runs) continue;
    const mirror = path.replace(/^lib\//, "tests/").replace(/\.ts$/, "");
    const own = [...tests.keys()].some((test) =>
      test === `${mirror}_test.ts` || (test.startsWith(`${mirror}_`) && test.endsWith("_test.ts"))
    );
    const excused = elsewhere.some((name) =>
      path === name || (name.endsWith("/") && path.startsWith(name))
    );
    if (!own && !tested.has(path) && !excused) untested.push(path);
  }
  equal(untested, []);
  for (const plugin of await filesBelow("plugins")) {
    const test = `tests/${plugin.replace(/\.ts$/, "_test.ts")}`;
    // The example is what the ways to run and the README are tested with.
    if (!plugin.endsWith(".ts") || plugin === "plugins/example.ts") continue;
    ok(tests.has(test), `${plugin} has no test`);
  }
  for (const [path, test] of Object.entries(TESTED_ELSEWHERE)) {
    ok(tests.has(test), `${path} is said to be tested by ${test}, which is not there`);
  }
});

Deno.test("no file is longer than the house allows", async () => {
  for (const [path, text] of lib) {
    const lines = text.trimEnd().split("\n").length;
    ok(lines <= (LONG[path] ?? LIB_LINES), `${path} has ${lines} lines`);
  }
  const main = await Deno.readTextFile(`${ROOT}/main.ts`);
  ok(main.trimEnd().split("\n").length <= MAIN_LINES);
  const skill = lowerWorlds["usr/lib/skills/elastik.md"] ?? "";
  ok(skill !== "" && skill.split("\n").length < 150);
});

Deno.test("every module of lib says first what it is for", () => {
  for (const [path, text] of lib) ok(/^\/\*\*(?: |\n \* )/.test(text), path);
});

Deno.test("no code opts out of types or puts work off", () => {
  // `any` is the linter's business: texts of hostile plugins may hold what code may not.
  const rules: readonly [RegExp, string][] = [
    [/@ts-(?:ignore|expect-error|nocheck)/, "a silenced type error"],
    // The words that are looked for; this file is left out below because they stand here.
    [/\b(?:TODO|FIXME|XXX)\b/, "work put off"],
    [/\bDeno\.test\.(?:only|ignore)\b|\bonly: true/, "a test that hides others"],
  ];
  for (const [path, text] of [...lib, ...tests]) {
    if (path.endsWith("/house_test.ts")) continue;
    const code = text.replace(/^\s*(?:\*|\/\*\*).*$/gm, "");
    for (const [pattern, what] of rules) {
      const found = pattern.exec(code);
      ok(found === null, `${path} holds ${what}: ${found?.[0]}`);
    }
  }
});

Deno.test("no module of lib swallows an error without saying why", () => {
  for (const [path, text] of lib) {
    const found = /catch\s*(?:\([^)]*\))?\s*\{\s*\}|\.catch\(\(\)\s*=>\s*\{\s*\}\)(?!.*\/\/)/
      .exec(text);
    ok(found === null, `${path}: ${found?.[0]}`);
  }
});

Deno.test("only lib/config.ts reads the environment of the core", () => {
  for (const [path, text] of lib) {
    if (path === "lib/config.ts" || path.startsWith("lib/tools/")) continue;
    ok(!/\bDeno\.env\b|\bprocess\.env\b/.test(text.replace(/^\s*(?:\/\/|\*).*$/gm, "")), path);
  }
});

Deno.test("third-party packages are named in lib/deps alone, with their versions", () => {
  for (const [path, text] of lib) {
    for (const [, specifier = ""] of text.matchAll(/from "((?:npm|jsr|https?):[^"]*)"/g)) {
      ok(path.startsWith("lib/deps/"), `${path} imports ${specifier}`);
      ok(/^npm:(?:@[\w.-]+\/)?[\w.-]+@\d+\.\d+\.\d+$/.test(specifier), specifier);
    }
  }
});

Deno.test("no tracked file names a registry, a machine's folder or a secret", async () => {
  const listed = await runProgram({ command: "git", args: ["ls-files", "-z"], cwd: ROOT });
  // Without git there is no list of tracked files; a release holds nothing else.
  const all = listed.code === 0 ? listed.stdout.split("\0").filter(Boolean) : [...lib.keys()];
  const rules: readonly [RegExp, string][] = [
    [new RegExp(["registry.npmjs", "npm.jsr", "registry.yarnpkg"].join("|"), "i"), "a registry"],
    [/\/(?:root|work|Users)\/[\w.-]+\//, "a machine's folder"],
    [/\/home\/[\w.-]+\/\.(?:cache|deno|npm)\b/, "a machine's folder"],
    [/-----BEGIN [A-Z ]*PRIVATE KEY-----/, "a secret"],
  ];
  for (const path of all) {
    if (path.endsWith("/house_test.ts") || /\.(?:png|ico|jpg)$/.test(path)) continue;
    let text: string;
    try {
      text = await Deno.readTextFile(`${ROOT}/${path}`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue; // deleted, and not committed yet
      throw error;
    }
    for (const [pattern, what] of rules) {
      const found = pattern.exec(text);
      ok(found === null, `${path} names ${what}: ${found?.[0]}`);
    }
  }
});

Deno.test("missingAnswer() finds what a page promises and the machine does not say", () => {
  const [[first, second] = [], rest] = blocksOf(
    "```sh\na\n# → one …\n# → two\nb \\\n  c\n```\ntext\n```json\n{}\n```\n```sh\nd\n```\n",
  );
  equal(first, { commands: "a", answers: ["one …", "two"] });
  equal(second, { commands: "b \\\n  c", answers: [] });
  equal(rest, [{ commands: "d", answers: [] }]);
  const [recorded] = blocksOf("```console\n$ a\n# one\n$ b\n```\n");
  equal(recorded, [{ commands: "a", answers: ["# one"] }, { commands: "b", answers: [] }]);
  equal(missingAnswer(["one …", "two"], "zero\none fine day\ntwo\n"), undefined);
  equal(missingAnswer(["one …", "two"], "two\none fine day\n"), "two");
  equal(missingAnswer(["{…}"], "(}"), "{…}");
  equal(missingAnswer(["a.c"], "abc"), "a.c");
});
