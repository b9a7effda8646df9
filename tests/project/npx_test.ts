import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { ask, onPath, pathWithoutDeno, ROOT, runProgram, startProgram } from "./program.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const missing = onPath("npx") ? "" : " (skipped: no npx here)";
const README = await Deno.readTextFile(`${ROOT}/README.md`);

/** The command of the README for computers without Deno. */
function npxLine(task: string): string {
  const line = new RegExp(`\`(npx -y deno@[\\d.]+ task ${task})\``).exec(README)?.[1];
  assert(line !== undefined, `README.md lacks the npx command for ${task}`);
  return line;
}

Deno.test({
  name: `the npx command of the README starts the server without Deno${missing}`,
  ignore: missing !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      const program = await startProgram({
        command: "sh",
        args: ["-c", npxLine("start")],
        cwd: ROOT,
        env: {
          PATH: await pathWithoutDeno(folder),
          ELASTIK_PORT: "0",
          ELASTIK_DATA: `${folder}/data`,
        },
      });
      const status = await ask(`${program.url}/proc/status`);
      const { pid } = JSON.parse(status.text);
      const ended = program.ended();
      Deno.kill(pid, "SIGTERM");
      assertEquals((await ended).code, 0, program.output());
    }),
});

Deno.test({
  name: `the npx command of the README runs tests without Deno${missing}`,
  ignore: missing !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      const { code, stdout, stderr } = await runProgram({
        command: "sh",
        args: ["-c", `! command -v deno && ${npxLine("test")} tests/cli/main_test.ts`],
        cwd: ROOT,
        env: { PATH: await pathWithoutDeno(folder) },
      });
      assertEquals(code, 0, stdout + stderr);
      assertMatch(stdout, /\n[1-9]\d* passed, 0 failed\n$/);
    }),
});
