/**
 * A change of two names and its event exist together or not at all, also after SIGKILL: a MOVE to a
 * free name, over a world and out of a private path, and a DELETE with its trash entry. The 1,000
 * kills of `deno task test:kill` check the same for mixed writes.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { approval, ServerProcess } from "./server_process.ts";
import { runKills } from "./kill_rounds.ts";
import { createRandom } from "../support/random.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const ROUNDS = 3;
const JSON_ONLY = { accept: "application/json" };

interface Event {
  readonly type: string;
  readonly payload: Record<string, unknown>;
}

/** Two names between which a world moves until the server is killed. */
const PAIRS: readonly (readonly [string, string])[] = [
  ["/home/m/0-a", "/home/m/0-b"],
  ["/home/m/1-a", "/var/m/1-b"],
  ["/home/m/2-a", "/home/other/2-b"],
  // More callers can read one of the names: the chain stays behind, and the source is deleted.
  ["/boot/m-3", "/home/m/3"],
  ["/lib/m4", "/lib/m5"],
];

async function moveUntilKilled(
  server: ServerProcess,
  approve: Record<string, string>,
  [a, b]: readonly [string, string],
  onDone: () => void,
): Promise<void> {
  const here = (await server.ask(a, { headers: approve })).status === 200;
  let [from, to] = here ? [a, b] : [b, a];
  // WebDAV and plain paths in turn.
  let prefix = "/dav";
  try {
    for (;;) {
      const headers = { ...approve, destination: `${prefix}${to}` };
      const { status, text } = await server.ask(`${prefix}${from}`, { method: "MOVE", headers });
      assertEquals(status, 201, `${from} ${text}`);
      [from, to] = [to, from];
      prefix = prefix === "" ? "/dav" : "";
      onDone();
    }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error; // the connection broke: the server is dead
  }
}

Deno.test(`a MOVE that SIGKILL interrupts exists with its event or not at all (${ROUNDS} rounds)`, () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
    const random = createRandom(seed);
    const env = { ELASTIK_SYNC: "normal" };
    let server = await ServerProcess.start({ data, env });
    try {
      const approve = approval(data);
      const parents = ["/home/m/keep", "/var/m/keep", "/home/other/keep"];
      for (const path of [...parents, ...PAIRS.map(([first]) => first)]) {
        await server.ask(path, { method: "PUT", body: path, headers: approve });
      }
      for (let round = 0; round < ROUNDS; round++) {
        const enough = Promise.withResolvers<void>();
        let left = 20 + random() * 60;
        const onDone = () => {
          if (--left <= 0) enough.resolve();
        };
        const running = server;
        const moving = Promise.allSettled(
          PAIRS.map((pair) => moveUntilKilled(running, approve, pair, onDone)),
        );
        await Promise.race([enough.promise, moving]);
        await new Promise((resume) => setTimeout(resume, random() * 8));
        await server.end("SIGKILL");
        for (const each of await moving) if (each.status === "rejected") throw each.reason;
        server = await ServerProcess.start({ data, env });
        for (const pair of PAIRS) {
          const found: string[] = [];
          for (const path of pair) {
            const headers = { ...approve, ...JSON_ONLY };
            const { status } = await server.ask(path, { headers });
            if (status === 200) found.push(path);
          }
          const [at = ""] = found;
          assertEquals(found.length, 1, `seed ${seed}: ${pair} is at ${found}`);
          const audit = await server.ask(`/proc/audit${at}`, { headers: approve });
          assertEquals(JSON.parse(audit.text).ok, true, `seed ${seed}: ${audit.text}`);
          const log: Event[] = JSON.parse(
            (await server.ask(`/proc/log${at}?limit=5`, { headers: approve })).text,
          );
          const moved = log.find(({ type, payload }) =>
            type === "world_moved" || payload.moved_from !== undefined
          );
          const isHere = moved?.payload.to === at || moved?.payload.moved_from !== undefined ||
            (moved === undefined && at === pair[0]);
          assert(isHere, `seed ${seed}: ${at} has ${JSON.stringify(moved)}`);
        }
      }
    } finally {
      await server.end("SIGKILL");
    }
  }));

Deno.test("DELETE answers the id of a trash entry that has the world with its world_deleted event", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const server = await ServerProcess.start({ data, env: { ELASTIK_SYNC: "normal" } });
    try {
      const headers = approval(data);
      for (const name of ["x", "c/1", "c/2", "c/d/3"]) {
        await server.ask(`/home/${name}`, { method: "PUT", body: name });
      }
      const one = JSON.parse((await server.ask("/home/x", { method: "DELETE", headers })).text);
      const all = JSON.parse((await server.ask("/home/c/", { method: "DELETE", headers })).text);
      assertEquals([one.deleted, all.deleted], [["home/x"], [
        "home/c/1",
        "home/c/2",
        "home/c/d/3",
      ]]);
      const ids: string[] = [...one.trash, ...all.trash];
      assertEquals(new Set(ids).size, 4);
      for (const [i, name] of [...one.deleted, ...all.deleted].entries()) {
        const id = ids[i] ?? "";
        assertEquals(encodeURIComponent(id), id);
        const db = new DatabaseSync(
          `${data}/.trash/${id}/${name.replaceAll("/", "%2F")}/universe.db`,
        );
        const row = db.prepare("SELECT event_type, payload FROM events ORDER BY id DESC").get();
        db.close();
        assertEquals(row?.event_type, "world_deleted");
        assertEquals(JSON.parse(String(row?.payload)).trash, id);
      }
    } finally {
      await server.end("SIGKILL");
    }
  }));

Deno.test("mixed writes survive SIGKILL with nothing acknowledged lost (8 rounds)", () =>
  withTempFolder(async (folder) => {
    const seed = crypto.getRandomValues(new Uint32Array(1))[0] ?? 1;
    console.log(`seed ${seed}`);
    const counts = await runKills({ data: `${folder}/data`, rounds: 8, seed });
    assert(counts.acknowledged >= 8 * 4, JSON.stringify(counts));
  }));
