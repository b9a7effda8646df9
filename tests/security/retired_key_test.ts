/**
 * A retired key verifies the events that it signed before the rotation, and gives no right after it. Its
 * holder mints no capability. Without write access to the files it does nothing at all; with it, it
 * cannot add to a chain that has a newer event. A chain whose events are all of the retired key is as
 * trustworthy as that key, which auth.md says.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { mint } from "../../lib/auth/capability.ts";
import { createChainSigner } from "../../lib/world/event_chain.ts";
import { readSigningKeys, rotateKey, rotateKeyInSteps } from "../../lib/world/file/signing_keys.ts";
import { toFolderName } from "../../lib/world/name.ts";
import { toKeyId } from "../../lib/world/key_id.ts";
import { runVerify } from "../../lib/archive/verify_data_folder.ts";
import { bearer, CLOSED, type TestServer, TOKEN, withServer } from "../support/test_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const ENV = { ...CLOSED, ELASTIK_KEY: undefined };
const T2 = bearer(TOKEN);

function put(server: TestServer, target: string, body: string, headers = T2) {
  return server.send({ method: "PUT", target, headers, body });
}

async function audit(server: TestServer, name: string) {
  const { text } = await server.approve("GET", `/proc/audit/${name}`);
  const { ok, chain, events } = JSON.parse(text);
  return { ok, events, ...(chain.reason === undefined ? {} : { reason: chain.reason }) };
}

function verify(data: string, key?: string): { code: number; out: string[] } {
  const out: string[] = [];
  const print = (line: string) => out.push(line);
  return { code: runVerify(data, key, { out: print, err: print }), out };
}

/** Appends an event that a holder of a key makes who can write the file. */
function forge(data: string, name: string, key: string): void {
  const db = new DatabaseSync(`${data}/${toFolderName(name)}/universe.db`);
  try {
    const last = db.prepare("SELECT * FROM events ORDER BY id DESC LIMIT 1").get();
    const [previous, now] = [String(last?.hmac), new Date().toISOString()];
    const payload = '{"by":"T3"}';
    const hmac = createChainSigner(key)(previous, now, "remark", payload);
    db.prepare("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)")
      .run(Number(last?.id) + 1, now, "remark", payload, hmac, previous);
  } finally {
    db.close();
  }
}

function currentKey(data: string): string {
  const { key } = readSigningKeys(data, undefined);
  assert(key !== undefined);
  return key;
}

Deno.test("after two rotations old and new events verify, and capabilities of retired keys do not", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    let capability = "";
    let cursor = "";
    const keys: string[] = [];
    for (let round = 1; round <= 3; round++) {
      await withServer({ data, env: ENV }, async (server) => {
        keys.push(currentKey(data));
        const status = JSON.parse((await server.approve("GET", "/proc/status")).text);
        assertEquals(status.key_id, toKeyId(keys.at(-1) ?? ""));
        const forT2 = await server.send({ method: "GET", target: "/proc/status", headers: T2 });
        assertEquals([forT2.status, JSON.parse(forT2.text).key_id], [200, undefined]);
        // Worlds of every age: only old events, old and new ones, only new ones.
        if (round === 1) await put(server, "/home/old", "old");
        assertEquals(
          (await put(server, "/home/mixed", `${round}`)).status,
          round === 1 ? 201 : 200,
        );
        await server.send({ method: "POST", target: "/home/mixed", headers: T2, body: "+" });
        await put(server, `/home/new${round}`, "new");
        for (const name of ["home/old", "home/mixed", `home/new${round}`]) {
          assertEquals((await audit(server, name)).ok, true, `${name} in round ${round}`);
        }
        if (round > 1) {
          for (const key of keys.slice(0, -1)) {
            const exp = Math.floor(Date.now() / 1000) + 600;
            const minted = mint({ key, prefix: "/home", mode: "rwd", exp });
            for (const token of [capability, minted]) {
              const headers = bearer(token);
              const whoami = { method: "GET", target: "/auth/whoami", headers };
              assert(!(await server.send(whoami)).text.includes("cap:"), `round ${round}`);
              assertEquals((await put(server, "/home/old", "x", headers)).status, 401);
            }
          }
          // A cursor gives no right: a client continues where it was.
          const page = await server.approve("GET", `/proc/changes/home/?after=${cursor}`);
          assertEquals(page.status, 200, page.text);
          assertMatch(page.text, new RegExp(`"home/new${round}"`));
        }
        const minted = await server.approve("POST", "/auth/mint?prefix=/home&ttl=600&mode=rw");
        capability = JSON.parse(minted.text).token;
        assertEquals(
          (await put(server, "/home/by-cap", "1", bearer(capability))).status < 300,
          true,
        );
        cursor =
          JSON.parse((await server.approve("GET", "/proc/changes/home/?after=now")).text).cursor;
        assertEquals(server.log.filter((line) => /another key|retired/.test(line)), []);
        for (const key of keys) assert(!server.log.join("\n").includes(key));
      });
      rotateKey(data, undefined);
    }
    const { code, out } = verify(data);
    assertEquals([code, out.length], [0, 1], out.join());
    // Without the list of retired keys nothing old verifies.
    Deno.removeSync(`${data}/.key-retired`);
    assertEquals(verify(data).code, 1);
  }));

Deno.test("the holder of a retired key cannot add to a chain that has an event of a newer key", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    await withServer({ data, env: ENV }, async (server) => {
      for (const name of ["changed", "unchanged"]) await put(server, `/home/${name}`, "1");
    });
    const retired = currentKey(data);
    rotateKey(data, undefined);
    await withServer({ data, env: ENV }, async (server) => {
      await put(server, "/home/changed", "2");
      await put(server, "/home/created", "1");
    });
    for (const name of ["changed", "created", "unchanged"]) forge(data, `home/${name}`, retired);
    const reason = "its key was retired before the key of the previous event";
    const { code, out } = verify(data);
    assertEquals([code, out.slice(0, -1)], [1, [
      `home/changed: chain at event 3: ${reason}`,
      `home/created: chain at event 2: ${reason}`,
    ]]);
    await withServer({ data, env: ENV }, async (server) => {
      assertEquals(await audit(server, "home/changed"), { ok: false, events: 3, reason });
      assertEquals(await audit(server, "home/created"), { ok: false, events: 2, reason });
      // As auth.md says: a chain without a newer event is as trustworthy as the retired key.
      assertEquals(await audit(server, "home/unchanged"), { ok: true, events: 2 });
      await put(server, "/home/unchanged", "2");
    });
    // Now it has one.
    forge(data, "home/unchanged", retired);
    await withServer({ data, env: ENV }, async (server) => {
      assertEquals(await audit(server, "home/unchanged"), { ok: false, events: 4, reason });
    });
  }));

Deno.test("a server starts after each step of a rotation that was killed, and loses no chain", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    for (const [round, stop] of ["staged", "retired", "staged", "retired"].entries()) {
      await withServer({ data, env: ENV }, async (server) => {
        assert((await put(server, "/home/a", stop)).status < 300);
        assertEquals(await audit(server, "home/a"), { ok: true, events: round + 1 });
      });
      // A generator that is not closed leaves the files as a killed process does.
      const steps = rotateKeyInSteps(data, undefined);
      while (steps.next().value !== stop);
    }
    assertEquals(verify(data).code, 0);
    rotateKey(data, undefined);
    await withServer({ data, env: ENV }, async (server) => {
      assertEquals(await audit(server, "home/a"), { ok: true, events: 4 });
      await put(server, "/home/a", "last");
      assertEquals(await audit(server, "home/a"), { ok: true, events: 5 });
    });
  }));

Deno.test("every kind of change of a world from before a rotation leaves a chain that verifies", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const names = ["put", "append", "long", "patched", "move", "trashed", "replaced", "copied"];
    const long = "x".repeat(100_000);
    const trash: string[] = [];
    const remove = async (server: TestServer, name: string) => {
      const deleted = await server.approve("DELETE", `/home/${name}`);
      trash.push(JSON.parse(deleted.text).trash[0]);
    };
    await withServer({ data, env: ENV }, async (server) => {
      for (const name of names) await put(server, `/home/${name}`, name === "long" ? long : "1");
      await put(
        server,
        "/lib/p",
        'export const routes = ["/p"];\nexport default { fetch: () => new Response("") };',
      );
      await remove(server, "trashed");
    });
    rotateKey(data, undefined);
    await withServer({ data, env: ENV }, async (server) => {
      const dav = (method: string, name: string, to: string) =>
        server.send({
          method,
          target: `/dav/home/${name}`,
          headers: { ...bearer(server.approveToken), destination: `/dav/home/${to}` },
        });
      const sent = [
        await put(server, "/home/put", "2"),
        await server.send({ method: "POST", target: "/home/append", headers: T2, body: "2" }),
        await server.send({ method: "POST", target: "/home/long", headers: T2, body: "2" }),
        await server.send({ method: "POST", target: "/home/long", headers: T2, body: "3" }),
        await put(server, "/home/put?from=1", ""),
        await dav("MOVE", "move", "moved"),
        await dav("MOVE", "patched", "replaced"),
        await dav("COPY", "copied", "copy"),
        await server.approve("PUT", `/home/trashed?trash=${trash[0]}`),
        await server.approve("PUT", "/lib/p/state", "active"),
      ];
      for (const [i, { status, text }] of sent.entries()) {
        assert(status < 300, `${i} ${status} ${text}`);
      }
      await remove(server, "append");
      const back = await server.approve("PUT", `/home/again?trash=${trash[1]}`);
      assert(back.status < 300, back.text);
      const present = ["put", "long", "moved", "replaced", "copied", "copy", "trashed", "again"];
      for (const name of present) {
        assertEquals((await audit(server, `home/${name}`)).ok, true, name);
      }
      assertEquals((await audit(server, "lib/p")).ok, true);
    });
    const { code, out } = verify(data);
    assertEquals([code, out.length], [0, 1], out.join("\n"));
  }));
