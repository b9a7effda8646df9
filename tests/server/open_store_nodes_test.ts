/** What the servers of one PostgreSQL database share, over HTTP: accounts, plugins, routes, keys. */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { LEASE_MS } from "../../lib/cluster_limits.ts";
import { CLUSTER_KEY, ClusterStores } from "../support/cluster_stores.ts";
import { openDatabase } from "../support/database_session.ts";
import { openSession } from "../../lib/world/postgres/session.ts";
import { parseStoreUrl } from "../../lib/world/postgres/store_url.ts";
import { postgresTest, sharedServer } from "../support/postgres_servers.ts";
import { APPROVE, basic, bearer, startTestServer, TOKEN } from "../support/test_server.ts";
import type { TestServer } from "../support/test_server.ts";
import type { Reply } from "../support/wire.ts";
import { eventually, plugin } from "../plugin/plugin_test_server.ts";

const server = sharedServer();
const T3 = bearer(APPROVE);
/** Every acknowledged change of all nodes is seen. */
const FRESH = { "cache-control": "no-cache" };

function startNode(stores: ClusterStores, node: string): Promise<TestServer> {
  return startTestServer({
    env: {
      ELASTIK_STORE: stores.url,
      ELASTIK_NODE: node,
      ELASTIK_KEY: CLUSTER_KEY,
      ELASTIK_TOKEN: TOKEN,
      ELASTIK_APPROVE_TOKEN: APPROVE,
    },
  });
}

async function withNodes(
  test: (a: TestServer, b: TestServer, stores: ClusterStores) => Promise<void>,
): Promise<void> {
  await using stores = await ClusterStores.create(server());
  const nodes: TestServer[] = [];
  try {
    for (const node of ["a", "b"]) nodes.push(await startNode(stores, node));
    const [a, b] = nodes;
    assert(a !== undefined && b !== undefined);
    await test(a, b, stores);
  } finally {
    await Promise.all(nodes.map((node) => node.close()));
  }
}

async function query(stores: ClusterStores, text: string): Promise<readonly unknown[]> {
  const store = parseStoreUrl(stores.url);
  const [host] = store.hosts;
  assert(host !== undefined);
  const session = await openSession({ host, store });
  try {
    return await session.query(text, []);
  } finally {
    session.drop();
  }
}

function put(
  node: TestServer,
  target: string,
  body: string,
  headers: Record<string, string> = T3,
) {
  return node.send({ method: "PUT", target, body, headers });
}

function get(node: TestServer, target: string, headers: Record<string, string> = {}) {
  return node.send({ method: "GET", target, headers });
}

/** Sends a request until its status is not 503: a node without a lease, or whose plugins start, refuses it. */
function answered(send: () => Promise<Reply>): Promise<Reply> {
  return eventually(async () => {
    const reply = await send();
    return reply.status !== 503 && reply;
  }, "the node answers");
}

postgresTest(
  "a password and a capability that are withdrawn on one node end on another within the lease",
  () =>
    withNodes(async (a, b) => {
      const password = "correct horse";
      const ada = basic("ada", password);
      await put(a, "/etc/passwd", "ada:T2\n");
      await put(a, "/etc/shadow", `ada:${sha256Hex(new TextEncoder().encode(password))}\n`);
      const minted = await a.send({
        method: "POST",
        target: "/auth/mint?prefix=/home/s&mode=rw&ttl=3600",
        headers: T3,
      });
      assertEquals(minted.status, 200, minted.text);
      const cap = bearer(JSON.parse(minted.text).token);
      // b may not know the account yet, and follows before it refuses.
      assertEquals((await put(b, "/home/x", "one", ada)).status, 201);
      assertEquals((await put(b, "/home/s/x", "one", cap)).status, 201);
      const untilRefused = async (headers: Record<string, string>, since: number) => {
        await eventually(async () => {
          const sentAt = performance.now();
          const { status } = await put(b, "/home/s/x", "two", headers);
          const isInLease = sentAt - since < LEASE_MS;
          assert(status >= 400 || isInLease, "accepted for longer than the lease");
          return status === 401;
        }, "b refuses it");
      };
      assertEquals((await put(a, "/etc/shadow", "")).status, 200);
      const withdrawn = performance.now();
      // A linearizable request is refused at once.
      assertEquals((await get(b, "/auth/whoami", { ...ada, ...FRESH })).status, 401);
      await untilRefused(ada, withdrawn);
      assertEquals((await put(a, "/etc/revoked", `${JSON.parse(minted.text).id}\n`)).status, 201);
      const revoked = performance.now();
      assertEquals((await get(b, "/auth/whoami", { ...cap, ...FRESH })).status, 401);
      await untilRefused(cap, revoked);
    }),
);

postgresTest(
  "a plugin that one node approves answers on every node, and 503 until it runs",
  () =>
    withNodes(async (a, b, stores) => {
      await put(a, "/lib/p", plugin({}, "return new Response('x');"));
      assertEquals((await put(a, "/lib/p/state", "active")).status, 200);
      const seen = new Set<number>();
      await eventually(async () => {
        const { status, headers } = await get(b, "/p", FRESH);
        seen.add(status);
        if (status === 503) assertMatch(headers.get("retry-after") ?? "", /^\d+$/);
        return status === 200 ? true : undefined;
      }, "b answers");
      seen.delete(503);
      assertEquals([...seen], [200], "never 404");
      const state = await eventually(async () => {
        const found = JSON.parse((await get(b, "/lib/p/state", T3)).text);
        const isUp = ({ readable, up }: { readable: boolean; up: boolean }) => readable && up;
        return found.nodes?.length === 2 && found.nodes.every(isUp) && found;
      }, "both have reported it");
      assertEquals(state.nodes, [
        { node: "a", readable: true, up: true },
        { node: "b", readable: true, up: true },
      ]);
      const shown = JSON.parse((await get(b, "/lib/p/state", bearer(TOKEN))).text);
      assertEquals(shown.nodes.length, 2);
      const anonymous = await get(b, "/lib/p/state");
      assert(!anonymous.text.includes("nodes"), anonymous.text);
      // A node that stood still for longer than its lease is not readable for a moment.
      await eventually(async () => {
        const nodes = JSON.parse((await get(a, "/proc/nodes", T3)).text);
        const found = nodes.map(({ id, readable, plugins }: Record<string, unknown>) => [
          ...[id, readable, plugins],
        ]);
        const up = { up: 1, failed: 0 };
        return JSON.stringify(found) === JSON.stringify([["a", true, up], ["b", true, up]]);
      }, "both nodes run one plugin");
      const env = await answered(() => get(a, "/boot/b/env?raw", { ...T3, ...FRESH }));
      assertMatch(env.text, /^ELASTIK_NODE=b$/m);
      // An import brings an active plugin without its routes; a node that starts takes them.
      await query(stores, "DELETE FROM elastik.routes");
      const c = await startNode(stores, "c");
      assertEquals((await answered(() => get(c, "/p"))).text, "x");
      assertEquals(await query(stores, "SELECT path, plugin FROM elastik.routes"), [
        { path: "/p", plugin: "lib/p" },
      ]);
      await c.close();
      assertEquals((await put(b, "/lib/p/state", "disabled")).status, 200);
      assertEquals((await answered(() => get(a, "/p", FRESH))).status, 404);
    }),
);

/** Sends what it is asked to, with its own rights or with those of its caller. */
const WRITER = plugin(
  { grants: { "/home/w/": "rw" } },
  `
  const [via, path] = url.search.slice(1).split(",");
  const answer = await env[via].fetch(path, { method: "PUT", body: "x" });
  return new Response(String(answer.status));`,
);

postgresTest(
  "a plugin that one node disables or replaces changes nothing through a node that is behind",
  () =>
    withNodes(async (a, b, stores) => {
      using sessions = new DisposableStack();
      const open = async () =>
        sessions.adopt(
          await openDatabase(server(), stores.database),
          (opened) => opened.drop(),
        );
      const [held, seen] = [await open(), await open()];
      const write = (node: TestServer, via: string, path: string) =>
        node.send({ method: "POST", target: `/p?${via},/home/w/${path}`, headers: T3 });
      const ends = { disable: ["/lib/p/state", "disabled"], replace: ["/lib/p", WRITER] } as const;
      for (const [end, [target, body]] of Object.entries(ends)) {
        for (const via of ["machine", "caller"]) {
          await put(a, "/lib/p", WRITER);
          assertEquals((await put(a, "/lib/p/state", "active")).status, 200);
          const isUp = async () => (await write(b, via, "up")).status === 200 || undefined;
          await eventually(isUp, "b runs the plugin");
          await held.query("BEGIN");
          // The publisher waits for this row, so b does not follow.
          await held.query("SELECT seq FROM elastik.feed FOR UPDATE");
          const [row] = await held.query("SELECT clock_timestamp()::text AS now");
          assertEquals((await put(a, target, body)).status, 200, end);
          let isAnswered = false;
          const sent = write(b, via, `${end}-${via}`).finally(() => isAnswered = true);
          // A computer that is too slow for the lease sends nothing until b follows.
          await eventually(async () => {
            const rows = await seen.query(
              `SELECT 1 FROM pg_stat_activity WHERE application_name = 'elastik/b' AND state <> 'active'
                AND query LIKE '%apply_1%' AND query_start > $1::timestamptz`,
              [String(row?.now)],
            );
            return isAnswered || rows.length > 0 || undefined;
          }, "the change is sent");
          await held.query("ROLLBACK");
          await sent;
          const found = await eventually(async () => {
            const { status } = await get(a, `/home/w/${end}-${via}?raw`, { ...T3, ...FRESH });
            return status === 503 ? undefined : status;
          }, "a follows again");
          assertEquals(found, 404, `${end} ${via}`);
        }
      }
    }),
);

const LOCK_INFO = '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>' +
  "<D:locktype><D:write/></D:locktype></D:lockinfo>";

/** Locks a world with its own rights. */
const LOCKER = plugin(
  { grants: { "/home/p": "rw" } },
  `
  const { status } = await env.machine.fetch("/dav/home/p", { method: "LOCK", body: '${LOCK_INFO}' });
  return new Response(String(status));`,
);

postgresTest(
  "a lock ends with the account or the plugin of its holder, also if the node that granted it has stopped",
  () =>
    withNodes(async (a, b, stores) => {
      const setPassword = async (password: string) => {
        const digest = sha256Hex(new TextEncoder().encode(password));
        const { status } = await put(b, "/etc/shadow", `ada:${digest}\n`);
        assert(status < 300, String(status));
      };
      await put(b, "/etc/passwd", "ada:T2\n");
      await setPassword("one");
      await put(b, "/lib/p", LOCKER);
      assertEquals((await put(b, "/lib/p/state", "active")).status, 200);
      const c = await startNode(stores, "c");
      try {
        assertEquals((await get(c, "/p")).text, "201");
        const locked = await c.send({
          ...{ method: "LOCK", target: "/dav/home/x", body: LOCK_INFO },
          headers: basic("ada", "one"),
        });
        assertEquals(locked.status, 201, locked.text);
      } finally {
        await c.close();
      }
      const write = async (target: string) => (await put(b, target, "x", bearer(TOKEN))).status;
      assertEquals([await write("/home/x"), await write("/home/p")], [423, 423]);
      // Changes that leave both as they are.
      await put(b, "/etc/passwd", "# all\nada:T2\neve:T2\n");
      await put(b, "/lib/other", plugin({}, ""));
      assertEquals([await write("/home/x"), await write("/home/p")], [423, 423]);
      await setPassword("two");
      assertEquals(await write("/home/x"), 200);
      assertEquals((await put(b, "/lib/p/state", "disabled")).status, 200);
      await eventually(async () => await write("/home/p") === 200 || undefined, "it ends");
      await eventually(
        async () =>
          (await query(stores, "SELECT 1 FROM elastik.dav_locks")).length === 0 || undefined,
        "both have ended",
      );
      // It does not return with the account.
      await setPassword("one");
      assertEquals([await write("/home/x"), (await put(a, "/home/x", "y")).status], [200, 200]);
    }),
);

postgresTest(
  "two nodes that approve two plugins with one route at the same time give 200 and 422",
  () =>
    withNodes(async (a, b) => {
      await put(a, "/lib/p", plugin({ routes: ["/r"] }, "return new Response('p');"));
      await put(b, "/lib/q", plugin({ routes: ["/r/deep"] }, "return new Response('q');"));
      const replies = await Promise.all([
        put(a, "/lib/p/state", "active"),
        put(b, "/lib/q/state", "active"),
      ]);
      assertEquals(replies.map(({ status }) => status).sort(), [200, 422]);
      const refused = replies.find(({ status }) => status === 422);
      assertMatch(refused?.text ?? "", /is taken: \/lib\/[pq] has the route/);
      const [winner, loser] = replies[0]?.status === 200 ? ["p", "q"] : ["q", "p"];
      assertEquals((await put(b, `/lib/${winner}/state`, "disabled", { ...T3 })).status, 200);
      await eventually(
        async () =>
          (await put(a, `/lib/${loser}/state`, "active")).status === 200 ? true : undefined,
        "the route is free",
      );
    }),
);

postgresTest(
  "two nodes that get one Idempotency-Key at the same time make one change",
  () =>
    withNodes(async (a, b) => {
      const append = (node: TestServer) =>
        node.send({
          method: "POST",
          target: "/home/log",
          body: "line\n",
          headers: { ...bearer(TOKEN), "idempotency-key": '"one"' },
        });
      const replies = await Promise.all([a, b, a, b].map(append));
      assertEquals(new Set(replies.map(({ status }) => status)), new Set([201]));
      const replayed = replies.filter(({ headers }) => headers.has("idempotent-replayed"));
      assertEquals(replayed.length, 3);
      assertEquals((await get(b, "/home/log?raw", { ...bearer(TOKEN), ...FRESH })).text, "line\n");
    }),
);

postgresTest(
  "one of two nodes that delete an entry of the trash for good at the same time answers 200",
  () =>
    withNodes(async (a, b) => {
      for (let round = 0; round < 40; round++) {
        await put(a, "/home/x", "text");
        const removed = await a.send({ method: "DELETE", target: "/home/x", headers: T3 });
        const { trash: [id] }: { trash: string[] } = JSON.parse(removed.text);
        const target = `/proc/trash/?id=${id}`;
        const replies = await Promise.all(
          [a, b].map((node) => node.send({ method: "DELETE", target, headers: T3 })),
        );
        assertEquals(replies.map(({ status }) => status).sort(), [200, 404], `round ${round}`);
      }
    }),
);

postgresTest(
  "damage by SQL is reported for its worlds only: by reads, listings, audits and changes",
  () =>
    withNodes(async (a, b, stores) => {
      const names = ["gone", "head", "renamed", "whole"];
      for (const name of names) assertEquals((await put(a, `/home/dir/${name}`, "1")).status, 201);
      for (
        const damage of [
          "DELETE FROM elastik.worlds WHERE name = 'home/dir/gone'",
          "UPDATE elastik.worlds SET name = 'home/dir/other' WHERE name = 'home/dir/renamed'",
          "UPDATE elastik.worlds SET event_hmac = 'zz' WHERE name = 'home/dir/head'",
        ]
      ) await query(stores, damage);
      const listing = await get(b, "/home/dir/?deep&contents", FRESH);
      assertEquals(listing.status, 200, listing.text);
      const rows: { name: string; stage_html?: string }[] = JSON.parse(listing.text);
      assertEquals(rows.map(({ name, stage_html }) => [name, stage_html]), [
        ["home/dir/gone", undefined],
        ["home/dir/head", "1"],
        ["home/dir/renamed", undefined],
        ["home/dir/whole", "1"],
      ]);
      for (const name of ["gone", "renamed"]) {
        const read = await get(b, `/home/dir/${name}`, FRESH);
        assertEquals(read.status, 500, name);
        assertMatch(read.text, /the database has no row of it under its name/);
      }
      const audit = JSON.parse((await get(b, "/proc/audit/home/dir/head", T3)).text);
      assertEquals([audit.ok, audit.chain.ok, audit.body.ok], [false, false, true]);
      // Also the node that knows the world: the database compares the heads.
      for (const node of [a, b]) {
        const changed = await put(node, "/home/dir/head", "2");
        assertEquals(changed.status, 500, changed.text);
        assertMatch(changed.text, /the row has another hmac than event 1/);
        assertEquals((await put(node, "/home/dir/whole", "2")).status, 200);
      }
    }),
);
