/** Runs the commands of gpu.md with a fake Ollama. */

import { assert, assertEquals } from "../support/assert.ts";
import { fromCheckout, onPath, ROOT, startProgram } from "../project/program.ts";
import { blocksOf, missingAnswer } from "../project/readme.ts";
import { ReaderShell } from "../project/reader_shell.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { withBackend } from "./fake_backend.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const TOOLS = ["bash", "curl", "sed"].filter((tool) => !onPath(tool));
const missing = TOOLS.length === 0 ? "" : ` (skipped: ${TOOLS.join(", ")} not installed)`;

Deno.test({
  name: `gpu.md has commands that give the documented output${missing}`,
  ignore: missing !== "",
  async fn(t) {
    const page = await Deno.readTextFile(`${ROOT}/worlds/usr/share/doc/gpu.md`);
    const blocks = blocksOf(page);
    assert(blocks.length > 5);
    await withBackend(async (backend) => {
      await withTempFolder(async (folder) => {
        await Deno.symlink(`${ROOT}/plugins`, `${folder}/plugins`);
        const server = await startProgram(fromCheckout(folder));
        const { host } = new URL(server.url);
        const shell = new ReaderShell(folder, { ELASTIK_URL: server.url });
        let configured = 0;
        try {
          for (const { commands, answers } of blocks.flat()) {
            await t.step(commands.split("\n")[0] ?? "", async () => {
              const here = commands.replaceAll("localhost:3005", host)
                .replaceAll("localhost:11434", backend.host);
              const { code, output, complaints } = await shell.paste(here);
              assertEquals(code, 0, `${output}\n${complaints}`);
              const absent = missingAnswer(answers, output);
              assert(absent === undefined, `should answer\n${absent}\nand answers\n${output}`);
              assert(!/"status":[45]\d\d/.test(output), output);
            });
            if (!commands.includes("PUT http://localhost:3005/etc/gpu.conf")) continue;
            // The first configuration is written before the plugin is activated; a later one needs a moment.
            if (configured++ === 0) continue;
            await eventually(async () => {
              const log = await (await fetch(`${server.url}/proc/log/lib/gpu`)).text();
              return log.split("plugin_reconfigured").length === configured || undefined;
            }, "the new configuration is used");
          }
          assertEquals(backend.last.system, "You answer in one sentence.");
        } finally {
          await shell.close();
          await server.stop();
        }
      });
    });
  },
});
