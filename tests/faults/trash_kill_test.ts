/**
 * A deletion, a restore and a final deletion that SIGKILL interrupts: the world is at exactly one
 * place, which its last event names, and the trash lists it at once after the start. A final deletion
 * is complete or did not happen.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { createRandom } from "../support/random.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { approval, ServerProcess } from "./server_process.ts";

const ROUNDS = 4;
/** Two names between which a world is restored until the server is killed. */
const PAIRS: readonly (readonly [string, string])[] = [
  ["home/t/0-a", "home/t/0-b"],
  ["home/t/1-a", "var/t/1-b"],
  ["home/t/2", "home/t/2"],
  ["etc/t3", "etc/t3"],
];

interface Entry {
  readonly id: string;
  readonly name: string;
  readonly version: number;
}

interface Event {
  readonly type: string;
  readonly payload: Record<string, unknown>;
}

Deno.test(`deletions, restores and final deletions survive SIGKILL (${ROUNDS} rounds)`, () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
    const random = createRandom(seed);
    const start = () => ServerProcess.start({ data, env: { ELASTIK_SYNC: "normal" } });
    let server = await start();
    try {
      const headers = { ...approval(data), accept: "application/json" };
      const ask = (path: string, method = "GET", body?: string) =>
        server.ask(path, { method, headers, ...(body === undefined ? {} : { body }) });
      const list = async (): Promise<Entry[]> =>
        JSON.parse((await ask("/proc/trash/?limit=1000")).text);
      /** Deletes a world and restores it at the other name, or creates and expunges worlds. */
      const work = async (steps: () => Promise<void>) => {
        try {
          for (;;) await steps();
        } catch (error) {
          if (!(error instanceof TypeError)) throw error; // the server is dead
        }
      };
      const places = new Map<number, { at: string; id: string }>();
      for (const [at, [first]] of PAIRS.entries()) {
        await ask(`/${first}`, "PUT", `world ${at}`);
        places.set(at, { at: first, id: "" });
      }
      for (let round = 0; round < ROUNDS; round++) {
        const enough = Promise.withResolvers<void>();
        let left = 10 + random() * 40;
        const expunged: string[] = [];
        const begun: string[] = [];
        const clients = PAIRS.map((pair, index) =>
          work(async () => {
            const { at, id } = places.get(index) ?? { at: "", id: "" };
            if (id === "") {
              const { status, text } = await ask(`/${at}`, "DELETE");
              assertEquals(status, 200, text);
              places.set(index, { at, id: JSON.parse(text).trash[0] });
            } else {
              const to = at === pair[0] ? pair[1] : pair[0];
              const { status, text } = await ask(`/${to}?trash=${id}`, "PUT");
              assertEquals(status, 201, text);
              places.set(index, { at: to, id: "" });
            }
            if (--left <= 0) enough.resolve();
          })
        );
        const name = `home/gone/${round}`;
        clients.push(work(async () => {
          await ask(`/${name}`, "PUT", "x");
          const { trash: [id = ""] } = JSON.parse((await ask(`/${name}`, "DELETE")).text);
          begun.push(id);
          const { status, text } = await ask(`/proc/trash/?id=${id}`, "DELETE");
          assertEquals(status, 200, text);
          expunged.push(id);
        }));
        await Promise.race([enough.promise, Promise.all(clients)]);
        await new Promise((resume) => setTimeout(resume, random() * 8));
        await server.end("SIGKILL");
        await Promise.all(clients);
        server = await start();
        const entries = await list();
        for (const [index, pair] of PAIRS.entries()) {
          const names = [...new Set(pair)];
          const found: string[] = [];
          for (const each of names) {
            if ((await ask(`/${each}`)).status === 200) found.push(each);
          }
          const deleted = entries.filter((entry) => names.includes(entry.name));
          assertEquals(
            found.length + deleted.length,
            1,
            `seed ${seed}: ${names} is at ${found} and ${JSON.stringify(deleted)}`,
          );
          const [at = ""] = found;
          const [entry] = deleted;
          places.set(index, { at: entry?.name ?? at, id: entry?.id ?? "" });
          if (at === "") continue;
          const audit = await ask(`/proc/audit/${at}`);
          assertEquals(JSON.parse(audit.text).ok, true, `seed ${seed}: ${audit.text}`);
          const log: Event[] = JSON.parse((await ask(`/proc/log/${at}?limit=5`)).text);
          const last = log.map(({ type }) => type)[0] ?? "";
          assert(
            ["world_restored", "stage_written"].includes(last),
            `seed ${seed}: ${at} has ${JSON.stringify(log)}`,
          );
        }
        const kept = entries.filter((entry) => entry.name === name).map(({ id }) => id);
        assertEquals(kept.filter((id) => expunged.includes(id)), [], "deleted for good");
        assert(kept.length <= begun.length - expunged.length + 1, `seed ${seed}: ${kept}`);
      }
    } finally {
      await server.end("SIGKILL");
    }
  }));
