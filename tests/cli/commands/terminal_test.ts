/** Output that is shown only on a terminal. `script` provides the terminal. */

import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { fillData } from "../../archive/fixtures.ts";
import { ask, fromCheckout, onPath, runProgram, startProgram } from "../../project/program.ts";
import { startCommand } from "../../support/live_command.ts";
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

Deno.test({
  name: `plugins prints a table with a head on a terminal${missing}`,
  ignore: missing !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      const program = await startProgram(fromCheckout(folder));
      const none = await atTerminal(folder, ["plugins", "--url", program.url]);
      assertEquals([none.code, none.stdout], [0, `There are no plugins on ${program.url}\r\n`]);
      await runProgram(fromCheckout(folder, ["install", "example", "--url", program.url]));
      const { code, stdout } = await atTerminal(folder, ["plugins", "--url", program.url]);
      await program.stop();
      assertEquals(code, 0, stdout);
      assertMatch(
        stdout,
        /^name {5}state {3}health {3}routes\r\nexample {2}active {2}running {2}\/example\r\n$/,
      );
    }),
});

Deno.test({
  name: `dev asks before it approves a plugin on another computer${missing}`,
  ignore: missing !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      // An address that is not known as one of this computer.
      const program = await startProgram(
        fromCheckout(folder, [], { ELASTIK_HOSTS: "0.0.0.0", ELASTIK_APPROVE_TOKEN: "t3-of-test" }),
      );
      const url = `http://0.0.0.0:${new URL(program.url).port}`;
      await Deno.writeTextFile(
        `${folder}/p.ts`,
        'export const routes = ["/p"]; export default { fetch: () => new Response("x") };',
      );
      const start = fromCheckout(folder, ["dev", "p.ts", "--url", url], {
        ELASTIK_APPROVE_TOKEN: "t3-of-test",
      });
      const line = [start.command, ...start.args].map((word) => `'${word}'`).join(" ");
      const dev = startCommand({
        ...start,
        command: "script",
        args: ["--quiet", "--return", "--command", line, "/dev/null"],
      });
      try {
        await dev.until(/Approve p on http:\/\/0\.0\.0\.0:\d+\? \[y\/N\]/);
        await dev.type("n\n");
        await dev.until(/Did not approve p; p was removed again/);
        assertEquals((await ask(`${program.url}/p`)).status, 404);
      } finally {
        await dev.interrupt();
        await program.stop();
      }
    }),
});
