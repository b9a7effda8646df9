import { assertEquals, assertMatch } from "../../support/assert.ts";
import { cleanEnv, ROOT, runProgram } from "../../project/program.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

Deno.test("serve exits with 1 and a sentence if its first Worker cannot be loaded", () =>
  withTempFolder(async (folder) => {
    const program = `
      import { runCommandLine } from ${JSON.stringify(`file://${ROOT}/lib/cli/main.ts`)};
      await runCommandLine(["serve"], { storeWorkerUrl: "data:text/javascript,no program" });`;
    await Deno.writeTextFile(`${folder}/program.ts`, program);
    const { code, stderr } = await runProgram({
      command: Deno.execPath(),
      args: ["run", "-A", "--no-check", "--config", `${ROOT}/deno.json`, `${folder}/program.ts`],
      cwd: folder,
      env: { ...cleanEnv(), ELASTIK_PORT: "0" },
    });
    assertEquals(code, 1, stderr);
    assertMatch(
      stderr,
      /^Cannot start with the data folder data: .*its Worker stopped: SyntaxError/m,
    );
  }));
