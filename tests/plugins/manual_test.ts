/** Runs the commands of the pages about plugins, and the recovery from a plugin that blocks. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { fromCheckout, onPath, ROOT, startProgram } from "../project/program.ts";
import { blocksOf, missingAnswer } from "../project/readme.ts";
import { ReaderShell } from "../project/reader_shell.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const TOOLS = ["bash", "curl"].filter((tool) => !onPath(tool));
const missing = TOOLS.length === 0 ? "" : ` (skipped: ${TOOLS.join(", ")} not installed)`;
const PORT = "3005";

/** Runs a test with a server and a shell in a folder that contains the plugins. */
async function withReader(
  test: (
    shell: ReaderShell,
    folder: string,
    restart: (act: () => Promise<void>) => Promise<void>,
    port: () => string,
  ) => Promise<void>,
): Promise<void> {
  await withTempFolder(async (folder) => {
    for (const name of ["plugins", "examples"]) {
      await Deno.symlink(`${ROOT}/${name}`, `${folder}/${name}`);
    }
    let server = await startProgram(fromCheckout(folder));
    const port = () => new URL(server.url).port;
    const shell = new ReaderShell(folder, { ELASTIK_URL: `http://localhost:${port()}` });
    try {
      await test(shell, folder, async (act) => {
        const again = { ELASTIK_PORT: port() };
        assertEquals((await server.stop()).code, 0, server.output());
        await act();
        server = await startProgram(fromCheckout(folder, [], again));
      }, port);
    } finally {
      await shell.close();
      await server.stop();
    }
  });
}

const PAGES = [
  "plugins/README.md",
  "worlds/usr/share/doc/plugins.md",
  "worlds/usr/share/doc/router.md",
  "worlds/usr/share/doc/db.md",
  "worlds/usr/share/doc/mounts.md",
  "worlds/usr/share/doc/fanout.md",
  "worlds/usr/share/doc/mcp.md",
];

for (const page of PAGES) {
  Deno.test({
    name: `${page} has commands that give the documented output${missing}`,
    ignore: missing !== "",
    async fn(t) {
      const blocks = blocksOf(await Deno.readTextFile(`${ROOT}/${page}`));
      assert(blocks.length > 1);
      await withReader(async (shell, _folder, _restart, port) => {
        for (const { commands, answers } of blocks.flat()) {
          await t.step(commands.split("\n")[0] ?? "", async () => {
            const { code, output, complaints } = await shell.paste(
              commands.replaceAll(PORT, port()),
            );
            assertEquals(code, 0, `${output}\n${complaints}`);
            const absent = missingAnswer(answers, output.replaceAll(port(), PORT));
            assert(absent === undefined, `should answer\n${absent}\nand answers\n${output}`);
            assert(!/"status":[45]\d\d/.test(output), output);
          });
        }
      });
    },
  });
}

Deno.test({
  name: `a server that a plugin blocks starts again without the plugin's folder${missing}`,
  ignore: missing !== "",
  async fn() {
    await withReader(async (shell, folder, restart, port) => {
      await Deno.writeTextFile(
        `${folder}/bad.ts`,
        `export const routes = ["/bad"]; export const fallback = true;
        export default { fetch() { for (;;); } };`,
      );
      const setUp = await shell.paste(`
        ELASTIK_APPROVE_TOKEN=$(cat data/.approve-token)
        curl -s -X PUT $ELASTIK_URL/home/kept -d 'kept'
        curl -s -X PUT $ELASTIK_URL/lib/bad --data-binary @bad.ts
        curl -s -X PUT $ELASTIK_URL/lib/bad/state --data-binary active \\
          -H "Authorization: Bearer $ELASTIK_APPROVE_TOKEN"
        curl -s $ELASTIK_URL/bin`);
      assertMatch(setUp.output, /^\/bad\t/m);
      await restart(async () => {
        assertEquals((await shell.paste('rm -rf "data/lib%2Fbad/"')).code, 0);
      });
      const after = await shell.paste(`
        curl -s $ELASTIK_URL/bin
        curl -s $ELASTIK_URL/lib/
        curl -s -o /dev/null -w 'bad %{http_code}\\n' $ELASTIK_URL/bad
        curl -s $ELASTIK_URL/home/kept?raw; echo
        curl -s $ELASTIK_URL/proc/audit/home/kept`);
      assert(!/^(?:\/)?bad\b(?! 404)/m.test(after.output), after.output);
      assertMatch(after.output, /^bad 404$/m);
      assertMatch(after.output, /^kept$/m);
      assertMatch(after.output, /"ok":true/);
      assert(port() !== "");
    });
  },
});
