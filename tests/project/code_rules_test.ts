/** Rules for the code of `lib`, of the plugins and of the tests that the linter does not know. */
import { assert, assertEquals } from "../support/assert.ts";
import { ROOT, runProgram } from "./program.ts";
import { blocksOf, missingAnswer } from "./readme.ts";

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
      assert(Deno.statSync(`${ROOT}/${path}`).isFile, path);
    }
  }
});

Deno.test("deno.lock has the packages of lib/deps and no package of the tests", async () => {
  const { specifiers } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.lock`));
  const runtime = [...lib].filter(([path]) => path.startsWith("lib/deps/"))
    .flatMap(([, text]) => text.match(/npm:[^"]+@\d[^"/]*/g) ?? []);
  const locked = Object.keys(specifiers);
  assertEquals(locked.filter((name) => !runtime.includes(name)), []);
  assert(locked.length > 3, "it has no packages");
});

Deno.test("every module of lib begins with a comment on its purpose", () => {
  for (const [path, text] of lib) assert(/^\/\*\*(?: |\n \* )/.test(text), path);
});

Deno.test("no code disables type checks, postpones work or skips other tests", () => {
  // The linter finds `any`: the texts of hostile plugins can contain it.
  const rules: readonly [RegExp, string][] = [
    [/@ts-(?:ignore|expect-error|nocheck)/, "a disabled type check"],
    // Why these words are here: the rule finds them. The loop skips this file.
    [/\b(?:TODO|FIXME|XXX)\b/, "postponed work"],
    [/\bDeno\.test\.(?:only|ignore)\b|\bonly: true/, "a test that hides others"],
  ];
  for (const [path, text] of [...lib, ...tests]) {
    if (path.endsWith("/code_rules_test.ts")) continue;
    const code = text.replace(/^\s*(?:\*|\/\*\*).*$/gm, "");
    for (const [pattern, what] of rules) {
      const found = pattern.exec(code);
      assert(found === null, `${path} contains ${what}: ${found?.[0]}`);
    }
  }
});

/**
 * Modules that may read the computer's clock, each with its reason. Durations (timeouts, caches,
 * pauses, uptime) use `performance.now()` or `createMonotonicClock()`: the computer's clock can be set
 * back.
 */
const WALL_CLOCK_READERS: Readonly<Record<string, string>> = {
  "lib/archive/backup_data.ts": "the ids and the age of deleted worlds",
  "lib/base/monotonic_clock.ts": "the first value of the monotonic clock",
  "lib/cli/commands/reload.ts": "compared with the time in the result of the server",
  "lib/cli/commands/restore.ts": "the time to which worlds are restored",
  "lib/cli/run_server.ts": "the time of a log line, and of a reload",
  "lib/cli/commands/undo.ts": "the begin of the period that is undone",
  "lib/http/http_date.ts": "the century of a date with two digits for the year",
  "lib/plugin/realm/console.ts": "seconds are compared for equality only",
  "lib/server/start.ts": "dates, and the expiry of capabilities",
  "lib/world/file/file_state.ts": "compared with the change time of a file",
  "lib/world/postgres/database_coordination.ts": "leases, which both clocks must agree on",
  "lib/world/postgres/postgres_store.ts":
    "the lease, which both clocks must agree on, and the trash",
  "lib/world/store/sqlite_store.ts": "passes the clock that decides when deleted worlds expire",
};

Deno.test("no code of the server measures a duration with the computer's clock", () => {
  const readers = [...lib]
    .filter(([path, text]) => !path.startsWith("lib/tools/") && /\bDate\.now\b/.test(text))
    .map(([path]) => path);
  assertEquals(readers.sort(), Object.keys(WALL_CLOCK_READERS).sort());
});

/** Code that does not run in the process of the server: commands, cells, and the plugin's console. */
const OWN_PROCESS = /^lib\/(?:tools\/|cli\/(?!commands\/serve\.ts)|plugin\/(?:transport|realm)\/)/;

Deno.test("no code of the running server writes to a blocking output", () => {
  for (const [path, text] of lib) {
    if (OWN_PROCESS.test(path)) continue;
    const code = text.replace(/^\s*(?:\*|\/\*\*|\/\/).*$/gm, "");
    const found = /\bconsole\.\w+|\bDeno\.std(?:out|err)\.writeSync|\b(?:alert|prompt)\(/.exec(
      code,
    );
    assert(found === null, `${path} contains ${found?.[0]}: use the server's log`);
  }
});

Deno.test("a text in an assertion of an error is compared, not only printed", () => {
  for (const [path, text] of tests) {
    const found =
      /\bassert(?:Throws|Rejects)\((?:(?!\bassert)[^;])*?,\s*[A-Z][a-z]\w*,\s*["'`][^,()]*,?\s*\)/
        .exec(text);
    assert(found === null, `${path}: use errorWith() in ${found?.[0]}`);
  }
});

/** Error handlers that do nothing: `() => {}`, `() => undefined`, and functions with an empty body. */
const NOTHING = String.raw`(?:\(\w*\)|\w+)\s*=>\s*(?:\{\s*\}|undefined|void 0|null)`;

/** Lines of a source that ignore an error without a comment, there or on the line above. */
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

Deno.test("no module of lib and no plugin ignores an error without a reason in a comment", async () => {
  const sources = (await filesBelow("plugins")).filter((path) => /\/.+\/.+\.ts$/.test(path));
  const plugins = await textsOf(sources);
  const found = [...lib, ...plugins].flatMap(([path, text]) =>
    swallowedErrors(text).map((line) => `${path}:${line}`)
  );
  assertEquals(found, []);
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
    assertEquals(swallowedErrors(form).length, 1, form);
    assertEquals(swallowedErrors(form.replace(/(?=^.*catch|^.*then)/m, "// why\n")), [], form);
  }
  assertEquals(swallowedErrors("a.catch((error) => log(error)); a.then(() => {});"), []);
});

Deno.test("only lib/config.ts reads the environment of the core", () => {
  for (const [path, text] of lib) {
    // Tools and the harness are programs of their own.
    if (path === "lib/config.ts" || /^lib\/(?:tools|testing)\//.test(path)) continue;
    assert(!/\bDeno\.env\b|\bprocess\.env\b/.test(text.replace(/^\s*(?:\/\/|\*).*$/gm, "")), path);
  }
});

Deno.test("only lib/deps imports third-party packages, each with its version", () => {
  for (const [path, text] of lib) {
    for (const [, specifier = ""] of text.matchAll(/from "((?:npm|jsr|https?):[^"]*)"/g)) {
      assert(path.startsWith("lib/deps/"), `${path} imports ${specifier}`);
      assert(
        /^npm:(?:@[\w.-]+\/)?[\w.-]+@\d+\.\d+\.\d+(?:\/[\w./-]+)?$/.test(specifier),
        specifier,
      );
    }
  }
});

Deno.test("no tracked file names a registry, a local folder or a secret", async () => {
  const listed = await runProgram({ command: "git", args: ["ls-files", "-z"], cwd: ROOT });
  // Without git there is no list of tracked files; a release has no other files.
  const all = listed.code === 0 ? listed.stdout.split("\0").filter(Boolean) : [...lib.keys()];
  const rules: readonly [RegExp, string][] = [
    [new RegExp(["registry.npmjs", "npm\\.jsr", "registry.yarnpkg"].join("|"), "i"), "a registry"],
    [/\/(?:root|work|Users)\/[\w.-]+\//, "a local folder"],
    [/\/home\/[\w.-]+\/\.(?:cache|deno|npm)\b/, "a local folder"],
    [/-----BEGIN [A-Z ]*PRIVATE KEY-----/, "a secret"],
  ];
  for (const path of all) {
    if (path.endsWith("/code_rules_test.ts") || /\.(?:png|ico|jpg)$/.test(path)) continue;
    let text: string;
    try {
      text = await Deno.readTextFile(`${ROOT}/${path}`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue; // deleted, and not committed yet
      throw error;
    }
    for (const [pattern, what] of rules) {
      const found = pattern.exec(text);
      assert(found === null, `${path} names ${what}: ${found?.[0]}`);
    }
  }
});

Deno.test("missingAnswer() returns the first line of a page that the output does not have", () => {
  const [[first, second] = [], rest] = blocksOf(
    "```sh\na\n# → one …\n# → two\nb \\\n  c\n```\ntext\n```json\n{}\n```\n```sh\nd\n```\n",
  );
  assertEquals(first, { commands: "a", answers: ["one …", "two"] });
  assertEquals(second, { commands: "b \\\n  c", answers: [] });
  assertEquals(rest, [{ commands: "d", answers: [] }]);
  const [recorded] = blocksOf("```console\n$ a\n# one\n$ b\n```\n");
  assertEquals(recorded, [{ commands: "a", answers: ["# one"] }, { commands: "b", answers: [] }]);
  assertEquals(missingAnswer(["one …", "two"], "zero\none fine day\ntwo\n"), undefined);
  assertEquals(missingAnswer(["one …", "two"], "two\none fine day\n"), "two");
  assertEquals(missingAnswer(["{…}"], "(}"), "{…}");
  assertEquals(missingAnswer(["a.c"], "abc"), "a.c");
});
