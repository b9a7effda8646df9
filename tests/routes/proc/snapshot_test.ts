import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { eventually } from "../../plugin/plugin_test_server.ts";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { verifyWorld } from "../../../lib/world/file/verify_world.ts";
import {
  APPROVE,
  bearer,
  CLOSED,
  KEY,
  suite,
  type TestServer,
  TOKEN,
} from "../../support/test_server.ts";
import { runScenarios, type Scenario } from "../../support/scenario.ts";

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);
const NEW_KEY = "0123456789abcdef".repeat(4);
const FSTAB = "remote https://example.com ro,bearer=upstream-5ecret\n";

const test = suite("/proc/snapshot sends copies of worlds over HTTP", { env: CLOSED });

/** Verifies a copy with a key. */
function faults(bytes: Uint8Array, key: string, name: string): readonly unknown[] {
  const db = new DatabaseSync(":memory:");
  try {
    db.deserialize(bytes);
    return verifyWorld(db, name, createChainSigner(key)).faults;
  } finally {
    db.close();
  }
}

async function put(server: TestServer, path: string, body: string): Promise<void> {
  const reply = await server.approve("PUT", path, body);
  assert(reply.status < 300, reply.text);
}

test("GET /proc/snapshot sends the whole file to callers that can read the world", async (server) => {
  await put(server, "/home/a%20b%25", "one");
  await put(server, "/home/a%20b%25", "two");
  const target = "/proc/snapshot/home/a%20b%25";
  const got = await server.send({ method: "GET", target });
  assertEquals(got.status, 200, got.text);
  assertEquals(got.headers.get("content-type"), "application/vnd.sqlite3");
  assertEquals(
    got.headers.get("content-disposition"),
    `attachment; filename="world.db"; filename*=UTF-8''a%20b%25.db; size=${got.body.length}`,
  );
  assertEquals(got.headers.get("content-length"), String(got.body.length));
  assertEquals(faults(got.body, KEY, "home/a b%"), []);
  const head = await server.send({ method: "HEAD", target });
  assertEquals([head.status, head.headers.get("content-length") ?? null], [200, null]);
});

test("POST /proc/snapshot signs the copy with the key in the body and does not reveal it", async (server) => {
  await put(server, "/home/x", "one");
  server.secrets.add(NEW_KEY);
  const target = "/proc/snapshot/home/x";
  const copy = await server.approve("POST", target, `${NEW_KEY}\n`);
  assertEquals(copy.status, 200, copy.text);
  assertEquals(faults(copy.body, NEW_KEY, "home/x"), []);
  assertEquals(faults(copy.body, KEY, "home/x").length, 1);
  const events = await server.send({ method: "GET", target: "/proc/log/home/x" });
  assertEquals(JSON.parse(events.text).length, 1);
  assertEquals(faults((await server.send({ method: "GET", target })).body, KEY, "home/x"), []);
});

test("/proc/snapshot shows no name that the caller cannot read", async (server) => {
  for (const path of ["/home/hid/copied", "/home/hid/moved", "/home/team/own"]) {
    await server.approve("PUT", path, path);
  }
  const transfers = [
    ["COPY", "hid/copied", "team/copied"],
    ["MOVE", "hid/moved", "team/moved"],
    ["MOVE", "team/own", "team/renamed"],
  ];
  for (const [method = "", from, to] of transfers) {
    const headers = { ...bearer(server.approveToken), destination: `/dav/home/${to}` };
    const reply = await server.send({ method, target: `/dav/home/${from}`, headers });
    assertEquals(reply.status, 201, reply.text);
  }
  const inside = bearer(server.capability("/home/team", "rw"));
  const statusOf = async (name: string, headers: Record<string, string>) => {
    const reply = await server.send({ method: "GET", target: `/proc/snapshot/${name}`, headers });
    if (reply.status === 403) {
      assertMatch(
        reply.text,
        /whose log names a world that the caller cannot read.* T3 is required/,
      );
    }
    assertEquals(reply.status === 403 && /hid/.test(reply.text), false);
    return reply.status;
  };
  assertEquals(await statusOf("home/team/renamed", inside), 200);
  for (const name of ["home/team/copied", "home/team/moved"]) {
    assertEquals(await statusOf(name, inside), 403);
    assertEquals(await statusOf(name, bearer(server.approveToken)), 200);
    assertEquals(await statusOf(name, {}), 200);
  }
});

test("/proc/snapshot requires the right to read the whole world", async (server, t) => {
  await put(server, "/home/x", "one");
  await put(server, "/etc/fstab", FSTAB);
  await put(server, "/etc/shadow", `ada:${"0".repeat(64)}\n`);
  const inside = bearer(server.capability("/home/x", "r"));
  const outside = bearer(server.capability("/home/y", "rw"));
  const rows: Scenario[] = [
    {
      title: "is allowed to a capability that covers it",
      send: "GET /proc/snapshot/home/x",
      as: inside,
      status: 200,
    },
    {
      title: "is refused to another capability",
      send: "GET /proc/snapshot/home/x",
      as: outside,
      status: 403,
    },
    ...["/etc/shadow", "/etc/Shadow", "/boot/env"].flatMap((path): Scenario[] => [
      { title: "is refused below T3", send: `GET /proc/snapshot${path}`, as: T2, status: 403 },
      { title: "is refused below T3", send: `HEAD /proc/snapshot${path}`, status: 401 },
    ]),
    {
      title: "is refused: the file contains secrets",
      send: "GET /proc/snapshot/etc/fstab",
      as: T2,
      status: 403,
      text: /Cannot copy \/etc\/fstab: the caller has T2; T3 is required/,
      lacks: ["upstream-5ecret"],
    },
    {
      title: "is refused: the file contains secrets",
      send: "GET /proc/snapshot/etc/fstab",
      as: bearer(server.capability("/etc", "rw")),
      status: 403,
    },
    { title: "is refused without a credential", send: "GET /proc/snapshot/etc/fstab", status: 401 },
    { title: "is allowed to T3", send: "GET /proc/snapshot/etc/fstab", as: T3, status: 200 },
    ...[T2, inside, bearer(server.capability("/", "rw"))].map((as): Scenario => ({
      title: "needs T3 to sign",
      send: "POST /proc/snapshot/home/x",
      as,
      body: NEW_KEY,
      status: 403,
    })),
    { title: "needs T3 to sign", send: "POST /proc/snapshot/home/x", body: NEW_KEY, status: 401 },
    ...["", "short", NEW_KEY.toUpperCase(), `${NEW_KEY}00`, `${NEW_KEY} x`].map((
      body,
    ): Scenario => ({
      title: "rejects a body that is not a key",
      send: "POST /proc/snapshot/home/x",
      as: T3,
      body,
      status: 400,
      lacks: body.length > 40 ? [body] : [],
    })),
    {
      title: "rejects a body that is not a key",
      send: "POST /proc/snapshot/home/x",
      as: T3,
      body: "a".repeat(1000),
      status: 413,
    },
  ];
  await runScenarios(t, server, rows);
});

test("/proc/snapshot answers 404, 400 and 405 to invalid requests", async (server, t) => {
  await runScenarios(t, server, [
    { title: "answers 404", send: "GET /proc/snapshot/home/none", status: 404 },
    { title: "answers 404", send: "HEAD /proc/snapshot/home/none", status: 404 },
    {
      title: "answers 404 for a lower-layer world",
      send: "GET /proc/snapshot/usr/share/doc/note.md",
      status: 404,
      text: /it is in the lower layer and has no file/,
    },
    { title: "rejects an invalid name", send: "GET /proc/snapshot/home", status: 400 },
    { title: "rejects an invalid name", send: "GET /proc/snapshot/proc/status", status: 400 },
    { title: "rejects an invalid name", send: "GET /proc/snapshot/..%2fetc/shadow", status: 400 },
    {
      title: "answers 405",
      send: "PUT /proc/snapshot/home/x",
      as: T3,
      body: "x",
      status: 405,
      has: { allow: "GET, HEAD, POST, OPTIONS" },
    },
    { title: "answers 405", send: "DELETE /proc/snapshot/home/x", as: T3, status: 405 },
  ]);
});

test("GET /proc/snapshot copies worlds under concurrent writes, each at one moment", async (server) => {
  const url = `http://127.0.0.1:${server.port}`;
  const line = "a line of sixty-four bytes, so that what is torn would show it.\n";
  let writing = true;
  const write = async () => {
    for (let i = 0; writing && i < 2000; i++) {
      const init = { method: "POST", body: line, headers: T2 };
      await (await fetch(`${url}/home/x`, init)).body?.cancel();
    }
  };
  await put(server, "/home/x", line);
  const writer = write();
  const versions: number[] = [];
  for (let i = 0; i < 20; i++) {
    const { body } = await server.approve("POST", "/proc/snapshot/home/x", NEW_KEY);
    assertEquals(faults(body, NEW_KEY, "home/x"), []);
    const db = new DatabaseSync(":memory:");
    db.deserialize(body);
    const row = db.prepare("SELECT version, length(stage_html) AS len FROM stage_meta").get();
    db.close();
    assertEquals(row?.len, Number(row?.version) * line.length);
    versions.push(Number(row?.version));
  }
  writing = false;
  await writer;
  assert((versions.at(-1) ?? 0) > (versions[0] ?? 0), "no write happened during the snapshots");
});

test("GET /proc/snapshot streams a long world from a file that is deleted afterwards", async (server) => {
  const url = `http://127.0.0.1:${server.port}/proc/snapshot/home/long`;
  const long = new Uint8Array(4_000_000).fill(0x61);
  await server.approve("PUT", "/home/long", long);
  for (let i = 0; i < 20; i++) await (await fetch(url)).body?.cancel();
  // A client can have 12 long copies, until the server notices that a reader has left.
  const copy = await eventually(async () => {
    const response = await fetch(url);
    if (response.ok) return await response.bytes();
    await response.body?.cancel();
  }, "a place for another copy");
  assertEquals(faults(copy, KEY, "home/long"), []);
  assert(copy.length > long.length);
  assertEquals([...Deno.readDirSync(`${server.data}/.incoming`)], []);
  assertMatch((await server.send({ method: "GET", target: "/proc/" })).text, /^snapshot\/$/m);
});
