/** Memory that a server needs to send an archive of itself; the server is a process of its own. */

import { assert } from "../support/assert.ts";
import { randomBytes } from "node:crypto";
import { readResidentKiB } from "../../lib/plugin/cell/process_memory.ts";
import { fromCheckout, ROOT, startProgram } from "../project/program.ts";
import { bearer } from "../support/test_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const TOKEN = "t3-of-the-test";
const WORLDS = 24;
const BYTES = 4_000_000;
const GROWTH_KIB = 60 * 1000;
const unmeasured = Deno.build.os === "linux" ? "" : " (skipped: memory can be read on Linux only)";

/** Reads an archive and discards it. */
async function read(url: string): Promise<number> {
  const answer = await fetch(`${url}/__reality__`, { headers: bearer(TOKEN) });
  let length = 0;
  for await (const piece of answer.body ?? []) length += piece.length;
  return length;
}

Deno.test({
  name:
    `/__reality__ packs 100 MB in less than 60 MB of memory, also with slow clients${unmeasured}`,
  ignore: unmeasured !== "",
  fn: () =>
    withTempFolder(async (folder) => {
      const server = await startProgram(fromCheckout(folder, [], {
        ELASTIK_APPROVE_TOKEN: TOKEN,
        ELASTIK_SYNC: "normal",
      }));
      const tell = async (path: string, body: BodyInit) => {
        const init = { method: "PUT", body, headers: bearer(TOKEN) };
        const answer = await fetch(`${server.url}${path}`, init);
        assert(answer.ok, await answer.text());
      };
      try {
        await tell("/lib/reality", await Deno.readTextFile(`${ROOT}/plugins/reality.ts`));
        await tell("/lib/reality/state", "active");
        const noise = new Uint8Array(randomBytes(BYTES));
        const fill = async (from: number, to: number) => {
          for (let i = from; i < to; i++) await tell(`/home/w${i}`, noise);
        };
        await fill(0, 2);
        await read(server.url);
        await fill(2, WORLDS);
        await read(server.url);
        const weigh = () => readResidentKiB(server.pid) ?? 0;
        const before = weigh();
        let peak = before;
        const timer = setInterval(() => peak = Math.max(peak, weigh()), 5);
        try {
          assert(await read(server.url) > WORLDS * BYTES);
          // A client that reads a little and then pauses.
          const answer = await fetch(`${server.url}/__reality__`, { headers: bearer(TOKEN) });
          const reader = answer.body?.getReader();
          await reader?.read();
          await read(server.url);
          await reader?.cancel();
        } finally {
          clearInterval(timer);
        }
        assert(peak - before < GROWTH_KIB, `it grew by ${Math.round((peak - before) / 1000)} MB`);
      } finally {
        await server.stop();
      }
    }),
});
