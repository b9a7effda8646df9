/**
 * Many concurrent clients of one world over HTTP: no conditional write is lost, no append is lost,
 * and readers never see a partial write.
 */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../support/assert.ts";
import { bearer, CLOSED, suite, type TestServer, TOKEN } from "../support/test_server.ts";
import { Wire } from "../support/wire.ts";

const test = suite("GET, PUT, POST and DELETE /<world> are consistent for concurrent clients", {
  env: CLOSED,
});

const T2 = bearer(TOKEN);
const CLIENTS = 32;

/** Runs an action of each client on its own connection. */
async function together<T>(server: TestServer, act: (wire: Wire, who: number) => Promise<T>) {
  return await Promise.all(Array.from({ length: CLIENTS }, async (_, who) => {
    const wire = new Wire(server.port);
    try {
      return await act(wire, who);
    } finally {
      wire.close();
    }
  }));
}

test("PUT with If-Match applies exactly as many increments as it acknowledged", async (server) => {
  const target = "/home/counter";
  await server.send({ method: "PUT", target, headers: T2, body: "0" });
  const counts = await together(server, async (wire, who) => {
    const count = { won: 0, lost: 0 };
    for (let tries = 0; tries < 12; tries++) {
      // Half of the clients read JSON, half the bytes; both tags and the version must work.
      const raw = who % 2 === 0;
      const read = await wire.send({ method: "GET", target: raw ? `${target}?raw` : target });
      const value = raw ? read.text : JSON.parse(read.text).stage_html;
      const tag = read.headers.get("etag") ?? "";
      const seen = who % 3 === 0 ? `"${tag.slice(1).split("-")[0]}"` : tag;
      const { status } = await wire.send({
        method: "PUT",
        target,
        headers: { ...T2, "if-match": seen },
        body: String(Number(value) + 1),
      });
      assert(status === 200 || status === 412, String(status));
      if (status === 200) count.won++;
      else count.lost++;
    }
    return count;
  });
  const won = counts.reduce((sum, count) => sum + count.won, 0);
  const lost = counts.reduce((sum, count) => sum + count.lost, 0);
  assertStrictEquals(won + lost, CLIENTS * 12);
  assert(won >= 12 && lost > 0, `${won} won, ${lost} lost`);
  const { text } = await server.send({ method: "GET", target });
  assertEquals([JSON.parse(text).stage_html, JSON.parse(text).version], [
    String(won),
    won + 1,
  ]);
  await server.audit();
});

test("POST loses no append of concurrent clients", async (server) => {
  const target = "/home/log";
  const versions = await together(server, async (wire, who) => {
    const mine: number[] = [];
    for (let i = 0; i < 10; i++) {
      const body = `${who}:${i}\n`;
      const reply = await wire.send({ method: "POST", target, headers: T2, body });
      assert(reply.status === 200 || reply.status === 201, reply.text);
      mine.push(JSON.parse(reply.text).version);
    }
    return mine;
  });
  const { text } = await server.send({ method: "GET", target: `${target}?raw` });
  const lines = text.trim().split("\n");
  assertStrictEquals(lines.length, CLIENTS * 10);
  assertStrictEquals(new Set(lines).size, CLIENTS * 10);
  assertEquals(
    versions.flat().sort((a, b) => a - b),
    Array.from({ length: CLIENTS * 10 }, (_, i) => i + 1),
  );
  // The first line of each client comes before its second.
  for (let who = 0; who < CLIENTS; who++) {
    const own = lines.filter((line) => line.startsWith(`${who}:`));
    assertEquals(own, Array.from({ length: 10 }, (_, i) => `${who}:${i}`));
  }
  await server.audit();
});

test("PUT with If-None-Match creates a world for exactly one client", async (server) => {
  const headers = { ...T2, "if-none-match": "*" };
  const statuses = await together(server, async (wire, who) => {
    const sent = { method: "PUT", target: "/home/first", headers, body: `by ${who}` };
    return (await wire.send(sent)).status;
  });
  assertEquals(statuses.filter((status) => status === 201).length, 1);
  assertStrictEquals(statuses.filter((status) => status === 412).length, CLIENTS - 1);
  const winner = statuses.indexOf(201);
  const { text } = await server.send({ method: "GET", target: "/home/first?raw" });
  assertEquals(text, `by ${winner}`);
});

test("GET returns a whole version while the world is replaced", async (server) => {
  const target = "/home/whole";
  const body = (letter: string) => letter.repeat(50_000);
  await server.send({ method: "PUT", target, headers: T2, body: body("a") });
  await together(server, async (wire, who) => {
    for (let i = 0; i < 10; i++) {
      if (who % 8 === 0) {
        const letter = String.fromCharCode(97 + (who + i) % 26);
        const sent = { method: "PUT", target, headers: T2, body: body(letter) };
        assertEquals((await wire.send(sent)).status, 200);
      } else {
        const { text, headers } = await wire.send({ method: "GET", target: `${target}?raw` });
        assertStrictEquals(text, body(text[0] ?? "-"));
        assertMatch(headers.get("etag") ?? "", /^"\d+-[0-9a-f]{16}\.raw"$/);
      }
    }
  });
  await server.audit();
});

test("GET returns what the same client has just written", async (server) => {
  await together(server, async (wire, who) => {
    for (let i = 0; i < 10; i++) {
      const target = `/home/own/${who}`;
      const written = await wire.send({
        method: "PUT",
        target,
        headers: T2,
        body: `${who} ${i}`,
      });
      const read = await wire.send({ method: "GET", target: `${target}?raw` });
      assertEquals(read.text, `${who} ${i}`);
      assertStrictEquals(read.headers.get("etag"), written.headers.get("etag"));
      const listed = await wire.send({ method: "GET", target: "/home/own/" });
      assert(listed.text.split("\n").includes(String(who)));
    }
  });
});

test("DELETE and PUT of one name exclude each other", async (server) => {
  await together(server, async (wire, who) => {
    const target = `/home/d/${who % 4}`;
    for (let i = 0; i < 8; i++) {
      const approve = { authorization: `Bearer ${server.approveToken}` };
      const method = who % 3 === 0 ? "DELETE" : "PUT";
      const sent = {
        method,
        target,
        headers: approve,
        ...(method === "PUT" ? { body: "x" } : {}),
      };
      const { status, text } = await wire.send(sent);
      assert([200, 201, 404].includes(status), `${method} ${status} ${text}`);
    }
  });
  await server.audit();
  for (let i = 0; i < 4; i++) {
    const target = `/home/d/${i}`;
    await server.approve("PUT", target, "last");
    assertEquals((await server.send({ method: "GET", target: `${target}?raw` })).text, "last");
  }
  assertEquals(server.log, []);
});
