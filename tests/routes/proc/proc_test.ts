/**
 * `/proc` over HTTP: the events of each change, pages of a long log, the audit of tampered worlds,
 * and nothing that the caller cannot read.
 */

import { assert, assertEquals, assertMatch, assertStrictEquals } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { createChainSigner, GENESIS } from "../../../lib/world/event_chain.ts";
import {
  APPROVE,
  basic,
  bearer,
  CLOSED,
  KEY,
  oneServerTest,
  startTestServer,
  suite,
  type TestServer,
  TOKEN,
} from "../../support/test_server.ts";
import type { Caller } from "../../../lib/auth/caller.ts";
import { parseTarget } from "../../../lib/http/path.ts";
import { withApp } from "../../support/app.ts";
import { withCalls } from "../../support/store_calls.ts";
import { runScenarios, type Scenario } from "../../support/scenario.ts";
import { sha256Hex } from "../../../lib/base/hash.ts";

const test = suite("/proc sends status, event logs, audits and lists over HTTP", { env: CLOSED });

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);
const JSON_TYPE = { accept: "application/json" };

const ABOUT: readonly Scenario[] = [
  {
    title: "lists its routes",
    send: "GET /proc/",
    status: 200,
    text:
      "audit/\nchanges/\nhealth\nlog/\nmetrics\nnodes\nplugins\nsearch/\nsnapshot/\nsource/\nstatus\ntrash/\nuptime\nusage/\nversion\nworlds\n",
  },
  {
    title: "sends the facts as JSON",
    send: "GET /proc/status",
    status: 200,
    text:
      /^\{"pid":\d+,"uptime":[\d.]+,"worlds":\d+,"plugins":0,"max_body":5242880,"version":"\d+\.\d+\.\d+"\}\n$/,
    has: { "content-type": "application/json", "cache-control": "no-store", vary: "Accept" },
  },
  {
    title: "sends one line per fact",
    send: "GET /proc/status",
    headers: { accept: "text/plain" },
    status: 200,
    text: /^pid \d+\nuptime [\d.]+\nworlds \d+\nplugins 0\nmax_body 5242880\nversion [\d.]+\n$/,
  },
  {
    title: "sends a line",
    send: "GET /proc/uptime",
    status: 200,
    text: /^\d+(\.\d+)?\n$/,
    has: { "content-type": "text/plain; charset=utf-8", vary: "Accept" },
  },
  {
    title: "sends a number",
    send: "GET /proc/uptime",
    headers: JSON_TYPE,
    status: 200,
    text: /^[\d.]+\n$/,
  },
  {
    title: "sends a string",
    send: "GET /proc/version",
    headers: JSON_TYPE,
    status: 200,
    text: /^"[\d.]+"\n$/,
  },
  ...[
    "/proc",
    "/proc/status",
    "/proc/uptime",
    "/proc/version",
    "/proc/worlds",
    "/proc/audit/home/x",
    "/proc/log/home/x",
  ]
    .flatMap((path): Scenario[] => [
      {
        title: "answers 405",
        send: `PUT ${path}`,
        as: T3,
        body: "x",
        status: 405,
        has: { allow: "GET, HEAD, OPTIONS" },
      },
      { title: "answers 405", send: `DELETE ${path}`, as: T3, status: 405 },
      {
        title: "answers 405",
        send: `OPTIONS ${path}`,
        status: 204,
        has: { allow: "GET, HEAD, OPTIONS" },
      },
    ]),
  { title: "answers 404: no such world", send: "GET /proc/audit/home/absent", status: 404 },
  { title: "answers 404: no such world", send: "GET /proc/log/home/absent", status: 404 },
  { title: "rejects an invalid name", send: "GET /proc/audit/home", status: 400 },
  { title: "rejects an invalid name", send: "GET /proc/audit/proc/status", status: 400 },
  { title: "rejects an invalid name", send: "GET /proc/log/nowhere/x", status: 400 },
  { title: "rejects an invalid name", send: "GET /proc/log/..%2fetc/shadow", status: 400 },
  { title: "answers 400 to an invalid page", send: "GET /proc/log/home/x?limit=x", status: 400 },
  { title: "answers 400 to an invalid page", send: "GET /proc/log/home/x?limit=1001", status: 400 },
  { title: "answers 400 to an invalid page", send: "GET /proc/log/home/x?before=-1", status: 400 },
];

test(
  "GET /proc/status, /proc/uptime and /proc/version describe the server",
  (server, t) => runScenarios(t, server, ABOUT),
);

interface Event {
  readonly id: number;
  readonly timestamp: string;
  readonly type: string;
  readonly payload: unknown;
  readonly hmac: string;
  readonly prev_hmac: string;
}

async function log(
  server: TestServer,
  path: string,
): Promise<{ events: Event[]; link?: string }> {
  const reply = await server.send({ method: "GET", target: path });
  assertEquals(reply.status, 200, reply.text);
  const link = reply.headers.get("link");
  return { events: JSON.parse(reply.text), ...(link === undefined ? {} : { link }) };
}

test("GET /proc/log sends a chain that the key can verify by hand", async (server) => {
  await server.send({
    method: "PUT",
    target: "/home/d",
    headers: { ...T2, "x-meta-a": "1" },
    body: "Mon",
  });
  await server.send({ method: "POST", target: "/home/d", headers: T2, body: "Tue" });
  const cap = server.capability("/home/d", "rw");
  await server.send({ method: "PUT", target: "/home/d", headers: bearer(cap), body: "Wed" });
  const { events, link } = await log(server, "/proc/log/home/d");
  assertEquals(link, undefined);
  assertEquals(events.map(({ id, type }) => [id, type]), [
    [3, "stage_written"],
    [2, "stage_appended"],
    [1, "stage_written"],
  ]);
  assertEquals(events.map(({ payload }) => payload), [
    {
      op: "put",
      len: 3,
      ext: "txt",
      version_after: 3,
      meta_headers: [],
      body_sha256_after: sha256Hex("Wed"),
      by: "cap:/home/d",
    },
    {
      op: "append",
      append_len: 3,
      append_sha256: sha256Hex("Tue"),
      version_after: 2,
      body_sha256_after: sha256Hex("MonTue"),
      meta_headers: [],
      by: "T2",
    },
    {
      op: "put",
      len: 3,
      ext: "txt",
      version_after: 1,
      meta_headers: [["x-meta-a", "1"]],
      body_sha256_after: sha256Hex("Mon"),
      by: "T2",
      name: "home/d",
    },
  ]);
  const seal = createChainSigner(KEY);
  let previous = GENESIS;
  const db = new DatabaseSync(`${server.data}/home%2Fd/universe.db`, { readOnly: true });
  const texts = db.prepare("SELECT payload FROM events ORDER BY id").all();
  db.close();
  for (const [i, event] of events.reverse().entries()) {
    assertStrictEquals(event.prev_hmac, previous);
    const payload = String(texts[i]?.payload);
    assertStrictEquals(event.hmac, seal(previous, event.timestamp, event.type, payload));
    assertMatch(event.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    previous = event.hmac;
  }
});

test("GET /proc/log links each page to the next until the first event", async (server) => {
  const path = "/home/caf%C3%A9%20log";
  for (let i = 1; i <= 57; i++) {
    await server.send({ method: "POST", target: path, headers: T2, body: "." });
  }
  const ids: number[] = [];
  const sizes: number[] = [];
  let next: string | undefined = `/proc/log${path}?limit=20`;
  while (next !== undefined) {
    const page = await log(server, next);
    ids.push(...page.events.map(({ id }) => id));
    sizes.push(page.events.length);
    next = page.link === undefined ? undefined : /^<([^>]*)>; rel="next"$/.exec(page.link)?.[1];
  }
  assertEquals(sizes, [20, 20, 17]);
  assertEquals(ids, Array.from({ length: 57 }, (_, i) => 57 - i));
  const withoutLimit = await log(server, `/proc/log${path}`);
  assertEquals([withoutLimit.events.length, withoutLimit.link], [
    50,
    `</proc/log${path}?before=8&limit=50>; rel="next"`,
  ]);
  const exact = await log(server, `/proc/log${path}?limit=57`);
  assertEquals([exact.events.length, exact.link], [57, undefined]);
  assertEquals((await log(server, `/proc/log${path}?before=1`)).events.length, 0);
  assertEquals((await log(server, `/proc/log${path}?limit=0`)).events.length, 0);
});

/** Changes to a world file with sqlite3 while the server is stopped, and the expected audit. */
const TAMPERING: readonly (readonly [name: string, sql: string, found: RegExp])[] = [
  ["bytes", "UPDATE stage_meta SET stage_html = X'00'", /"body":\{"ok":false/],
  ["version", "UPDATE stage_meta SET version = 9", /"body":\{"ok":false.*version 9/],
  [
    "payload",
    `UPDATE events SET payload = replace(payload, '"by":"T2"', '"by":"T3"') WHERE id = 2`,
    /"broken_at":2/,
  ],
  ["type", "UPDATE events SET event_type = 'nothing' WHERE id = 2", /"broken_at":2/],
  [
    "time",
    "UPDATE events SET timestamp = '2020-01-01T00:00:00.000Z' WHERE id = 1",
    /"broken_at":1/,
  ],
  ["hmac", `UPDATE events SET hmac = '${"0".repeat(64)}' WHERE id = 3`, /"broken_at":3/],
  ["link", `UPDATE events SET prev_hmac = '${"0".repeat(64)}' WHERE id = 3`, /"broken_at":3/],
  ["removal", "DELETE FROM events WHERE id = 2", /"broken_at":3.*event 2 is missing/],
  ["beginning", "DELETE FROM events WHERE id = 1", /"broken_at":2/],
  ["end", "DELETE FROM events WHERE id = 3", /"ok":false/],
  ["all", "DELETE FROM events", /"ok":false/],
  ["order", "UPDATE events SET id = id + 10", /"broken_at":11/],
  [
    "forgery",
    `INSERT INTO events SELECT 4, timestamp, event_type, payload, hmac, prev_hmac FROM events WHERE id = 3`,
    /"broken_at":4/,
  ],
];

const TAMPERED = "it changes files of worlds";

oneServerTest(
  "GET /proc/audit finds what was changed while the server was stopped",
  TAMPERED,
  async (t) => {
    const folder = await Deno.makeTempDir({ prefix: "elastik-test-" });
    try {
      const data = `${folder}/data`;
      const first = await startTestServer({ env: CLOSED, data });
      for (const [name] of [...TAMPERING, ["untouched"]]) {
        for (const body of ["one", "two", "three"]) {
          await first.send({ method: "PUT", target: `/home/${name}`, headers: T2, body });
        }
      }
      await first.audit();
      await first.stop();
      for (const [name, sql] of TAMPERING) {
        const db = new DatabaseSync(`${data}/home%2F${name}/universe.db`);
        db.exec(sql);
        db.close();
      }
      const second = await startTestServer({ env: CLOSED, data });
      for (const [name, , found] of TAMPERING) {
        await t.step(`tampering with ${name}`, async () => {
          const { status, text } = await second.send({
            method: "GET",
            target: `/proc/audit/home/${name}`,
          });
          assertEquals(status, 200);
          assertMatch(text, /"ok":false/);
          assertMatch(text, found);
        });
      }
      const untouched = await second.send({ method: "GET", target: "/proc/audit/home/untouched" });
      assertEquals(JSON.parse(untouched.text), {
        name: "home/untouched",
        ok: true,
        events: 3,
        version: 3,
        named: true,
        chain: { ok: true },
        body: { ok: true, sha256: sha256Hex("three"), expected: sha256Hex("three") },
      });
      await second.stop();
      const otherKey = await startTestServer({ env: { ...CLOSED, ELASTIK_KEY: "another" }, data });
      const { text } = await otherKey.send({ method: "GET", target: "/proc/audit/home/untouched" });
      assertMatch(text, /"ok":false.*"broken_at":1/);
      await otherKey.stop();
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
);

test("GET /proc/worlds lists the worlds that the caller can read", async (server) => {
  await server.approve("PUT", "/etc/shadow", "x:y");
  await server.approve("PUT", "/etc/passwd", "x:T1");
  await server.approve("PUT", "/home/a/b", "1");
  await server.approve("PUT", "/home/ab", "2");
  const seen = async (headers: Record<string, string>) =>
    (await server.send({
      method: "GET",
      target: "/proc/worlds",
      headers: { accept: "text/plain", ...headers },
    })).text;
  const lower =
    "usr/bin/boot\nusr/lib/shell/app.js\nusr/lib/shell/index.html\nusr/share/doc/note.md\n";
  const boot = server.bootFolders.flatMap((folder) =>
    ["env", "plugins"].map((name) => `${folder.slice(1)}/${name}\n`)
  ).join("");
  const all = `etc/passwd\nhome/a/b\nhome/ab\n${lower}`;
  assertStrictEquals(await seen({}), all);
  assertStrictEquals(await seen(T2), all);
  assertStrictEquals(await seen(basic("x", "wrong")), all);
  assertEquals(
    await seen(T3),
    `${boot}${all.replace("etc/passwd\n", "etc/passwd\netc/shadow\n")}`,
  );
  assertEquals(await seen(bearer(server.capability("/home/a", "r"))), `home/a/b\n${lower}`);
  assertEquals(await seen(bearer(server.capability("/etc", "rw"))), `etc/passwd\n${lower}`);
  assertStrictEquals(await seen(bearer(server.capability("/boot", "rw"))), lower);
  const rows: unknown = JSON.parse(await seen({ ...T3, ...JSON_TYPE }));
  assert(Array.isArray(rows));
  const row = rows.find(({ name }) => name === "home/a/b");
  assertEquals(Object.keys(row), [
    "name",
    "dir",
    "version",
    "ext",
    "len",
    "updated_at",
    "by",
    "layer",
  ]);
  const { version, ext, len, layer, by } = row;
  assertEquals([version, ext, len, layer, by], [1, "txt", 1, "upper", "T3"]);
});

test("GET /proc/log and /proc/audit replace the hashes of /etc/fstab below T3", async (server) => {
  const body = "https://a /mnt/a bearer=guess-me";
  await server.approve("PUT", "/etc/fstab", body);
  await server.approve("POST", "/etc/fstab", "\nhttps://b /mnt/b bearer=me-too");
  const hashes = [sha256Hex(body), sha256Hex("\nhttps://b /mnt/b bearer=me-too")];
  for (const target of ["/proc/log/etc/fstab", "/proc/audit/etc/fstab", "/etc/fstab", "/etc/"]) {
    for (const headers of [{}, T2, bearer(server.capability("/etc", "rw"))]) {
      const { head, text, status } = await server.send({ method: "GET", target, headers });
      assertEquals(status, 200);
      for (const hash of hashes) assert(!`${head}${text}`.includes(hash.slice(0, 16)), target);
      assert(!/[0-9a-f]{64}/.test(text.replaceAll(/"(prev_)?hmac":"[0-9a-f]{64}"/g, "")), text);
    }
  }
  const log = await server.send({ method: "GET", target: "/proc/log/etc/fstab" });
  assertMatch(log.text, /"append_sha256":"\*\*\*".*"body_sha256_after":"\*\*\*"/);
  assertMatch(
    (await server.approve("GET", "/proc/log/etc/fstab")).text,
    new RegExp(hashes[0] ?? "-"),
  );
  assertMatch(
    (await server.send({ method: "GET", target: "/proc/audit/etc/fstab" })).text,
    /"ok":true/,
  );
});

Deno.test("GET /proc/status shows the state of a shared database to T2 and T3, its address to T3", async () => {
  const cluster = {
    primary: "10.0.0.7:5432",
    timeline: 3,
    leaseAgeMs: 250,
    feedLagMs: Infinity,
    sessions: 9,
  };
  const health = () => ({ engine: "postgres", readable: false, cluster }) as const;
  const shown = { engine: "postgres", readable: false, timeline: 3, lease_age: 0.25, sessions: 9 };
  await withApp(
    { store: (real) => withCalls(real, { isShared: true, readable: false, health }) },
    async (app) => {
      const read = async (caller: Caller): Promise<Record<string, unknown>> => {
        const target = parseTarget("http://localhost/proc/status");
        const request = new Request("http://localhost/proc/status");
        const response = await app.app.handleInternal({ request, target, caller });
        assertEquals(response.status, 200, caller.by);
        return await response.json();
      };
      const members = (status: Record<string, unknown>) => {
        const {
          pid: _p,
          uptime: _u,
          worlds: _w,
          plugins: _n,
          max_body: _m,
          version: _v,
          key_id: _k,
          ...rest
        } = status;
        return rest;
      };
      assertEquals(members(await read({ tier: "T1", by: "T1" })), {});
      assertEquals(members(await read({ tier: "T2", by: "T2" })), shown);
      const { primary } = cluster;
      assertEquals(members(await read({ tier: "T3", by: "T3" })), { ...shown, primary });
      const scope = { prefixes: ["/"], mode: "rw", exp: Infinity, root: "/|9|rw" } as const;
      assertEquals(members(await read({ tier: "T2", by: "cap:/", scope })), {});
      const grants = { "/proc/status": "r" } as const;
      assertEquals(members(await read({ tier: "T3", by: "plugin:x", grants })), {});
    },
  );
});
