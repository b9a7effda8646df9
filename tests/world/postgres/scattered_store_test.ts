/** The suites of `Store` over three nodes of one database, with each call sent to a random node. */

import { ClusterStores } from "../../support/cluster_stores.ts";
import { postgresSkipped, sharedServer } from "../../support/postgres_servers.ts";
import { createScatteredStore } from "../../support/scattered_store.ts";
import { engineSuites } from "../engine_suites.ts";
import type { SuiteOptions, WithStore } from "../store_fixture.ts";

const server = sharedServer();
/** Memory answers also if a busy computer renews the lease late: other tests are about the lease. */
const STALE = { staleMs: 600_000 };

const withStore: WithStore = async (options, use) => {
  await using stores = await ClusterStores.create(server());
  let store = await open(stores, options);
  await use({
    store,
    async reopen() {
      await store.close();
      return store = await open(stores, options);
    },
  });
};

async function open(stores: ClusterStores, options: SuiteOptions) {
  const nodes = await Promise.all([1, 2, 3].map(() => stores.open({ ...STALE, ...options })));
  return createScatteredStore(nodes, Math.random);
}

if (postgresSkipped === "") engineSuites({ name: "three nodes", withStore, isScattered: true });
