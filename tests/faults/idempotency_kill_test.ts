/**
 * A client that lost a response because the server was killed repeats the request with its
 * Idempotency-Key: exactly one change is made, whether the first one was written or not.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { createRandom } from "../support/random.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { approval, ServerProcess } from "./server_process.ts";

const ROUNDS = 3;
const CLIENTS = 6;

/** One request that is sent until it is answered. */
interface Attempt {
  readonly path: string;
  readonly method: string;
  readonly key: string;
  readonly body?: string;
  answer?: string;
}

Deno.test(`a request that SIGKILL interrupts is made once if it is repeated (${ROUNDS} rounds)`, () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const random = createRandom(crypto.getRandomValues(new Uint32Array(1))[0] ?? 1);
    const start = () => ServerProcess.start({ data, env: { ELASTIK_SYNC: "normal" } });
    let server = await start();
    const lines = new Map<string, string[]>();
    const deletions: Attempt[] = [];
    const restores: Attempt[] = [];
    try {
      const approve = approval(data);
      /** Sends an attempt; returns whether the server answered. */
      const send = async (attempt: Attempt): Promise<boolean> => {
        const { path, method, key, body, answer } = attempt;
        try {
          const reply = await server.ask(path, {
            method,
            headers: { ...approve, "idempotency-key": key },
            ...(body === undefined ? {} : { body }),
          });
          assert(reply.status === 200 || reply.status === 201, `${method} ${path} ${reply.text}`);
          if (answer !== undefined) assertEquals(reply.text, answer, "the first response again");
          attempt.answer = reply.text;
          return true;
        } catch (error) {
          if (!(error instanceof TypeError)) throw error; // the server is dead
          return false;
        }
      };
      for (let round = 0; round < ROUNDS; round++) {
        for (let i = 0; i < 20; i++) {
          const path = `/home/gone-${round}/${i}`;
          await server.ask(path, { method: "PUT", headers: approve, body: "x" });
        }
        const open: Attempt[] = [];
        let done = 0;
        const enough = Promise.withResolvers<void>();
        const target = 10 + random() * 60;
        const clients = Array.from({ length: CLIENTS }, async (_, client) => {
          const path = `/home/log-${client % 3}`;
          for (let at = 0;; at++) {
            const line = `${round}.${client}.${at}\n`;
            const attempt = { path, method: "POST", key: `k-${line.trim()}`, body: line };
            lines.set(path, [...lines.get(path) ?? [], line]);
            open.push(attempt);
            if (!await send(attempt)) return;
            if (++done > target) enough.resolve();
          }
        });
        await enough.promise;
        const deletion = { path: `/home/gone-${round}/`, method: "DELETE", key: `d-${round}` };
        deletions.push(deletion);
        const deleting = send(deletion);
        // Those that were deleted in the round before come back under other names.
        const { trash = [] }: { trash?: string[] } = JSON.parse(deletions.at(-2)?.answer ?? "{}");
        const back = trash.map((id, i) => ({
          path: `/home/back-${round}/${i}?trash=${id}`,
          method: "PUT",
          key: `b-${i}`,
        }));
        restores.push(...back);
        const restoring = back.map(send);
        await new Promise((resume) => setTimeout(resume, random() * 12));
        await server.end("SIGKILL");
        await Promise.all([...clients, deleting, ...restoring]);
        server = await start();
        // Those that were not answered, and some that were.
        const lost = open.filter(({ answer }) => answer === undefined);
        const repeated = [...lost, ...open.slice(-20), ...deletions, ...restores];
        assertEquals(await Promise.all(repeated.map(send)), repeated.map(() => true));
      }
      for (const [path, sent] of lines) {
        const { text } = await server.ask(`${path}?raw`, { headers: approve });
        assertEquals(text.match(/.*\n/g)?.sort(), [...sent].sort(), path);
      }
      assertEquals(restores.length, 20 * (ROUNDS - 1));
      for (const { path } of restores) {
        const [name = ""] = path.split("?");
        assertEquals((await server.ask(`${name}?raw`, { headers: approve })).text, "x");
        const { text } = await server.ask(`/proc/log${name}`, { headers: approve });
        assertEquals(text.match(/"type":"world_restored"/g)?.length, 1, name);
      }
      for (const { path, answer = "" } of deletions) {
        const { deleted }: { deleted: string[] } = JSON.parse(answer);
        assertEquals(deleted.length, 20, path);
        assertEquals((await server.ask(path, { headers: approve })).status, 404);
      }
    } finally {
      await server.end("SIGKILL");
    }
  }));
