/** Nodes during the loss of the primary, with a real standby that is promoted. */

import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { ClusterStores } from "../../support/cluster_stores.ts";
import { serversTest } from "../../support/postgres_servers.ts";
import { until } from "../../support/query_store.ts";
import { type Store, StoreError } from "../../../lib/world/store.ts";

const ROUNDS = 400;

serversTest(
  "watchers and followers of a node get every version while a standby is promoted",
  { servers: 2, synchronous: "ANY 1 (b)" },
  async (servers) => {
    const stores = await ClusterStores.create(servers);
    try {
      const [a, b] = [await stores.open(), await stores.open()];
      const watched: number[] = [];
      const followed: number[] = [];
      b.watch("home/x", ({ version }) => watched.push(version));
      b.follow("home/x", ({ change }) => {
        if (change !== undefined) followed.push(change.version);
      });
      let acknowledged = 0;
      const half = Promise.withResolvers<void>();
      const write = async (store: Store) => {
        for (let i = 0; i < ROUNDS / 4; i++) {
          const body = new TextEncoder().encode(`${i}`);
          const { version } = await store.put({
            name: "home/x",
            body,
            ext: "txt",
            meta: [],
            by: "T2",
          });
          acknowledged = Math.max(acknowledged, version);
          if (acknowledged > ROUNDS / 4) half.resolve();
        }
      };
      const writers = Promise.all([a, b, a, b].map(write));
      await half.promise;
      await servers.kill("a");
      await servers.promote("b");
      await writers;
      await Promise.all([a, b].map(untilFollowed));
      assertEquals([acknowledged, a.stat("home/x")?.version], [ROUNDS, ROUNDS]);
      const all = Array.from({ length: ROUNDS }, (_, i) => i + 1);
      assertEquals(watched, all);
      assertEquals(followed, all);
      await until(() => b.health().readable);
      assertEquals(b.health().cluster?.timeline, 2);
      assertEquals((await b.audit("home/x")).ok, true);
    } finally {
      await stores.closeNodes();
    }
  },
);

serversTest(
  "a node tells what an asynchronous standby lost, and continues from there",
  { servers: 2, synchronous: "ANY 1 (b)" },
  async (servers) => {
    const stores = await ClusterStores.create(servers);
    try {
      const store = await stores.open();
      const put = (name: string, text: string) =>
        store.put({ name, body: new TextEncoder().encode(text), ext: "txt", meta: [], by: "T2" });
      const textOf = async (name: string) => {
        const world = await store.read(name, { fresh: true });
        return world === undefined ? undefined : new TextDecoder().decode(world.body);
      };
      await put("home/x", "kept");
      await servers.sync("");
      await servers.pause("b");
      await put("home/x", "lost");
      await put("home/y", "lost");
      await store.refresh();
      const told: string[] = [];
      store.watch("/", ({ kind, name, version }) => told.push(`${kind} ${name} ${version}`));
      await servers.kill("a");
      // What its socket still has must not arrive.
      await servers.drop("b");
      await servers.promote("b");
      await untilFollowed(store);
      assertEquals(await textOf("home/x"), "kept");
      assertEquals([await textOf("home/y"), store.stat("home/y")], [undefined, undefined]);
      assertEquals(told.toSorted(), ["delete home/y 1", "update home/x 1"]);
      assertEquals((await put("home/x", "new")).version, 2);
      assertEquals(await textOf("home/x"), "new");
      assertEquals((await store.audit("home/x")).ok, true);
    } finally {
      await stores.closeNodes();
    }
  },
);

serversTest(
  "a node without its database answers from memory for its lease, and then refuses at once",
  { servers: 1 },
  async (servers) => {
    const stores = await ClusterStores.create(servers);
    try {
      const [store, stale] = [await stores.open(), await stores.open({ staleMs: 600_000 })];
      const body = new TextEncoder().encode("1");
      await store.put({ name: "home/x", body, ext: "txt", meta: [], by: "T2" });
      assertEquals((await stale.read("home/x", { fresh: true }))?.version, 1);
      // The lease is renewed each second; memory does not answer if a renewal came late.
      await until(() => store.peek("home/x")?.version === 1);
      assertEquals(stale.peek("home/x")?.version, 1);
      await servers.kill("a");
      await assertRejects(() => store.refresh(), withUnreachable);
      // By then the lease has ended, and every request is refused without a wait.
      await assertRejects(() => store.refresh(), withUnreachable);
      assertEquals([store.readable, store.peek("home/x")], [false, undefined]);
      let hasWaited = false;
      const timer = setTimeout(() => hasWaited = true, 0);
      await assertRejects(() => store.read("home/x"), withUnreachable);
      assert(!hasWaited);
      clearTimeout(timer);
      assertEquals([stale.readable, stale.peek("home/x")?.version], [true, 1]);
    } finally {
      await stores.closeNodes();
    }
  },
);

/** Refreshes a node. One that has waited for too long refuses requests until it follows the new primary. */
async function untilFollowed(store: Store): Promise<void> {
  await until(() =>
    store.refresh().then(() => true, (error) => {
      if (withUnreachable(error)) return false;
      throw error;
    })
  );
}

function withUnreachable(error: unknown): boolean {
  return error instanceof StoreError && error.code === "unreachable";
}
