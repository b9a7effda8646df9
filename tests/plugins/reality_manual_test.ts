/** The commands of `reality.md`, run as a reader would. */

import { assert, assertEquals } from "../support/assert.ts";
import { cacheIn, fromCheckout, onPath, ROOT, startProgram } from "../project/program.ts";
import { blocksOf, missingAnswer } from "../project/readme.ts";
import { ReaderShell } from "../project/reader_shell.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { freePort } from "../support/free_port.ts";

const TOOLS = ["bash", "curl", "tar", "sqlite3"].filter((tool) => !onPath(tool));
const missing = TOOLS.length === 0 ? "" : ` (skipped: no ${TOOLS.join(", ")} here)`;
const PAGE = "worlds/usr/share/doc/reality.md";

Deno.test({
  name: `${PAGE} has commands that give the documented output${missing}`,
  ignore: missing !== "",
  fn: (t) =>
    withTempFolder(async (folder) => {
      await Deno.symlink(`${ROOT}/plugins`, `${folder}/plugins`);
      const server = await startProgram(fromCheckout(folder));
      const { port } = new URL(server.url);
      const second = String(freePort());
      const shell = new ReaderShell(folder, {
        ...await cacheIn(folder),
        ELASTIK_URL: `http://localhost:${port}`,
        PATH: `${Deno.execPath().replace(/\/[^/]+$/, "")}:${Deno.env.get("PATH")}`,
      });
      try {
        for (
          const { commands, answers } of blocksOf(await Deno.readTextFile(`${ROOT}/${PAGE}`)).flat()
        ) {
          await t.step(commands.split("\n")[0] ?? "", async () => {
            const here = commands.replaceAll("3005", port).replaceAll("3006", second);
            const { code, output, complaints } = await shell.paste(here);
            assertEquals(code, 0, `${output}\n${complaints}`);
            const absent = missingAnswer(answers, output.replaceAll(port, "3005"));
            assert(
              absent === undefined,
              `should answer\n${absent}\nand answers\n${output}\n${complaints}`,
            );
            assert(!/"status":[45]\d\d/.test(output), output);
          });
        }
      } finally {
        await shell.paste("kill $(jobs -p) 2> /dev/null; wait");
        await shell.close();
        await server.stop();
      }
    }),
});
