/** Worlds whose folders an operator replaced by older copies while the server was stopped. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { toFolderName } from "../../lib/world/name.ts";
import { EventReader } from "../support/event_reader.ts";
import { withTempFolder } from "../support/temp_folder.ts";
import { startTestServer, type TestServer } from "../support/test_server.ts";

interface Row {
  readonly cursor: string;
  readonly name: string;
  readonly id: number;
  readonly payload: { readonly version_after?: number };
}

/** The file of a world; the server must be stopped. */
function worldFile(data: string, name: string): string {
  return `${data}/${toFolderName(name)}/universe.db`;
}

/** Replaces the folder of a world by a copy of its file. */
function restore(data: string, name: string, copy: Uint8Array): void {
  const folder = `${data}/${toFolderName(name)}`;
  Deno.removeSync(folder, { recursive: true });
  Deno.mkdirSync(folder);
  Deno.writeFileSync(`${folder}/universe.db`, copy);
}

async function put(server: TestServer, name: string, body: string, key?: string) {
  const headers: Record<string, string> = key === undefined ? {} : { "idempotency-key": key };
  const reply = await server.send({ method: "PUT", target: `/${name}`, body, headers });
  assert(reply.status === 200 || reply.status === 201, reply.text);
  return reply;
}

async function get(server: TestServer, target: string): Promise<string> {
  const { status, text } = await server.send({ method: "GET", target });
  assertEquals([target, status], [target, 200], text);
  return text;
}

async function changes(server: TestServer, query = ""): Promise<{ rows: Row[]; cursor: string }> {
  const { changes, cursor } = JSON.parse(await get(server, `/proc/changes/home/${query}`));
  return { rows: changes, cursor };
}

/**
 * Waits for changes as a reader that continues does, until each of some worlds has had one: the server
 * notices the older copies of its worlds one after the other.
 */
async function untilChanged(
  server: TestServer,
  after: string,
  names: readonly string[],
): Promise<void> {
  const missing = new Set(names);
  for (let cursor = after; missing.size > 0;) {
    const page = await changes(server, `?after=${cursor}&wait=60`);
    assert(page.rows.length > 0, `no change of ${[...missing]} in time`);
    for (const { name } of page.rows) missing.delete(name);
    cursor = page.cursor;
  }
}

function idsOf(rows: readonly Row[], name: string): number[] {
  return rows.filter((row) => row.name === name).map(({ id }) => id);
}

Deno.test("a server with older copies of some worlds has their events and all later ones in every feed", () =>
  withTempFolder(async (data) => {
    let server = await startTestServer({ data });
    const copies = new Map<string, Uint8Array>();
    const names = ["home/a", "home/b", "home/c"];
    for (const name of names) await put(server, name, "word1", `first-${name}`);
    await server.close();
    for (const name of names) copies.set(name, Deno.readFileSync(worldFile(data, name)));
    server = await startTestServer({ data });
    for (const name of names) {
      await put(server, name, "word2");
      await put(server, name, "word3", `third-${name}`);
    }
    const before = await changes(server);
    const used = new Set(before.rows.map(({ cursor }) => cursor));
    await server.close();
    for (const name of ["home/a", "home/b"]) {
      restore(data, name, copies.get(name) ?? new Uint8Array());
    }
    server = await startTestServer({ data });
    try {
      // A reader that continues gets both worlds as they are now.
      await untilChanged(server, before.cursor, ["home/a", "home/b"]);
      const since = await changes(server, `?after=${before.cursor}`);
      for (const { id, cursor } of since.rows) assertEquals([id, used.has(cursor)], [1, false]);
      const all = await changes(server);
      assertEquals(idsOf(all.rows, "home/a"), [1]);
      assertEquals(idsOf(all.rows, "home/c"), [1, 2, 3]);
      // The listing and the search follow the folders, too.
      assertEquals(JSON.parse(await get(server, "/home/a")).version, 1);
      const listed = JSON.parse(
        (await server.send({
          method: "GET",
          target: "/home/",
          headers: { accept: "application/json" },
        })).text,
      );
      const versions = listed.map(({ name, version }: Record<string, unknown>) => [name, version]);
      assertEquals(versions, [["a", 1], ["b", 1], ["c", 3]]);
      assertMatch(await get(server, "/proc/search/home/?q=word1"), /home\/a:1: word1/);
      assertMatch(await get(server, "/proc/search/home/?q=word3"), /^\/home\/c:1: word3\n?$/);
      // The request that is on disk is repeated; the one that the copy does not have runs again.
      const first = await put(server, "home/a", "word1", "first-home/a");
      assertMatch(first.head, /idempotent-replayed: true/i);
      const third = await put(server, "home/a", "word3", "third-home/a");
      assertEquals(/idempotent-replayed/i.test(third.head), false);
      // A waiting reader gets the next change, and every feed has it.
      const wait = changes(server, `?after=${all.cursor}&wait=60`);
      await put(server, "home/b", "word2 anew");
      const woken = await wait;
      assert(woken.rows.length > 0);
      const { rows } = await changes(server, `?after=${all.cursor}`);
      assertEquals(rows.map(({ name, id }) => `${name} ${id}`), ["home/a 2", "home/b 2"]);
      const log: Row[] = JSON.parse(await get(server, "/proc/log/home/"));
      assertEquals(idsOf(log, "home/a"), [2, 1]);
      assertEquals(idsOf(log, "home/b"), [2, 1]);
      const lines = server.log.filter((line) => line.includes("older copy"));
      assertEquals(lines.length, 2, server.log.join("\n"));
    } finally {
      await server.close();
    }
    // The state is the same after another start.
    server = await startTestServer({ data });
    try {
      const { rows } = await changes(server);
      assertEquals(idsOf(rows, "home/a"), [1, 2]);
      assertEquals(idsOf(rows, "home/b"), [1, 2]);
      assertEquals(new Set(rows.map(({ cursor }) => cursor)).size, rows.length);
    } finally {
      await server.close();
    }
  }));

Deno.test("a stream of a collection that continues sends a world that is an older copy of itself", () =>
  withTempFolder(async (data) => {
    let server = await startTestServer({ data });
    await put(server, "home/a", "1");
    await server.close();
    const copy = Deno.readFileSync(worldFile(data, "home/a"));
    server = await startTestServer({ data });
    await put(server, "home/a", "2");
    const { cursor } = await changes(server);
    await server.close();
    restore(data, "home/a", copy);
    server = await startTestServer({ data });
    try {
      await untilChanged(server, cursor, ["home/a"]);
      const url = `http://127.0.0.1:${server.port}/stream/home/`;
      const stream = await EventReader.open(url, { "last-event-id": cursor });
      const event = await stream.next();
      assertEquals(event?.type, "update");
      assertMatch(event?.data ?? "", /"name":"home\/a"[^]*"version":1,/);
      await stream.close();
    } finally {
      await server.close();
    }
  }));
