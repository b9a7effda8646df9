import { assert, assertEquals } from "../../support/assert.ts";
import { ClusterStores } from "../../support/cluster_stores.ts";
import { postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { Link } from "../../../lib/world/postgres/link.ts";
import { NodeList } from "../../../lib/world/postgres/node_list.ts";
import { parseStoreUrl } from "../../../lib/world/postgres/store_url.ts";

const server = sharedServer();

/** A list whose heartbeats come only when a test asks for one. */
async function withLists(
  use: (
    create: (
      id: string,
      log?: string[],
      now?: () => number,
      health?: () => Record<string, unknown>,
    ) => NodeList,
  ) => Promise<void>,
): Promise<void> {
  await using stores = await ClusterStores.create(server());
  const options = { node: "test", sync: "full", listens: false, log: () => {} } as const;
  const link = await Link.connect({ store: parseStoreUrl(stores.url), ...options });
  const lists: NodeList[] = [];
  try {
    await use((id, log = [], now = Date.now, health = () => ({ readable: true })) => {
      const list = new NodeList({
        link,
        facts: () => ({ id, url: `http://${id}`, version: "1.2.3" }),
        health,
        beatMs: 1e9,
        now,
        log: (line) => log.push(line),
      });
      lists.push(list);
      return list;
    });
  } finally {
    await Promise.all(lists.map((list) => list.stop()));
    link.close();
  }
}

postgresTest(
  "NodeList lists the nodes that had a heartbeat, by name",
  () =>
    withLists(async (create) => {
      const [b, a] = [create("b"), create("a")];
      await b.beat();
      await a.beat();
      const found = await a.list();
      assertEquals(found.map(({ id, url, version }) => [id, url, version]), [
        ["a", "http://a", "1.2.3"],
        ["b", "http://b", "1.2.3"],
      ]);
      assertEquals(found[0]?.health.readable, true);
      assertEquals(found.every(({ ageMs }) => ageMs < 60_000), true);
    }),
);

postgresTest(
  "NodeList lists its own node as it is, and the others as they reported themselves",
  () =>
    withLists(async (create) => {
      let state = "before";
      const health = () => ({ state });
      const [own, other] = [create("a", [], Date.now, health), create("b", [], Date.now, health)];
      await own.beat();
      await other.beat();
      state = "now";
      assertEquals((await own.list()).map(({ health }) => health.state), ["now", "before"]);
      assertEquals((await other.list()).map(({ health }) => health.state), ["before", "now"]);
      // Another process has the name now.
      const next = create("a", [], Date.now, health);
      await next.beat();
      state = "later";
      assertEquals((await own.list()).map(({ health }) => health.state), ["now", "before"]);
    }),
);

postgresTest("NodeList removes a node that stops", () =>
  withLists(async (create) => {
    const [a, b] = [create("a"), create("b")];
    await a.beat();
    await b.beat();
    await a.stop();
    assertEquals((await b.list()).map(({ id }) => id), ["b"]);
  }));

postgresTest(
  "NodeList reports another node of the same name once, and not the one before it",
  () =>
    withLists(async (create) => {
      const log: string[] = [];
      const [before, own] = [create("a"), create("a", log)];
      await before.beat();
      await own.beat();
      assertEquals(log, [], "it has replaced the other one");
      for (let i = 0; i < 2; i++) {
        await before.beat();
        await own.beat();
      }
      assertEquals(log.length, 1);
      // The entry is the one of the other node.
      await before.beat();
      await own.stop();
      assertEquals((await before.list()).length, 1);
    }),
);

postgresTest(
  "NodeList reports once that the clock of its node is wrong",
  () =>
    withLists(async (create) => {
      for (const [hours, side] of [[-1, "behind"], [1, "ahead of"]] as const) {
        const log: string[] = [];
        let isRight = false;
        const now = () => Date.now() + (isRight ? 0 : hours * 3_600_000);
        const node = create("a", log, now);
        for (let i = 0; i < 3; i++) await node.beat();
        assertEquals(log.length, 1);
        assert(log[0]?.includes(side), log[0]);
        isRight = true;
        await node.beat();
        assertEquals(log.length, 1);
        isRight = false;
        await node.beat();
        assertEquals(log.length, 2);
      }
    }),
);
