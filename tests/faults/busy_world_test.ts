/**
 * A lock that another process holds on the file of one world delays only that world. The server
 * reports the world as unavailable (503) and never as damaged.
 */

import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import type { Reply } from "../support/wire.ts";
import { readOpenMetrics } from "../support/open_metrics.ts";
import { eventually } from "../plugin/plugin_test_server.ts";
import { bearer, startTestServer, type TestServer, TWO_WRITERS } from "../support/test_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const OTHERS = Array.from({ length: 8 }, (_, i) => `/home/other${i}`);

/** Runs a test on a server that has not opened `/home/one` yet. */
function withClosedWorld(
  env: Record<string, string>,
  use: (server: TestServer) => Promise<void>,
): Promise<void> {
  return withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const first = await startTestServer({ data });
    for (const path of ["/home/one", ...OTHERS]) await first.approve("PUT", path, "old");
    // The index of the search has all worlds: the next server does not open them for it.
    assertEquals((await first.approve("GET", "/proc/search/home/?q=old")).status, 200);
    await first.stop();
    const server = await startTestServer({
      data,
      env: { ...TWO_WRITERS, ELASTIK_CACHE: "0", ...env },
    });
    try {
      await use(server);
    } finally {
      await server.close();
    }
  });
}

/** Opens the file of `/home/one` as another program would, and runs statements on it. */
function openOne(data: string, statements: string): DatabaseSync {
  const db = new DatabaseSync(`${data}/home%2Fone/universe.db`);
  // The server can have the file open at this moment, for a read of its indexes.
  db.exec(`PRAGMA busy_timeout = 60000; ${statements}`);
  return db;
}

const EXCLUSIVE = "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE";

function get(server: TestServer, target: string): Promise<Reply> {
  return server.send({ method: "GET", target });
}

function assertInUse({ status, headers, text }: Reply, request: string): void {
  assertEquals([request, status, headers.get("retry-after")], [request, 503, "5"], text);
  const problem = JSON.parse(text);
  assertEquals(problem.type, "/usr/share/doc/problems/unavailable.md");
  assertMatch(problem.detail, /another process has locked its file/);
}

for (const lock of ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"]) {
  Deno.test(`a world locked by ${lock} delays no write of another world and is written after it`, () =>
    withClosedWorld({ ELASTIK_LOCK_WAIT: "600000" }, async (server) => {
      await server.approve("PUT", "/home/one", "two");
      const other = openOne(server.data, lock);
      let isWritten = false;
      const writes = ["a", "b"].map(async (text) => {
        const { status } = await fetch(`http://127.0.0.1:${server.port}/home/one`, {
          method: "POST",
          body: text,
        });
        isWritten = true;
        return status;
      });
      for (let round = 0; round < 3; round++) {
        for (const path of OTHERS) {
          assertEquals((await server.approve("PUT", path, `${round}`)).status, 200);
          assertEquals((await get(server, `${path}?raw`)).text, `${round}`);
        }
      }
      // Readers of a write-ahead log do not wait for a writer.
      assertEquals((await get(server, "/home/one?raw")).text, "two");
      assertEquals(JSON.parse((await get(server, "/proc/audit/home/one")).text).ok, true);
      assertEquals(isWritten, false);
      other.exec("ROLLBACK");
      other.close();
      assertEquals(await Promise.all(writes), [200, 200]);
      assertMatch((await get(server, "/home/one?raw")).text, /^two(?:ab|ba)$/);
      assertEquals(JSON.parse((await get(server, "/proc/audit/home/one")).text).ok, true);
    }));
}

Deno.test("every operation on a world that stays locked answers 503 and changes nothing", () =>
  withClosedWorld({ ELASTIK_LOCK_WAIT: "20" }, async (server) => {
    const other = openOne(server.data, EXCLUSIVE);
    const approve = bearer(server.approveToken);
    for (
      const request of [
        "GET /home/one",
        "GET /home/one?raw",
        "GET /home/one?at=1",
        "GET /proc/audit/home/one",
        "GET /proc/log/home/one",
        "GET /proc/snapshot/home/one",
        "PUT /home/one",
        "POST /home/one",
        "DELETE /home/one",
        "MOVE /dav/home/one",
      ]
    ) {
      const [method = "", target = ""] = request.split(" ");
      const headers = method === "MOVE" ? { ...approve, destination: "/dav/home/two" } : approve;
      const body = ["PUT", "POST"].includes(method) ? { body: "new" } : {};
      const reply = await server.send({ method, target, headers, ...body });
      if (!target.startsWith("/dav/")) assertInUse(reply, request);
      else assertEquals([request, reply.status], [request, 503], reply.text);
      for (const path of OTHERS) assertEquals((await get(server, path)).status, 200);
    }
    const page = readOpenMetrics((await get(server, "/proc/metrics")).text);
    assert((page.get("elastik_lock_failures")?.samples[0]?.value ?? 0) >= 10);
    other.exec("ROLLBACK");
    other.close();
    // The first one that opens the file recovers its log, which can take longer than 20 ms.
    const afterLock = (ask: () => Promise<Reply>) =>
      eventually(async () => {
        const reply = await ask();
        return reply.status !== 503 && reply;
      }, "the world is free");
    assertEquals((await afterLock(() => get(server, "/home/one?raw"))).text, "old");
    const put = await afterLock(() => server.approve("PUT", "/home/one", "new"));
    assertEquals(put.status, 200);
    const audit = await afterLock(() => get(server, "/proc/audit/home/one"));
    assertEquals(JSON.parse(audit.text).ok, true);
    assertEquals(server.log.filter((line) => /damaged/.test(line)), []);
  }));

Deno.test("a server that starts while a world is locked lists it, and reads it after the lock", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const first = await startTestServer({ data });
    for (const path of ["/home/one", ...OTHERS]) await first.approve("PUT", path, "old");
    await first.stop();
    for (const end of ["", "-wal", "-shm"]) {
      await Deno.remove(`${data}/.catalog.db${end}`).catch(() => {});
    }
    const other = openOne(data, EXCLUSIVE);
    const server = await startTestServer({ data, env: { ELASTIK_LOCK_WAIT: "20" } });
    try {
      const rowOf = async (name: string) => {
        const headers = { accept: "application/json" };
        const { text } = await server.send({ method: "GET", target: "/home/", headers });
        const rows: { name: string; version: number }[] = JSON.parse(text);
        return rows.find((row) => row.name === name);
      };
      assertEquals([(await rowOf("one"))?.version, (await rowOf("other3"))?.version], [0, 1]);
      other.exec("ROLLBACK");
      other.close();
      await eventually(async () => (await rowOf("one"))?.version === 1, "it is listed");
      const read = async () => (await get(server, "/home/one?raw")).text;
      await eventually(async () => await read() === "old", "it is read");
    } finally {
      await server.close();
    }
  }));

Deno.test("a transaction that another process reads in blocks no write and no checkpoint of the server", () =>
  withClosedWorld({ ELASTIK_LOCK_WAIT: "0" }, async (server) => {
    const other = openOne(server.data, "BEGIN");
    other.prepare("SELECT count(*) FROM events").get();
    const body = new Uint8Array(700_000);
    for (let i = 0; i < 5; i++) {
      assertEquals((await server.approve("PUT", "/home/one", body)).status, 200);
      assertEquals((await server.approve("PUT", OTHERS[i] ?? "", "new")).status, 200);
    }
    other.close();
    assertEquals((await get(server, "/home/one?raw")).body.length, body.length);
  }));
