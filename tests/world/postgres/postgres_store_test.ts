import { assertEquals } from "../../support/assert.ts";
import { ClusterStores } from "../../support/cluster_stores.ts";
import { postgresSkipped, postgresTest, sharedServer } from "../../support/postgres_servers.ts";
import { engineSuites } from "../engine_suites.ts";
import type { WithStore } from "../store_fixture.ts";

const server = sharedServer();
/** Memory answers also if a busy computer renews the lease late: other tests are about the lease. */
const STALE = { staleMs: 600_000 };

const withStore: WithStore = async (options, use) => {
  await using stores = await ClusterStores.create(server());
  let store = await stores.open({ ...STALE, ...options });
  await use({
    store,
    async reopen() {
      await stores.close(store);
      return store = await stores.open({ ...STALE, ...options });
    },
  });
};

if (postgresSkipped === "") engineSuites({ name: "PostgresStore", withStore });

postgresTest(
  "PostgresStore gives a lower layer the same times on every node, whenever it starts",
  async () => {
    await using stores = await ClusterStores.create(server());
    const [early, late, later] = [1, 2, 3].map((day) => `2026-01-0${day}T00:00:00.000Z`);
    const a = await stores.open({ lower: { "usr/x": "x", "usr/y": "y" } }, late);
    const b = await stores.open({ lower: { "usr/y": "y", "usr/x": "x" } }, later);
    const other = await stores.open({ lower: { "usr/x": "x", "usr/y": "other" } }, early);
    assertEquals([a.stat("usr/x")?.updatedAt, b.stat("usr/x")?.updatedAt], [late, late]);
    assertEquals(other.stat("usr/x")?.updatedAt, early);
    // A removal leaves a later time, also for a node that starts afterwards.
    await a.put({ name: "usr/y", body: new Uint8Array(), ext: "txt", meta: [], by: "T3" });
    await a.remove({ name: "usr/y", by: "T3" });
    await b.refresh();
    const c = await stores.open({ lower: { "usr/x": "x", "usr/y": "y" } }, later);
    const shown = a.stat("usr/y")?.updatedAt ?? "";
    assertEquals([b.stat("usr/y")?.updatedAt, c.stat("usr/y")?.updatedAt], [shown, shown]);
    assertEquals(c.stat("usr/x")?.updatedAt, late);
  },
);
