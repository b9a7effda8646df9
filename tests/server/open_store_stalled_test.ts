/**
 * A node that is cut off from the database for some seconds: what it knows of accounts, capabilities and
 * worlds gets older, and it must not act on that for longer than its lease.
 */

import { assert, assertEquals } from "../support/assert.ts";
import { TcpProxy } from "../cluster/tcp_proxy.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { LEASE_MS } from "../../lib/cluster_limits.ts";
import { CLUSTER_KEY, ClusterStores } from "../support/cluster_stores.ts";
import { EventReader } from "../support/event_reader.ts";
import { postgresTest, sharedServer } from "../support/postgres_servers.ts";
import { APPROVE, basic, bearer, startTestServer, TOKEN } from "../support/test_server.ts";
import type { TestServer } from "../support/test_server.ts";

const server = sharedServer();
const T3 = bearer(APPROVE);
const FRESH = { "cache-control": "no-cache" };
const LOCK_BODY =
  '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>';
/** The name and the text of what only T3 may read. */
const MARK = "hiddenmark";

function start(store: string, node: string): Promise<TestServer> {
  const env = { ELASTIK_STORE: store, ELASTIK_NODE: node, ELASTIK_KEY: CLUSTER_KEY };
  return startTestServer({
    env: { ...env, ELASTIK_TOKEN: TOKEN, ELASTIK_APPROVE_TOKEN: APPROVE },
  });
}

function put(node: TestServer, target: string, body: string, headers = T3) {
  return node.send({ method: "PUT", target, body, headers });
}

postgresTest(
  "a node that is cut off honours no withdrawn credential beyond its lease, and changes nothing with one",
  async () => {
    await using stores = await ClusterStores.create(server());
    const { port } = new URL(stores.url.replace("postgres:", "http:"));
    const network = TcpProxy.start(Number(port));
    const a = await start(stores.url, "a");
    const b = await start(stores.url.replace(`:${port}/`, `:${network.port}/`), "b");
    try {
      await put(a, "/etc/passwd", "ada:T2\neve:T3\n");
      await put(a, "/etc/shadow", `ada:${sha256Hex("right")}\neve:${sha256Hex("wrong")}\n`);
      await put(a, "/home/s/x", "one");
      await put(a, "/home/s/gone", "one");
      const removed = await a.send({ method: "DELETE", target: "/home/s/gone", headers: T3 });
      const { trash: [trash] }: { trash: string[] } = JSON.parse(removed.text);
      const minted = await a.send({
        method: "POST",
        target: "/auth/mint?prefix=/home/s&mode=rw&ttl=3600",
        headers: T3,
      });
      const { token, id } = JSON.parse(minted.text);
      const credentials = { account: basic("ada", "right"), capability: bearer(token) };
      for (const [kind, headers] of Object.entries(credentials)) {
        const { status } = await put(b, `/home/s/${kind}`, "one", headers);
        assertEquals(status, 201, kind);
      }
      const url = `http://127.0.0.1:${b.port}/stream/home/s/`;
      const stream = await EventReader.open(url, credentials.capability);
      await stream.next();
      const stalled = performance.now();
      network.stall();
      const withdrawn = await Promise.all([
        put(a, "/etc/shadow", ""),
        put(a, "/etc/revoked", `${id}\n`),
        put(a, `/boot/${MARK}`, MARK),
      ]);
      assertEquals(withdrawn.map(({ status }) => status), [200, 201, 201]);
      // These reach b with its lease or without it, and wait for the database.
      const late = Object.entries(credentials).map(async ([kind, headers]) => {
        const { status, text } = await put(b, `/home/s/${kind}`, "late", headers);
        return [kind, status, text] as const;
      });
      // What is not a change of a world is judged right before it is made, too.
      const eve = basic("eve", "wrong");
      const other = ([
        ["LOCK", "/dav/home/s/x", credentials.account, LOCK_BODY],
        ["LOCK", "/dav/home/s/x", credentials.capability, LOCK_BODY],
        ["MKCOL", "/dav/home/s/made", credentials.account],
        ["MKCOL", "/dav/home/s/made", credentials.capability],
        ["DELETE", `/proc/trash/?id=${trash}`, eve],
        // A capability would outlive the account that made it.
        ["POST", "/auth/mint?prefix=/home&ttl=3600", eve],
        ["POST", "/bin/auth/mint?prefix=/home&ttl=3600", eve],
      ] as const).map(async ([method, target, headers, body = ""]) => {
        const { status, text } = await b.send({ method, target, headers, body });
        return [method, status, text] as const;
      });
      await new Promise((resume) => setTimeout(resume, LEASE_MS - (performance.now() - stalled)));
      let isHealed = false;
      const asked = Object.values(credentials).flatMap((headers) =>
        ["/home/s/x?raw", "/proc/worlds", "/auth/whoami", "/proc/status"].map(async (target) => {
          const { status, text } = await b.send({ method: "GET", target, headers });
          assert(!text.includes(MARK), `${target}: ${text}`);
          // Before it follows again it answers nothing; then it answers what is public.
          assert(status === 503 || isHealed, `${target}: ${status} without a lease`);
          assert(status !== 200 || target !== "/auth/whoami", text);
        })
      );
      await new Promise((resume) => setTimeout(resume, 300));
      isHealed = true;
      network.heal();
      await Promise.all(asked);
      for (const [kind, status, text] of await Promise.all(late)) {
        assertEquals([kind, status], [kind, 401], text);
        const seen = await a.send({ method: "GET", target: `/home/s/${kind}?raw`, headers: FRESH });
        assertEquals([kind, seen.text], [kind, "one"], "a withdrawn credential changed it");
      }
      for (const [method, status, text] of await Promise.all(other)) {
        assertEquals([method, status], [method, 401], text);
      }
      const left = await a.send({ method: "GET", target: `/proc/trash/home/s/`, headers: T3 });
      assert(left.text.includes(`${trash}`), left.text);
      const found = await a.send({
        method: "PROPFIND",
        target: "/dav/home/s",
        headers: { ...T3, ...FRESH, depth: "1" },
      });
      assert(!/made|activelock/.test(found.text), found.text);
      // Its stream has ended, without an event of what came after the end of its credential.
      await put(a, "/home/s/secret", MARK);
      for (let event = await stream.next(); event !== undefined; event = await stream.next()) {
        assert(!event.data.includes("secret"), event.data);
      }
      await stream.close();
    } finally {
      await b.close();
      await a.close();
      await network.close();
    }
  },
);
