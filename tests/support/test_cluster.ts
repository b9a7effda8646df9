/**
 * Lets the tests over HTTP run against three servers over one PostgreSQL database instead of one server
 * with a data folder. `TEST_CLUSTER` is the `ELASTIK_STORE` of a prepared database, which each test server
 * copies; see tests/cluster/http_suite.ts. Every request of `TestServer.send` goes to a random server, and
 * reads are linearizable, so that a test sees what it has written.
 */

import { readConfig } from "../../lib/config.ts";
import { openServerStore } from "../../lib/server/open_store.ts";
import {
  type RunningServer,
  startServer,
  type StartServerOptions,
} from "../../lib/server/start.ts";
import { keyCheckOf } from "../../lib/world/postgres/machine.ts";
import type { PgValue } from "../../lib/world/postgres/session.ts";
import { parseStoreUrl } from "../../lib/world/postgres/store_url.ts";
import { openPatiently } from "./database_session.ts";

/** Environment variable with the address of the database to copy. */
export const TEST_CLUSTER = "TEST_CLUSTER";

/** Servers of each test server. */
const NODES = 3;
/** Databases of tests that start their servers again, by data folder. They end with the database server. */
const kept = new Map<string, string>();
/** Secrets that nodes need, if the test sets none. They are those of the test server. */
export interface ClusterSecrets {
  readonly key: string;
  readonly token: string;
  readonly approveToken: string;
}

/** The servers of one test. */
export interface TestCluster {
  readonly nodes: readonly RunningServer[];
  /** Forgets the names of deleted worlds, so that their versions start at 1 again. */
  forgetNames(): Promise<void>;
  /** Stops the servers and removes the database. */
  close(): Promise<void>;
}

/**
 * Starts the servers.
 *
 * @param template value of `TEST_CLUSTER`
 * @param settings those of the test
 * @param folder the data folder that the test wants to keep: its servers get the database of the servers
 *   before them with the same folder
 */
export async function startTestCluster(
  template: string,
  settings: Readonly<Record<string, string | undefined>>,
  secrets: ClusterSecrets,
  options: Omit<StartServerOptions, "config" | "env" | "openStore">,
  folder?: string,
): Promise<TestCluster> {
  const admin = template.replace(/\/\w+\?/, "/postgres?");
  const source = /\/(\w+)\?/.exec(template)?.[1] ?? "";
  const before = folder === undefined ? undefined : kept.get(folder);
  const database = before ?? `http_${crypto.randomUUID().replaceAll("-", "")}`;
  const store = template.replace(`/${source}?`, `/${database}?`);
  const key = settings.ELASTIK_KEY ?? secrets.key;
  if (before === undefined) {
    await run(admin, `CREATE DATABASE ${database} TEMPLATE ${source}`);
    await run(store, "UPDATE elastik.machine SET key_check = $1", [keyCheckOf(key)]);
    if (folder !== undefined) kept.set(folder, database);
  }
  const nodes: RunningServer[] = [];
  let closing: Promise<void> | undefined;
  const closeOnce = async () => {
    await Promise.all(nodes.map((node) => node.close()));
    if (folder === undefined) await run(admin, `DROP DATABASE ${database} WITH (FORCE)`);
  };
  const close = () => closing ??= closeOnce();
  try {
    for (let at = 0; at < NODES; at++) {
      const own: Readonly<Record<string, string | undefined>> = {
        ...settings,
        ELASTIK_KEY: key,
        ELASTIK_APPROVE_TOKEN: settings.ELASTIK_APPROVE_TOKEN ?? secrets.approveToken,
        ELASTIK_STORE: store,
        ELASTIK_NODE: `n${at}`,
        ELASTIK_READS: "linearizable",
      };
      const read = (name: string) => own[name];
      nodes.push(
        await startServer({
          ...options,
          config: readConfig(read),
          env: read,
          // A node refuses to start without a token. Many tests are about a server that has none.
          openStore: (opening) =>
            openServerStore({ ...opening, config: { ...opening.config, token: secrets.token } }),
        }),
      );
    }
  } catch (error) {
    await close();
    throw error;
  }
  await Promise.all(nodes.map(({ booted }) => booted));
  return {
    nodes,
    forgetNames: () => run(store, "DELETE FROM elastik.names WHERE world IS NULL"),
    close,
  };
}

async function run(url: string, text: string, values: readonly PgValue[] = []): Promise<void> {
  const store = parseStoreUrl(url);
  const [host] = store.hosts;
  if (host === undefined) throw new Error("no host");
  const session = await openPatiently({ host, store });
  try {
    await session.query(text, values);
  } finally {
    session.drop();
  }
}
