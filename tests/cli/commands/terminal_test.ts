/** Output that is shown only on a terminal. `script` provides the terminal. */

import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { fillData } from "../../archive/fixtures.ts";
import { fromCheckout, onPath, runProgram, startProgram } from "../../project/program.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const missing = onPath("script") ? "" : " (skipped: no script here)";

/** Runs a command with a terminal for all three streams. */
function atTerminal(folder: string, args: readonly string[], env: Record<string, string> = {}) {
  const start = fromCheckout(folder, args, env);
  const line = [start.command, ...start.args].map((word) => `'${word}'`).join(" ");
  return runProgram({
    ...start,
    command: "script",
    args: ["--quiet", "--return", "--command", line, "/dev/null"],
  });
}

Deno.test({
  name: `mint explains its token on a terminal${missing}`,
  ignore: missing !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      const program = await startProgram(fromCheckout(folder));
      const { code, stdout } = await atTerminal(folder, ["mint", "home/x", "--url", program.url]);
      await program.stop();
      assertEquals(code, 0, stdout);
      assertMatch(
        stdout,
        /^[\w-]+\.[\w-]+\r\n\r\nThis token can read and write \/home\/x and everything below it/,
      );
    }),
});

Deno.test({
  name: `export does not write an archive to a terminal${missing}`,
  ignore: missing !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      fillData(`${folder}/data`);
      const { code, stdout } = await atTerminal(folder, ["export", "-"]);
      assertEquals(code, 2);
      assertMatch(stdout, /^Cannot export to a terminal: name a file or use a pipe\r\n$/);
    }),
});

Deno.test({
  name: `export, import and verify show a progress bar on a terminal and clear it${missing}`,
  ignore: missing !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      fillData(`${folder}/data`);
      const rows: readonly [string, string[]][] = [
        ["export", ["x.tar.gz"]],
        ["import", ["x.tar.gz", "--into", "copy"]],
        ["verify", ["copy"]],
      ];
      for (const [name, args] of rows) {
        const { code, stdout } = await atTerminal(folder, [name, ...args]);
        assertEquals(code, 0, stdout);
        const shown = stdout.split("\r\x1b[K");
        assertMatch(shown[1] ?? "", new RegExp(`^${name} \\[[#-]+\\] 0/3 worlds$`));
        assert(!(shown.at(-1) ?? "").includes("["), stdout);
      }
    }),
});
