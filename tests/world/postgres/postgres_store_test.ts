import { ClusterStores } from "../../support/cluster_stores.ts";
import { postgresSkipped, sharedServer } from "../../support/postgres_servers.ts";
import { engineSuites } from "../engine_suites.ts";
import type { WithStore } from "../store_fixture.ts";

const server = sharedServer();

const withStore: WithStore = async (options, use) => {
  await using stores = await ClusterStores.create(server());
  let store = await stores.open(options);
  await use({
    store,
    async reopen() {
      await stores.close(store);
      return store = await stores.open(options);
    },
  });
};

if (postgresSkipped === "") engineSuites({ name: "PostgresStore", withStore });
