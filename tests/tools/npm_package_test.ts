import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import {
  buildNpmPackage,
  DENO_VERSION,
  formatPackageJson,
  LAUNCHER,
} from "../../lib/tools/npm_package.ts";
import { VERSION } from "../../lib/version.ts";
import {
  ask,
  onPath,
  pathWithoutDeno,
  ROOT,
  runProgram,
  startProgram,
} from "../project/program.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const missing = onPath("npx") ? "" : " (skipped: no npx here)";

Deno.test("the npm package has the Deno that the program is tested with", async () => {
  const fields = JSON.parse(formatPackageJson());
  assertEquals([fields.name, fields.version], ["elastik", VERSION]);
  assertEquals(fields.dependencies, { deno: DENO_VERSION });
  for (const file of ["README.md", ".ci/run"]) {
    const text = await Deno.readTextFile(`${ROOT}/${file}`);
    const found = /(?:deno@|^DENO=)(\d+\.\d+\.\d+)/m.exec(text)?.[1];
    assertEquals(found, DENO_VERSION, file);
  }
});

Deno.test({
  name: `npx runs a packed npm package on a computer without Deno${missing}`,
  ignore: missing !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      assertEquals(await buildNpmPackage(`${folder}/npm`), [
        "LICENSE",
        "README.md",
        "elastik.cjs",
        "elastik.js",
        "package.json",
      ]);
      const env = { PATH: await pathWithoutDeno(folder), ELASTIK_PORT: "0" };
      const run = (...words: string[]) =>
        runProgram({ command: words[0] ?? "", args: words.slice(1), cwd: folder, env });
      const packed = await run("npm", "pack", "--silent", "./npm");
      assertEquals(packed.code, 0, packed.stderr);
      const archive = `./${packed.stdout.trim()}`;
      const shown = await run("npx", "-y", archive, "--version");
      assertEquals([shown.code, shown.stdout.trim()], [0, `elastik ${VERSION}`], shown.stderr);
      const program = await startProgram({
        command: "npx",
        args: ["-y", archive],
        cwd: folder,
        env,
      });
      const put = await ask(`${program.url}/home/x`, { method: "PUT", body: "by npx" });
      assertEquals(put.status, 201, put.text);
      const { pid } = JSON.parse((await ask(`${program.url}/proc/status`)).text);
      const ended = program.ended();
      Deno.kill(pid, "SIGTERM");
      assertEquals((await ended).code, 0, program.output());
      assert(
        (await Deno.stat(`${folder}/data`)).isDirectory,
        "the worlds are in the working folder",
      );
    }),
});

Deno.test({
  name: `the launcher of the npm package passes signals and the exit code on${missing}`,
  ignore: missing !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      await Deno.writeTextFile(`${folder}/elastik.cjs`, LAUNCHER);
      await Deno.mkdir(`${folder}/node_modules/deno`, { recursive: true });
      const api = `${folder}/node_modules/deno/install_api.cjs`;
      await Deno.writeTextFile(
        api,
        `exports.runInstall = () => ${JSON.stringify(`${folder}/deno`)};`,
      );
      const launch = async (script: string, signal?: Deno.Signal) => {
        await Deno.writeTextFile(`${folder}/deno`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
        const child = new Deno.Command("node", {
          args: [`${folder}/elastik.cjs`, "one", "two words"],
          stdin: "null",
          stdout: "piped",
          stderr: "piped",
        }).spawn();
        const reader = child.stdout.getReader();
        const { value } = await reader.read();
        if (signal !== undefined) child.kill(signal);
        for (let part = await reader.read(); !part.done; part = await reader.read());
        const [status] = await Promise.all([child.status, child.stderr.cancel()]);
        return { text: new TextDecoder().decode(value), status };
      };
      const plain = await launch('echo "$@"; exit 7');
      assertEquals(plain.status.code, 7);
      assertMatch(plain.text, /^run -A --no-config --no-lock .*elastik\.js one two words\n$/);
      for (const [signal, code] of [["SIGTERM", 5], ["SIGHUP", 6], ["SIGINT", 8]] as const) {
        const name = signal.slice(3);
        const script = `trap 'exit ${code}' ${name}; echo ready; while :; do sleep 0.05; done`;
        assertEquals((await launch(script, signal)).status.code, code, signal);
      }
      assertEquals((await launch("echo ready; kill -KILL $$")).status.signal, "SIGKILL");
      await Deno.writeTextFile(api, `exports.runInstall = () => { throw new Error("no file"); };`);
      const failed = await runProgram({
        command: "node",
        args: [`${folder}/elastik.cjs`],
        cwd: folder,
        env: {},
      });
      assertEquals([failed.code, failed.stderr], [
        1,
        "Cannot start elastik: npm did not install Deno for this system: no file\n",
      ]);
    }),
});
