import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { ROOT, runProgram } from "./program.ts";
import { blocksOf, missingAnswer } from "./readme.ts";

/**
 * Modules without a test of their own: what they do shows only in the room they belong to, and the
 * test named here asks that room. A folder stands for all in it that have none.
 */
const TESTED_ELSEWHERE: Readonly<Record<string, string>> = {
  "lib/cli/commands/cell.ts": "tests/plugin/transport/process_transport_test.ts",
  "lib/dav/": "tests/dav/litmus_test.ts",
  "lib/server/start.ts": "tests/cli/commands/serve_test.ts",
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
  "lib/routes/world_responses.ts": "tests/routes/read_world_test.ts",
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
Deno.test("every file that a task of deno.json names exists", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
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
    // The example is what the ways to run and the README are tested with.
    if (!plugin.endsWith(".ts") || plugin === "plugins/example.ts") continue;
    const runs = /^export (?:async )?(?:function|class|const|default)\b/m
      .test(await Deno.readTextFile(`${ROOT}/${plugin}`));
    // The entry of a plugin is tested by the test of the whole plugin.
    const entry = plugin.replace(/(?<=^plugins\/\w+)\/mod\.ts$/, ".ts");
    const test = `tests/${entry.replace(/\.ts$/, "")}`;
    const own = [...tests.keys()].some((path) =>
      path === `${test}_test.ts` || (path.startsWith(`${test}_`) && path.endsWith("_test.ts"))
    );
    ok(own || !runs, `${plugin} has no test`);
  }
  for (const [path, test] of Object.entries(TESTED_ELSEWHERE)) {
    ok(tests.has(test), `${path} is said to be tested by ${test}, which is not there`);
  }
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

/** Error handlers that do nothing: `() => {}`, `() => undefined`, and functions with an empty body. */
const NOTHING = String.raw`(?:\(\w*\)|\w+)\s*=>\s*(?:\{\s*\}|undefined|void 0|null)`;

/** Lines of a source where an error is swallowed and no comment, there or just above, says why. */
function swallowedErrors(text: string): string[] {
  const empty = [...text.matchAll(/function (\w+)\([^)]*\)(?:: void)? \{\s*\}/g)].map(([, name]) =>
    name
  );
  const handler = `(?:${[NOTHING, ...empty, "ignore", "noop"].join("|")})`;
  const swallows = new RegExp(
    `\\.catch\\(${handler}\\)|\\.then\\([^;]*,\\s*${handler}\\)|\\bcatch\\s*(?:\\([^)]*\\))?\\s*\\{\\s*\\}`,
    "g",
  );
  const lines = text.split("\n");
  return [...text.matchAll(swallows)].flatMap(({ 0: found, index }) => {
    const at = text.slice(0, index + found.length).split("\n").length - 1;
    const first = text.slice(0, index).split("\n").length - 1;
    const explained = /\/\/ /.test(lines[at] ?? "") || /^\s*\/\/ /.test(lines[first - 1] ?? "");
    return explained ? [] : [`${at + 1}: ${lines[at]?.trim()}`];
  });
}

Deno.test("no module of lib and no plugin swallows an error without a reason in a comment", async () => {
  const sources = (await filesBelow("plugins")).filter((path) => /\/.+\/.+\.ts$/.test(path));
  const plugins = await textsOf(sources);
  const found = [...lib, ...plugins].flatMap(([path, text]) =>
    swallowedErrors(text).map((line) => `${path}:${line}`)
  );
  equal(found, []);
});

Deno.test("swallowedErrors() finds each form of a handler that does nothing", () => {
  const forms = [
    "a.catch(() => {});",
    "a.catch(() => undefined);",
    "a.catch((_e) => {});",
    "a.catch(ignore);",
    "a.then(done, () => {});",
    "try { a(); } catch {}",
    "try { a(); } catch (error) {\n}",
    "function lost(): void {}\na.catch(lost);",
  ];
  for (const form of forms) {
    equal(swallowedErrors(form).length, 1, form);
    equal(swallowedErrors(form.replace(/(?=^.*catch|^.*then)/m, "// why\n")), [], form);
  }
  equal(swallowedErrors("a.catch((error) => log(error)); a.then(() => {});"), []);
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
