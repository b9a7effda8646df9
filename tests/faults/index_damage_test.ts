/** Damage of the change index while the server runs: it is created again, and no answer is wrong. */

import { assert, assertEquals } from "../support/assert.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { startTestServer, type TestServer } from "../support/test_server.ts";
import { eventually } from "../plugin/plugin_test_server.ts";

/** What another program can do to the file, by name. */
const DAMAGE: Readonly<Record<string, (path: string) => void>> = {
  "is cut to nothing": (path) => Deno.truncateSync(path, 0),
  "is cut": (path) => Deno.truncateSync(path, Math.floor(Deno.statSync(path).size / 2)),
  "is overwritten": (path) => {
    using file = Deno.openSync(path, { write: true });
    file.writeSync(new Uint8Array(file.statSync().size).fill(255));
  },
  "is overwritten after its header": (path) => {
    using file = Deno.openSync(path, { write: true });
    file.seekSync(4096, Deno.SeekMode.Start);
    file.writeSync(new Uint8Array(Math.max(0, file.statSync().size - 4096)).fill(255));
  },
  "is text": (path) => Deno.writeTextFileSync(path, "not a database"),
  "is removed": (path) => Deno.removeSync(path),
  "is removed with its log": (path) => {
    Deno.removeSync(path);
    Deno.removeSync(`${path}-wal`);
  },
  "is a folder": (path) => {
    Deno.removeSync(path);
    Deno.mkdirSync(`${path}/x`, { recursive: true });
  },
  "is a link": (path) => {
    Deno.renameSync(path, `${path}.moved`);
    Deno.symlinkSync(`${path}.moved`, path);
  },
  "is a pipe": (path) => {
    Deno.removeSync(path);
    new Deno.Command("mkfifo", { args: [path] }).outputSync();
  },
  "has no log": (path) => Deno.truncateSync(`${path}-wal`, 0),
  "has an overwritten log": (path) => {
    using file = Deno.openSync(`${path}-wal`, { write: true });
    file.writeSync(new Uint8Array(file.statSync().size).fill(255));
  },
};

interface Row {
  readonly name: string;
  readonly id: number;
}

async function put(server: TestServer, name: string, body: string, key: string) {
  const headers = { "idempotency-key": key };
  return await server.send({ method: "PUT", target: `/home/${name}`, body, headers });
}

/** Reads all changes; undefined if the server refuses it for now. */
async function readAll(server: TestServer): Promise<readonly string[] | undefined> {
  const target = "/proc/changes/home/?limit=1000";
  const { status, head, text } = await server.send({ method: "GET", target });
  if (status === 503) {
    assert(/^retry-after: \d/im.test(head), head);
    return undefined;
  }
  assertEquals(status, 200, text);
  const { changes }: { changes: Row[] } = JSON.parse(text);
  return changes.map(({ name, id }) => `${name} ${id}`).sort();
}

async function cursorOf(server: TestServer): Promise<string> {
  const { text } = await server.send({ method: "GET", target: "/proc/changes/home/?after=now" });
  return JSON.parse(text).cursor;
}

for (const [what, damage] of Object.entries(DAMAGE)) {
  Deno.test({
    name: `an index of changes that ${what} while clients read, wait and write is created again`,
    ignore: Deno.build.os === "windows",
    fn: () => withTempFolder((folder) => testDamage(`${folder}/data`, damage)),
  });
}

async function testDamage(data: string, damage: (path: string) => void): Promise<void> {
  Deno.mkdirSync(data);
  const server = await startTestServer({ data });
  try {
    const expected = new Set<string>();
    for (let at = 0; at < 20; at++) {
      const { status, text } = await put(server, `${at % 5}`, `${at}`, `key-${at}`);
      assert(status < 300, text);
      expected.add(`home/${at % 5} ${Math.floor(at / 5) + 1}`);
    }
    assertEquals(await readAll(server), [...expected].sort());
    const cursor = await cursorOf(server);
    damage(`${data}/.changes.db`);
    const wait = server.send({
      method: "GET",
      target: `/proc/changes/home/?after=${cursor}&wait=5`,
    });
    let isWriting = true;
    const reader = (async () => {
      while (isWriting) {
        const known = [...expected];
        const found = await readAll(server);
        if (found === undefined) continue;
        for (const row of known) assert(found.includes(row), `${row} is missing`);
      }
    })();
    const writers = ["w", "x"].map(async (name) => {
      for (let id = 1; id <= 5; id++) {
        const { status, head, text } = await put(server, name, `${id}`, `${name}-${id}`);
        assert(status < 300, text);
        assert(!/idempotent-replayed/i.test(head), head);
        expected.add(`home/${name} ${id}`);
        const again = await put(server, name, `${id}`, `${name}-${id}`);
        assert(/idempotent-replayed: true/i.test(again.head), again.head + again.text);
      }
    });
    await Promise.all(writers).finally(() => isWriting = false);
    await reader;
    // A reader that waits hears of a change, or that its cursor is not known any more.
    const waited = await wait;
    assert([200, 410].includes(waited.status), waited.text);
    assertEquals(await readAll(server), [...expected].sort());
    // Repeated requests from before the damage change nothing.
    for (let at = 15; at < 20; at++) {
      const again = await put(server, `${at % 5}`, `${at}`, `key-${at}`);
      assert(/idempotent-replayed: true/i.test(again.head), again.head + again.text);
    }
    const log = JSON.parse(
      (await server.send({ method: "GET", target: "/proc/log/home/?limit=1000" })).text,
    );
    assertEquals(log.length, expected.size);
    const lines = server.log.filter((line) => line.includes("index of changes"));
    assert(lines.length <= 1, lines.join("\n"));
    if (lines.length === 1) {
      const { status } = await server.send({
        method: "GET",
        target: `/proc/changes/home/?after=${cursor}`,
      });
      assertEquals(status, 410);
    }
  } finally {
    await server.close();
  }
}

Deno.test("an older copy of the index in its place while the server runs repeats no request", () =>
  withTempFolder(async (data) => {
    let server = await startTestServer({ data });
    assertEquals((await put(server, "a", "1", "first")).status, 201);
    await readAll(server);
    await server.close();
    const older = Deno.readFileSync(`${data}/.changes.db`);
    server = await startTestServer({ data });
    try {
      assertEquals((await put(server, "a", "2", "second")).status, 200);
      assertEquals(await readAll(server), ["home/a 1", "home/a 2"]);
      Deno.writeFileSync(`${data}/.changes.db`, older);
      const again = await put(server, "a", "2", "second");
      assert(/idempotent-replayed: true/i.test(again.head), again.head + again.text);
      assertEquals(await readAll(server), ["home/a 1", "home/a 2"]);
    } finally {
      await server.close();
    }
  }));

Deno.test("an index of changes that cannot be created again refuses each query until it can", () =>
  withTempFolder(async (data) => {
    const server = await startTestServer({ data });
    const path = `${data}/.changes.db`;
    try {
      assertEquals((await put(server, "a", "1", "first")).status, 201);
      await readAll(server);
      // SQLite opens no file whose journal is a folder, and the server does not remove it.
      Deno.mkdirSync(`${path}-journal`);
      Deno.removeSync(path);
      const wait = server.send({ method: "GET", target: "/proc/changes/home/?after=now&wait=60" });
      const { status } = await server.send({ method: "PUT", target: "/home/b", body: "1" });
      assertEquals(status, 201);
      assertEquals(await readAll(server), undefined);
      assertEquals((await put(server, "c", "1", "second")).status, 503);
      assertEquals((await wait).status, 503);
      assertEquals((await server.send({ method: "GET", target: "/stream/home/" })).status, 503);
      assertEquals((await server.send({ method: "GET", target: "/home/b" })).status, 200);
      Deno.removeSync(`${path}-journal`);
      const all = await eventually(() => readAll(server), "the index is created again");
      assertEquals(all, ["home/a 1", "home/b 1"]);
      assertEquals((await put(server, "c", "1", "second")).status, 201);
      const lines = server.log.filter((line) => line.includes("index of changes"));
      assertEquals(lines.length, 2, lines.join("\n"));
    } finally {
      await server.close();
    }
  }));
