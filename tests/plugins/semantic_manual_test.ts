/** Runs the commands of shaped.md as a reader pastes them, with a fake Ollama server. */

import { fromCheckout, onPath, ROOT, startProgram } from "../project/program.ts";
import { blocksOf, missingAnswer } from "../project/readme.ts";
import { ReaderShell } from "../project/reader_shell.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { withBackend } from "./fake_backend.ts";
import { respondInFormat } from "./shaper.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const TOOLS = ["bash", "curl"].filter((tool) => !onPath(tool));
const missing = TOOLS.length === 0 ? "" : ` (skipped: ${TOOLS.join(", ")} not found)`;

Deno.test({
  name: `shaped.md has commands that give the documented output${missing}`,
  ignore: missing !== "",
  async fn(t) {
    const page = await Deno.readTextFile(`${ROOT}/worlds/usr/share/doc/shaped.md`);
    const blocks = blocksOf(page);
    assert(blocks.length > 3);
    await withBackend(async (backend) => {
      backend.behaviour = { tokens: respondInFormat };
      await withTempFolder(async (folder) => {
        await Deno.symlink(`${ROOT}/plugins`, `${folder}/plugins`);
        const tokens = { ELASTIK_TOKEN: "t2-of-the-page", ELASTIK_APPROVE_TOKEN: "t3-of-the-page" };
        const server = await startProgram(fromCheckout(folder, [], tokens));
        const { host } = new URL(server.url);
        const shell = new ReaderShell(folder, { ELASTIK_URL: server.url, ...tokens });
        try {
          for (const { commands, answers } of blocks.flat()) {
            await t.step(commands.split("\n")[0] ?? "", async () => {
              const here = commands.replaceAll("localhost:3005", host)
                .replaceAll("localhost:11434", backend.host);
              const { code, output, complaints } = await shell.paste(here);
              assertEquals(code, 0, `${output}\n${complaints}`);
              const absent = missingAnswer(answers, output);
              assert(absent === undefined, `expected\n${absent}\nin\n${output}`);
              assert(!/"status":[45]\d\d/.test(output), output);
            });
          }
          assertMatch(backend.calls[0]?.prompt ?? "", /grandma\/1\.0 \(big-font, no-jargon\)/);
          assertMatch(backend.calls[1]?.prompt ?? "", /question: what is their funding source\?/);
        } finally {
          await shell.close();
          await server.stop();
        }
      });
    });
  },
});
