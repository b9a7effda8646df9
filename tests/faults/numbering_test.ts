/**
 * A name never uses a version twice: a world that is created where one was deleted or moved away
 * continues the numbering, so that a stream, `?v=`, `If-Match` and `If-Modified-Since` cannot
 * mistake it for the earlier one. This survives restarts, SIGKILL and the loss of derived data.
 */

import { assert, assertEquals, assertMatch, assertNotEquals } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { approval, ServerProcess } from "./server_process.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const JSON_ONLY = { accept: "application/json" };

/** Starts a server on a folder for one step; ends it with a signal. */
async function withServer<T>(
  data: string,
  use: (server: ServerProcess, approve: Record<string, string>) => Promise<T>,
  signal: Deno.Signal = "SIGTERM",
): Promise<T> {
  const server = await ServerProcess.start({ data, env: { ELASTIK_SYNC: "normal" } });
  try {
    return await use(server, approval(data));
  } finally {
    await server.end(signal);
  }
}

async function put(server: ServerProcess, path: string, headers = {}, body = "x"): Promise<number> {
  const { status, text } = await server.ask(path, { method: "PUT", body, headers });
  assert(status === 200 || status === 201, `${path} ${status} ${text}`);
  return JSON.parse(text).version;
}

async function drop(server: ServerProcess, path: string, headers: Record<string, string>) {
  const { status, text } = await server.ask(path, { method: "DELETE", headers });
  assert(status === 200 || status === 204, text);
}

Deno.test("a world that is created where one was deleted continues the numbering", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    await withServer(data, async (server, approve) => {
      for (let i = 0; i < 3; i++) await put(server, "/home/x", {}, `old ${i}`);
      const old = await server.fetch("/home/x?raw");
      const tag = old.headers.get("etag") ?? "";
      const modified = old.headers.get("last-modified") ?? "";
      assertEquals(await old.text(), "old 2");
      await drop(server, "/home/x", approve);
      // The same bytes at once: only the version and the date differ.
      assertEquals(await put(server, "/home/x", {}, "old 2"), 4);
      const fresh = await server.fetch("/home/x?raw");
      assertEquals(await fresh.text(), "old 2");
      assertNotEquals(fresh.headers.get("etag"), tag);
      for (const headers of [{ "if-none-match": tag }, { "if-modified-since": modified }]) {
        assertEquals((await server.ask("/home/x?raw", { headers })).status, 200);
      }
      for (const query of ["?v=1", "?v=2", "?v=3"]) {
        assertEquals((await server.ask(`/home/x${query}`, { headers: JSON_ONLY })).status, 200);
      }
      for (const at of [1, 2, 3]) assertEquals((await server.ask(`/home/x?at=${at}`)).status, 410);
      for (const method of ["PUT", "POST", "DELETE"]) {
        const headers = { ...approve, "if-match": tag };
        const body = method === "DELETE" ? {} : { body: "lost" };
        assertEquals((await server.ask("/home/x", { method, headers, ...body })).status, 412);
      }
      assertEquals((await server.ask("/home/x?raw")).text, "old 2");
    });
  }));

Deno.test("the numbering survives restarts, SIGKILL and the loss of derived data", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    let expected = 0;
    const step = (signal: Deno.Signal) =>
      withServer(data, async (server, approve) => {
        assertEquals(await put(server, "/home/x"), ++expected);
        // By WebDAV every other time.
        await drop(server, expected % 2 === 0 ? "/home/x" : "/dav/home/x", approve);
        assertEquals((await server.ask("/home/x")).status, 404);
      }, signal);
    for (const signal of ["SIGTERM", "SIGKILL", "SIGKILL"] as const) await step(signal);
    for (const { name } of Deno.readDirSync(data)) {
      const kept = [".key", ".approve-token", ".trash", ".incoming"].includes(name);
      if (!kept && name.startsWith(".")) Deno.removeSync(`${data}/${name}`, { recursive: true });
    }
    await step("SIGTERM");
    // The ledger is rebuilt from the worlds in the trash, as after an update of the server.
    for (const { name } of Deno.readDirSync(`${data}/.trash`)) {
      if (name.startsWith(".")) Deno.removeSync(`${data}/.trash/${name}`);
    }
    await step("SIGKILL");
    // An operator empties the trash: `rm -rf data/.trash/*`.
    for (const { name } of Deno.readDirSync(`${data}/.trash`)) {
      if (!name.startsWith(".")) Deno.removeSync(`${data}/.trash/${name}`, { recursive: true });
    }
    await step("SIGTERM");
  }));

Deno.test("a moved world and the world after it have versions that their names never used", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const move = (server: ServerProcess, from: string, to: string, approve: object) =>
      server.ask(`/dav${from}`, {
        method: "MOVE",
        headers: { ...approve, destination: `/dav${to}` },
      });
    const versionOf = async (server: ServerProcess, path: string) =>
      JSON.parse((await server.ask(path, { headers: JSON_ONLY })).text).version;
    await withServer(data, async (server, approve) => {
      for (let i = 0; i < 2; i++) await put(server, "/home/a");
      for (let i = 0; i < 7; i++) await put(server, "/home/b", {}, `b${i}`);
      await drop(server, "/home/b", approve);
      assertEquals((await move(server, "/home/a", "/home/b", approve)).status, 201);
      assertEquals(await versionOf(server, "/home/b"), 8);
      // The versions of the moved world are kept, although the numbers have a gap.
      assertEquals((await server.ask("/home/b?at=1&raw")).text, "x");
      assertEquals((await server.ask("/home/b?at=5")).status, 410);
      assertEquals(await put(server, "/home/a"), 3);
    }, "SIGKILL");
    await withServer(data, async (server, approve) => {
      assertEquals(await put(server, "/home/a"), 4);
      for (let i = 0; i < 9; i++) await put(server, "/home/high");
      // Over an existing world.
      assertEquals((await move(server, "/home/high", "/home/a", approve)).status, 204);
      assertEquals(await versionOf(server, "/home/a"), 10);
      assertEquals((await server.ask("/home/a?at=4&raw")).text, "x");
      assertEquals(await put(server, "/home/high"), 10);
      const audit = JSON.parse((await server.ask("/proc/audit/home/a")).text);
      assertEquals([audit.ok, audit.version], [true, 10]);
    });
  }));

Deno.test("only the manual removal of a folder restarts the numbering of its name", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    await withServer(data, async (server) => {
      for (let i = 0; i < 3; i++) await put(server, "/home/x");
    });
    Deno.removeSync(`${data}/home%2Fx`, { recursive: true });
    await withServer(data, async (server) => assertEquals(await put(server, "/home/x"), 1));
  }));

Deno.test("a world whose folder was moved back from the trash does not repeat later versions", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const trash = await withServer(data, async (server, approve) => {
      await put(server, "/home/x");
      const { text } = await server.ask("/home/x", { method: "DELETE", headers: approve });
      for (let i = 0; i < 3; i++) await put(server, "/home/x");
      await drop(server, "/home/x", approve);
      return JSON.parse(text).trash[0];
    });
    assertMatch(trash, /^[\w-]+$/);
    Deno.renameSync(`${data}/.trash/${trash}/home%2Fx`, `${data}/home%2Fx`);
    await withServer(data, async (server) => {
      assertEquals(
        JSON.parse((await server.ask("/home/x", { headers: JSON_ONLY })).text).version,
        1,
      );
      assertEquals(await put(server, "/home/x"), 5);
      assertEquals(JSON.parse((await server.ask("/proc/audit/home/x")).text).ok, true);
    });
  }));

Deno.test("a lower-layer world that becomes visible again is newer than the world that covered it", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const path = "/usr/share/doc/http.md?raw";
    const cover = await withServer(data, async (server, approve) => {
      await put(server, "/usr/share/doc/http.md", approve, "cover");
      const found = await server.fetch(path);
      await found.text();
      await drop(server, "/usr/share/doc/http.md", approve);
      const since = { "if-modified-since": found.headers.get("last-modified") ?? "" };
      assertEquals((await server.ask(path, { headers: since })).status, 200);
      return since;
    });
    await withServer(data, async (server, approve) => {
      assertEquals((await server.ask(path, { headers: cover })).status, 200);
      assertEquals(await put(server, "/usr/share/doc/http.md", approve, "again"), 2);
    });
  }));

Deno.test("a start does not read the names of deleted worlds, and a creation looks one up", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const medianOf = async (server: ServerProcess, version: (i: number) => number, at: string) => {
      const times: number[] = [];
      for (let i = 0; i < 50; i++) {
        const start = performance.now();
        assertEquals(await put(server, `/home/${at}/${i + 1}`), version(i));
        times.push(performance.now() - start);
      }
      return times.sort((a, b) => a - b)[25] ?? Infinity;
    };
    let before = 0;
    await withServer(data, async (server, approve) => {
      await put(server, "/home/x");
      await drop(server, "/home/x", approve);
      before = await medianOf(server, () => 1, "few");
    });
    const ledger = new DatabaseSync(`${data}/.names.db`);
    ledger.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)
      INSERT INTO names SELECT 'home/deleted/' || i, i, '2026-01-01T00:00:00.000Z', '' FROM n`);
    ledger.close();
    await withServer(data, async (server) => {
      assertEquals(await put(server, "/home/deleted/299999"), 300000);
      assertEquals(await put(server, "/home/x"), 2);
      const median = await medianOf(server, (i) => i + 2, "deleted");
      // On a slow computer, in proportion to the same with few names.
      const most = Math.max(100, 10 * before);
      assert(
        median < most,
        `the creation of a world took ${median} ms, ${before} ms with few names`,
      );
    });
  }));

Deno.test("the numbering survives a trash that is emptied by hand, ledgers of 6.0 included", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const use = async (server: ServerProcess, approve: Record<string, string>) => {
      const version = await put(server, "/home/x");
      await drop(server, "/home/x", approve);
      return version;
    };
    assertEquals(await withServer(data, use), 1);
    Deno.removeSync(`${data}/.trash`, { recursive: true });
    assertEquals(await withServer(data, use), 2);
    // Version 6.0 had the ledger in the trash.
    Deno.renameSync(`${data}/.names.db`, `${data}/.trash/.names.db`);
    const running = await withServer(data, async (server, approve) => {
      // Under another name: the server can work in a folder that is being removed.
      Deno.renameSync(`${data}/.trash`, `${folder}/trash`);
      Deno.removeSync(`${folder}/trash`, { recursive: true });
      return [await use(server, approve), await use(server, approve)];
    });
    assertEquals(running, [3, 4]);
    assertEquals(exists(`${data}/.trash/.names.db`), false);
  }));

Deno.test("the numbering survives a ledger that is lost or damaged, moved names included", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const ledger = `${data}/.names.db`;
    const drop = () => {
      for (const end of ["", "-wal", "-shm"]) {
        if (exists(`${ledger}${end}`)) Deno.removeSync(`${ledger}${end}`);
      }
    };
    let used = 0;
    const create = async (server: ServerProcess, approve: Record<string, string>) => {
      for (const name of ["deleted", "moved"]) {
        const version = await put(server, `/home/${name}`);
        assert(version > used, `/home/${name} has version ${version} after ${used}`);
      }
      used = Math.max(used, 2) + 1;
      for (const path of ["/home/deleted", "/home/moved"]) {
        while (await put(server, path) < used);
      }
      assertEquals(
        (await server.ask("/home/deleted", { method: "DELETE", headers: approve })).status,
        200,
      );
      const headers = { ...approve, destination: `/dav/home/m${used}` };
      assertEquals((await server.ask("/dav/home/moved", { method: "MOVE", headers })).status, 201);
    };
    const damages: (() => void)[] = [
      drop,
      () => Deno.truncateSync(ledger, 0),
      () => Deno.writeTextFileSync(ledger, "not a ledger"),
      () => {
        drop();
        const other = new DatabaseSync(ledger);
        other.exec("CREATE TABLE names (x)");
        other.close();
      },
    ];
    for (const damage of damages) {
      await withServer(data, create);
      damage();
    }
    await withServer(data, async (server, approve) => {
      await create(server, approve);
      drop(); // while the server runs
      await create(server, approve);
    }, "SIGKILL");
    await withServer(data, create);
  }));

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
