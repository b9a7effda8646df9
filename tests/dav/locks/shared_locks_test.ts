/** WebDAV locks of two servers over one database, over real HTTP. */

import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { NODE_APPROVE, sendTo, withNodes } from "../../support/cluster_servers.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { eventually } from "../../plugin/plugin_test_server.ts";
import type { RunningServer } from "../../../lib/server/start.ts";

const server = sharedServer();
const T3 = { authorization: `Bearer ${NODE_APPROVE}` };

function lockInfo(scope: "exclusive" | "shared" = "exclusive"): string {
  return `<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:${scope}/></D:lockscope>` +
    "<D:locktype><D:write/></D:locktype></D:lockinfo>";
}

async function lock(
  node: RunningServer | undefined,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  scope: "exclusive" | "shared" = "exclusive",
): Promise<{ status: number; token: string }> {
  const { status, headers: sent } = await sendTo(node, `LOCK /dav${path}`, {
    headers: { timeout: "Second-600", depth: "0", ...headers },
    body: lockInfo(scope),
  });
  return { status, token: sent.get("lock-token") ?? "" };
}

postgresTest(
  "a lock that one server grants binds all servers",
  () =>
    withNodes(server(), 2, async ([a, b]) => {
      assertEquals((await sendTo(a, "PUT /home/x", { body: "1" })).status, 201);
      const { status, token } = await lock(a, "/home/x");
      assertEquals(status, 200);
      const refused = await sendTo(b, "PUT /home/x", { body: "2" });
      assertEquals(refused.status, 423);
      assertMatch(refused.text, /\/home\/x is locked/);
      const headers = { if: `(${token})` };
      assertEquals((await sendTo(b, "PUT /home/x", { body: "3", headers })).status, 200);
      assertEquals((await lock(b, "/home/x")).status, 423);
      // A lower tier keeps T3 from nothing, also through another server.
      assertEquals((await sendTo(b, "PUT /home/x", { body: "4", headers: T3 })).status, 200);
      // The other server refreshes and ends it.
      const refreshed = await sendTo(b, "LOCK /dav/home/x", {
        headers: { ...headers, timeout: "Second-900" },
      });
      assertEquals(refreshed.status, 200, refreshed.text);
      assertMatch(refreshed.text, /Second-900/);
      const unlocked = await sendTo(b, "UNLOCK /dav/home/x", { headers: { "lock-token": token } });
      assertEquals(unlocked.status, 204, unlocked.text);
      assertEquals((await sendTo(a, "PUT /home/x", { body: "5" })).status, 200);
      // At once at a third path, without a moment for the feed.
      const second = await lock(a, "/home/y");
      assertEquals(second.status, 201);
      const left = await sendTo(b, "UNLOCK /dav/home/y", {
        headers: { "lock-token": second.token },
      });
      assertEquals(left.status, 204, left.text);
      assertEquals((await sendTo(a, "PUT /home/y", { body: "6" })).status, 200);
    }),
);

postgresTest(
  "a lock ends with its world, whichever server deletes or moves it",
  () =>
    withNodes(server(), 2, async ([a, b]) => {
      for (
        const [line, headers] of [
          ["DELETE /home/d", {}],
          ["DELETE /dav/home/d", {}],
          ["MOVE /dav/home/d", { destination: "/dav/home/moved", overwrite: "T" }],
          ["MOVE /home/d", { destination: "/home/moved", overwrite: "T" }],
        ] as const
      ) {
        assertEquals((await sendTo(a, "PUT /home/d", { body: "1" })).status, 201, line);
        const { token } = await lock(a, "/home/d");
        const refused = await sendTo(b, line, {
          headers: { ...headers, ...T3, authorization: "" },
        });
        assert([401, 403].includes(refused.status), `${line}: ${refused.status}`);
        const done = await sendTo(b, line, { headers: { ...headers, ...T3, if: `(${token})` } });
        assert([200, 201, 204].includes(done.status), `${line}: ${done.status} ${done.text}`);
        // No lock is left, so anyone can create the world again and lock it.
        assertEquals((await sendTo(a, "PUT /home/d", { body: "2" })).status, 201, line);
        const again = await lock(a, "/home/d");
        assertEquals(again.status, 200, line);
        await sendTo(a, "UNLOCK /dav/home/d", { headers: { "lock-token": again.token } });
        assertEquals((await sendTo(b, "DELETE /home/d", { headers: T3 })).status, 200);
      }
    }),
);

postgresTest(
  "locks of two servers are compatible, limited and end with their time",
  () =>
    withNodes(server(), 2, async ([a, b]) => {
      const shared = await lock(a, "/home/s", {}, "shared");
      assertEquals(shared.status, 201);
      assertEquals((await lock(b, "/home/s", {}, "shared")).status, 200);
      assertEquals((await lock(b, "/home/s")).status, 423);
      // The limit of a credential counts the locks of all servers.
      assertEquals((await lock(a, "/home/t")).status, 201);
      assertEquals((await lock(b, "/home/u")).status, 429);
      assertEquals((await lock(b, "/home/u", T3)).status, 201, "another credential");
      const held = await lock(a, "/home/v", T3);
      assertEquals(held.status, 201);
      assertEquals((await sendTo(b, "PUT /home/v", { body: "1" })).status, 423);
      // A lock that had one second from the start could have ended before the request above.
      const short = { ...T3, if: `(${held.token})`, timeout: "Second-1" };
      assertEquals((await sendTo(a, "LOCK /dav/home/v", { headers: short })).status, 200);
      await eventually(
        async () => (await sendTo(b, "PUT /home/v", { body: "1" })).status === 200 || undefined,
        "the end of the lock",
      );
    }, { ELASTIK_MAX_LOCKS: "3" }),
);

postgresTest(
  "of the locks that many servers request at once one is granted",
  () =>
    withNodes(server(), 3, async (nodes) => {
      for (let round = 0; round < 5; round++) {
        const path = `/home/r${round}`;
        const tries = await Promise.all([...nodes, ...nodes].map((node) => lock(node, path)));
        const granted = tries.filter(({ status }) => status === 201 || status === 200);
        assertEquals(granted.length, 1, JSON.stringify(tries));
        // Every write without the token is refused from then on, at every server.
        const writes = await Promise.all(
          nodes.map((node) => sendTo(node, `PUT ${path}`, { body: "x" })),
        );
        assertEquals(writes.map(({ status }) => status), [423, 423, 423]);
      }
    }),
);

postgresTest(
  "no write without the token is acknowledged after a lock, at any server",
  () =>
    withNodes(server(), 2, async ([a, b]) => {
      for (let round = 0; round < 10; round++) {
        const path = `/home/g${round}`;
        assertEquals((await sendTo(a, `PUT ${path}`, { body: "0" })).status, 201);
        let isEnded = false;
        const writer = (async () => {
          const seen: number[] = [];
          while (!isEnded) seen.push((await sendTo(b, `PUT ${path}`, { body: "w" })).status);
          return seen;
        })();
        assertEquals((await lock(a, path)).status, 200);
        const { headers } = await sendTo(a, `GET ${path}`, {
          headers: { "cache-control": "no-cache" },
        });
        const late = await sendTo(b, `PUT ${path}`, { body: "late" });
        isEnded = true;
        const statuses = await writer;
        assertEquals(late.status, 423);
        // Once refused, always refused.
        const first = statuses.indexOf(423);
        if (first >= 0) {
          assert(statuses.slice(first).every((status) => status === 423), `${statuses}`);
        }
        const after = await sendTo(a, `GET ${path}`, { headers: { "cache-control": "no-cache" } });
        assertEquals(
          after.headers.get("etag"),
          headers.get("etag"),
          "nothing was written after the lock",
        );
      }
    }),
);
