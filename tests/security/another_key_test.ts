/**
 * A server that was started with another signing key does not append to a chain that does not verify
 * under its key. Every change of such a world is refused and leaves its file as it was; reads
 * continue; T3 can delete it without an event of the other key; worlds of this key are not affected.
 */

import { assertEquals, assertMatch } from "../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { eventually } from "../plugin/plugin_test_server.ts";
import {
  APPROVE,
  bearer,
  CLOSED,
  type TestServer,
  TOKEN,
  withServer,
} from "../support/test_server.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const OTHER = { ...CLOSED, ELASTIK_KEY: "0ther-k3y-5ecret-0f-the-test-server" };
const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);
const SOURCE = 'export const routes = ["/p"];\nexport default { fetch: () => new Response("p") };';

/** The events of a world on disk as one text. */
function eventsOf(data: string, folder: string): string {
  const db = new DatabaseSync(`${data}/${folder}/universe.db`);
  try {
    return JSON.stringify(db.prepare("SELECT * FROM events ORDER BY id").all());
  } finally {
    db.close();
  }
}

const put = (server: TestServer, target: string, body: string, headers = T2) =>
  server.send({ method: "PUT", target, headers, body });

/** Requests that change a world of the other key. */
const REFUSED: readonly [
  method: string,
  target: string,
  headers: Record<string, string>,
  body?: string,
][] = [
  ["PUT", "/home/old", T2, "new"],
  ["POST", "/home/old", T2, "new"],
  ["PUT", "/home/old?from=1", T2],
  ["PUT", "/dav/home/old", T2, "new"],
  ["MOVE", "/dav/home/old", { ...T3, destination: "/dav/home/elsewhere" }],
  ["MOVE", "/dav/home/mine", { ...T3, destination: "/dav/home/old" }],
  ["COPY", "/dav/home/mine", { ...T3, destination: "/dav/home/old" }],
  ["PUT", "/lib/p", T2, "export default {};"],
  ["PUT", "/lib/p/state", T3, "active"],
  [
    "PROPPATCH",
    "/dav/home/old",
    T3,
    '<propertyupdate xmlns="DAV:"><set><prop><x xmlns="y">1</x></prop></set></propertyupdate>',
  ],
];

Deno.test("a server with another key refuses to change the worlds of the first key", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    const names = ["home%2Fold", "home%2Fold2", "lib%2Fp"];
    await withServer({ data, env: CLOSED }, async (server) => {
      for (const body of ["1", "2"]) await put(server, "/home/old", body);
      await put(server, "/home/old2", "second");
      await put(server, "/lib/p", SOURCE);
    });
    const before = names.map((name) => eventsOf(data, name));
    let trash = "";
    await withServer({ data, env: OTHER }, async (server) => {
      assertEquals((await put(server, "/home/mine", "mine")).status, 201);
      for (const [method, target, headers, body] of REFUSED) {
        const request = { method, target, headers, ...(body === undefined ? {} : { body }) };
        const { status, text } = await server.send(request);
        assertEquals([method, target, status], [method, target, 409]);
        assertMatch(text, /other-key/, `${method} ${target}`);
      }
      const refused = await put(server, "/home/old", "new");
      assertEquals(JSON.parse(refused.text).type, "/usr/share/doc/problems/other-key.md");
      assertMatch(JSON.parse(refused.text).detail, /^Cannot write \/home\/old: another key signed/);
      // Reads, conditional requests and copies from it continue.
      const read = { method: "GET", target: "/home/old?raw", headers: T2 };
      assertEquals((await server.send(read)).text, "2");
      const headers = { ...T2, "if-match": '"9-0"' };
      assertEquals((await put(server, "/home/old", "x", headers)).status, 412);
      const copied = await server.send({
        method: "COPY",
        target: "/dav/home/old",
        headers: { ...T2, destination: "/dav/home/copy" },
      });
      assertEquals(copied.status, 201);
      const audit = await server.send({ ...read, target: "/proc/audit/home/old" });
      assertEquals([JSON.parse(audit.text).chain.ok, JSON.parse(audit.text).body.ok], [
        false,
        true,
      ]);
      // The operator is told at the start, at the first refusal and by a metric.
      await eventually(
        () =>
          Promise.resolve(
            server.log.find((line) => /^another key signed the events of \d+ of/.test(line)),
          ),
        "the check at the start is logged",
      );
      assertEquals(server.log.filter((line) => line.startsWith("refused to change")).length, 1);
      const metrics = await server.approve("GET", "/proc/metrics");
      assertMatch(metrics.text, /elastik_other_key_refusals_total 1\d\b/);
      // T3 can delete it.
      const deleted = await server.approve("DELETE", "/home/old2");
      assertEquals(deleted.status, 200, deleted.text);
      trash = JSON.parse(deleted.text).trash[0];
      assertEquals((await server.send({ ...read, target: "/home/old2" })).status, 404);
      assertEquals(JSON.parse((await put(server, "/home/old2", "mine")).text).version, 2);
    });
    assertEquals([
      eventsOf(data, "home%2Fold"),
      eventsOf(data, `.trash/${trash}/home%2Fold2`),
      eventsOf(data, "lib%2Fp"),
    ], before);
    await withServer({ data, env: CLOSED }, async (server) => {
      assertEquals((await put(server, "/home/old", "3")).status, 200);
      const audit = await server.approve("GET", "/proc/audit/home/old");
      assertEquals(JSON.parse(audit.text).ok, true);
      // A world of the second key is refused by the first.
      assertEquals((await put(server, "/home/mine", "x")).status, 409);
      // The name is free again after its deletion, also for the first key.
      await server.approve("DELETE", "/home/mine");
      assertEquals((await put(server, "/home/mine", "x")).status, 201);
    });
  }));

Deno.test("a world with an altered event can still be changed, and the audit reports the event", () =>
  withTempFolder(async (folder) => {
    const data = `${folder}/data`;
    await withServer({ data, env: CLOSED }, async (server) => {
      for (const body of ["1", "2", "3"]) {
        await put(server, "/home/middle", body);
        await put(server, "/home/newest", body);
      }
    });
    for (const [name, id] of [["middle", 2], ["newest", 3]] as const) {
      const db = new DatabaseSync(`${data}/home%2F${name}/universe.db`);
      db.prepare("UPDATE events SET payload = '{}' WHERE id = ?").run(id);
      db.close();
    }
    await withServer({ data, env: CLOSED }, async (server) => {
      for (const [name, id] of [["middle", 2], ["newest", 3]] as const) {
        assertEquals((await put(server, `/home/${name}`, "4")).status, 200);
        const audit = await server.approve("GET", `/proc/audit/home/${name}`);
        assertEquals(JSON.parse(audit.text).chain.broken_at, id);
      }
      assertEquals(server.log.filter((line) => line.includes("another key")), []);
    });
  }));
