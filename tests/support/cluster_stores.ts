/** Stores of cluster nodes for tests: each test has a database of its own, a copy of a template. */

import { createLowerLayer } from "../../lib/world/lower_layer.ts";
import type { Store } from "../../lib/world/store.ts";
import { initStore } from "../../lib/world/postgres/manage_store.ts";
import { openPostgresStore } from "../../lib/world/postgres/open_postgres_store.ts";
import type { PostgresStoreOptions } from "../../lib/world/postgres/postgres_store_options.ts";
import { parseStoreUrl } from "../../lib/world/postgres/store_url.ts";
import type { SuiteOptions } from "../world/store_fixture.ts";
import { openPatiently, PATIENT_MS } from "./database_session.ts";
import type { PostgresServers } from "./postgres_servers.ts";
import { STORE_WORKER } from "./store_worker.ts";

/** Signing key of the nodes. */
export const CLUSTER_KEY = "the key of all nodes";
/** Role of the nodes in the database: it owns nothing. */
const ROLE = "nodes";
/** Time of the worlds of the lower layer. */
const LOWER_AT = "2026-01-01T00:00:00.000Z";

/** Options of the nodes of a test. */
export type NodeOptions = SuiteOptions & Partial<Omit<PostgresStoreOptions, "lower">>;

/** The template of each server. */
const templates = new WeakMap<PostgresServers, Promise<string>>();

/** A database with a store, and the nodes that a test has opened. `await using` removes both. */
export class ClusterStores {
  readonly #servers: PostgresServers;
  readonly #open = new Set<Store>();
  #nodes = 0;

  private constructor(servers: PostgresServers, readonly database: string) {
    this.#servers = servers;
  }

  /** Creates the database of a store. */
  static async create(servers: PostgresServers): Promise<ClusterStores> {
    const template = templates.get(servers) ?? prepare(servers);
    templates.set(servers, template);
    return new ClusterStores(servers, await servers.createDatabase(await template));
  }

  /** Value of `ELASTIK_STORE`, with the role of the nodes. */
  get url(): string {
    return this.#servers.url(this.database, undefined, ROLE);
  }

  /**
   * Opens a node.
   *
   * @param lowerAt the time that the node gives its lower layer
   */
  async open({ lower = {}, ...options }: NodeOptions = {}, lowerAt = LOWER_AT): Promise<Store> {
    const store = await openPostgresStore({
      url: parseStoreUrl(this.url),
      node: `n${++this.#nodes}`,
      key: CLUSTER_KEY,
      lower: createLowerLayer(lower, lowerAt),
      workerUrl: STORE_WORKER,
      patienceMs: PATIENT_MS,
      ...options,
    });
    this.#open.add(store);
    return store;
  }

  /** Closes a node. */
  async close(store: Store): Promise<void> {
    this.#open.delete(store);
    await store.close();
  }

  /** Closes all nodes and keeps the database, whose server may be gone. */
  async closeNodes(): Promise<void> {
    await Promise.all([...this.#open].map((store) => this.close(store)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeNodes();
    await this.#servers.dropDatabase(this.database);
  }
}

async function prepare(servers: PostgresServers): Promise<string> {
  await servers.sql(`CREATE ROLE ${ROLE} LOGIN`);
  return await servers.prepareTemplate(createStore);
}

/** Creates an empty store with the key of the nodes, as `elastik store init` does. */
async function createStore(url: string): Promise<void> {
  const store = parseStoreUrl(url);
  const [host] = store.hosts;
  if (host === undefined) throw new Error("no host");
  const session = await openPatiently({ host, store });
  try {
    await initStore(session, { key: CLUSTER_KEY, role: ROLE });
  } finally {
    session.drop();
  }
}
