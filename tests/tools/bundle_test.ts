import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { bundle, formatEntryModule } from "../../lib/tools/bundle.ts";
import {
  ask,
  assertWorks,
  cleanEnv,
  ROOT,
  runProgram,
  type StartOptions,
  startProgram,
} from "../project/program.ts";
import { withTempFolder } from "../support/temp_folder.ts";

function run(folder: string, ...args: string[]): StartOptions {
  return {
    command: Deno.execPath(),
    // No network, no packages and no configuration file: everything must be in the one file.
    args: [
      "run",
      "-A",
      "--no-config",
      "--no-remote",
      "--no-npm",
      "--unstable-worker-options",
      `${folder}/elastik.js`,
      ...args,
    ],
    cwd: `${folder}/empty`,
    env: { ELASTIK_PORT: "0", DENO_DIR: `${folder}/cache` },
  };
}

Deno.test("bundle() builds one file that runs from any folder and can be restarted", () =>
  withTempFolder(async (folder) => {
    const length = await bundle(`${folder}/elastik.js`);
    assertEquals(length, (await Deno.stat(`${folder}/elastik.js`)).size);
    await Deno.mkdir(`${folder}/empty`);

    const program = await startProgram(run(folder));
    await assertWorks(program, `${folder}/empty/data`);
    const tested = await runProgram(run(folder, "boot", program.url));
    assertEquals(tested.code, 0, tested.stdout + tested.stderr);
    assertMatch(tested.stdout, /\n\d+ ok, 0 failed in \d+ ms\n$/);
    for (
      const args of [
        ["install", "example", "--url", program.url],
        ["mint", "home/x", "--url", program.url],
        ["export", `${folder}/all.tar.gz`],
        ["completions", "bash"],
      ]
    ) assertEquals((await runProgram(run(folder, ...args))).code, 0, args.join(" "));
    assertEquals((await program.stop()).code, 0);
    const imported = await runProgram(
      run(folder, "import", `${folder}/all.tar.gz`, "--into", `${folder}/copy`),
    );
    assertEquals(imported.code, 0, imported.stdout + imported.stderr);

    const again = await startProgram(run(folder));
    assertEquals((await ask(`${again.url}/home/x?raw`)).text, "kept");
    await again.stop();
    const verified = await runProgram(run(folder, "verify"));
    assertEquals(verified.code, 0, verified.stdout + verified.stderr);
    assertEquals([...Deno.readDirSync(`${folder}/empty`)].map(({ name }) => name), ["data"]);
  }));

Deno.test("bundle() is reproducible and contains no path of the build computer", () =>
  withTempFolder(async (folder) => {
    await bundle(`${folder}/a/elastik.js`);
    await bundle(`${folder}/b.js`);
    const text = await Deno.readTextFile(`${folder}/a/elastik.js`);
    assert(text === await Deno.readTextFile(`${folder}/b.js`), "two builds differ");
    assertMatch(text, /^#!\/usr\/bin\/env -S deno run -A --unstable-worker-options\n/);
    // The cache of packages is below a folder with a dot; the manual names other folders of users.
    const traces = [ROOT, folder, "elastik-bundle-", `${cleanEnv().HOME ?? ROOT}/.`];
    for (const trace of traces) {
      const at = text.indexOf(trace);
      assert(at < 0, `${trace}: ${text.slice(at - 80, at + 80)}`);
    }
    // In the traces of errors.
    for (const name of ["runCommandLine", "runServer", "startServer"]) {
      assert(text.includes(`"${name}")`), `the name ${name} is lost`);
    }
    for (const name of ["hono", "negotiator", "mime"]) {
      assertMatch(text, new RegExp(`^/\\*! ${name} `, "m"));
    }
  }));

Deno.test("formatEntryModule() quotes any path", () => {
  const text = formatEntryModule('file:///a"b/cli.ts', "C:\\x\\worker.js");
  assert(text.includes(String.raw`from "file:///a\"b/cli.ts";`));
  assert(text.includes(String.raw`from "C:\\x\\worker.js" with`));
});
