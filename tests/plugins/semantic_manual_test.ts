/** The page about shaping, pasted as a reader would who has Ollama running: the seed's two among it. */

import { equal, match, ok } from "node:assert/strict";
import { fromCheckout, inFolder, onPath, ROOT, startProgram } from "../project/program.ts";
import { blocksOf, missingAnswer } from "../project/readme.ts";
import { ReaderShell } from "../project/reader_shell.ts";
import { withBackend } from "./fake_backend.ts";
import { obliging } from "./shaper.ts";

const TOOLS = ["bash", "curl"].filter((tool) => !onPath(tool));
const missing = TOOLS.length === 0 ? "" : ` (skipped: no ${TOOLS.join(", ")} here)`;

Deno.test({
  name: `shaped.md holds commands that do what it says${missing}`,
  ignore: missing !== "",
  async fn(t) {
    const page = await Deno.readTextFile(`${ROOT}/worlds/usr/share/doc/shaped.md`);
    const blocks = blocksOf(page);
    ok(blocks.length > 3);
    await withBackend(async (backend) => {
      backend.behaviour = { tokens: obliging };
      await inFolder(async (folder) => {
        await Deno.symlink(`${ROOT}/plugins`, `${folder}/plugins`);
        const tokens = { ELASTIK_TOKEN: "t2-of-the-page", ELASTIK_APPROVE_TOKEN: "t3-of-the-page" };
        const machine = await startProgram(fromCheckout(folder, [], tokens));
        const { host } = new URL(machine.url);
        const shell = new ReaderShell(folder, { ELASTIK_URL: machine.url, ...tokens });
        try {
          for (const { commands, answers } of blocks.flat()) {
            await t.step(commands.split("\n")[0] ?? "", async () => {
              const here = commands.replaceAll("localhost:3005", host)
                .replaceAll("localhost:11434", backend.host);
              const { code, output, complaints } = await shell.paste(here);
              equal(code, 0, `${output}\n${complaints}`);
              const absent = missingAnswer(answers, output);
              ok(absent === undefined, `should answer\n${absent}\nand answers\n${output}`);
              ok(!/"status":[45]\d\d/.test(output), output);
            });
          }
          match(backend.calls[0]?.prompt ?? "", /grandma\/1\.0 \(big-font, no-jargon\)/);
          match(backend.calls[1]?.prompt ?? "", /question: what is their funding source\?/);
        } finally {
          await shell.close();
          await machine.stop();
        }
      });
    });
  },
});
