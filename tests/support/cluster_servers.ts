/** Servers over one PostgreSQL database, in this process, for tests that need more than one node. */

import { readConfig } from "../../lib/config.ts";
import {
  type RunningServer,
  startServer,
  type StartServerOptions,
} from "../../lib/server/start.ts";
import type { SettingName } from "../../lib/settings.ts";
import { CLUSTER_KEY, ClusterStores } from "./cluster_stores.ts";
import type { PostgresServers } from "./postgres_servers.ts";
import { STORE_WORKER } from "./store_worker.ts";

/** Token and approve token of the nodes. */
export const NODE_TOKEN = "token-of-all-nodes";
export const NODE_APPROVE = "approve-token-of-all-nodes";

/** The module with which the cells of plugins are started. */
const MAIN = new URL("../../main.ts", import.meta.url).href;

/** A request to a node. */
export type SendTo = (
  node: RunningServer | undefined,
  line: string,
  init?: { readonly headers?: Readonly<Record<string, string>>; readonly body?: string },
) => Promise<{ readonly status: number; readonly headers: Headers; readonly text: string }>;

/** Sends as T2 unless `authorization` is given: `PUT /home/x`. */
export const sendTo: SendTo = async (node, line, { headers, body } = {}) => {
  if (node === undefined) throw new Error("no node");
  const [method = "", path = ""] = line.split(" ");
  const response = await fetch(`${node.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${NODE_TOKEN}`, ...headers },
    ...(body === undefined ? {} : { body }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
};

/**
 * Runs a test on nodes of a new database.
 *
 * @param openStore opens the store of each node
 */
export async function withNodes(
  servers: PostgresServers,
  count: number,
  test: (nodes: readonly RunningServer[]) => Promise<void>,
  env: Partial<Record<SettingName, string>> = {},
  openStore?: StartServerOptions["openStore"],
): Promise<void> {
  await using stores = await ClusterStores.create(servers);
  const nodes: RunningServer[] = [];
  try {
    for (let at = 0; at < count; at++) {
      const settings: Partial<Record<string, string>> = {
        ELASTIK_PORT: "0",
        ELASTIK_KEY: CLUSTER_KEY,
        ELASTIK_TOKEN: NODE_TOKEN,
        ELASTIK_APPROVE_TOKEN: NODE_APPROVE,
        ELASTIK_STORE: stores.url,
        ELASTIK_NODE: `n${at}`,
        ELASTIK_CELL_START: "60000",
        ...env,
      };
      const read = (name: string) => settings[name];
      nodes.push(
        await startServer({
          config: readConfig(read),
          env: read,
          lowerWorlds: {},
          storeWorkerUrl: STORE_WORKER,
          main: MAIN,
          ...(openStore === undefined ? {} : { openStore }),
          log: () => {},
          onStoreFailure: () => {},
        }),
      );
    }
    await test(nodes);
  } finally {
    await Promise.all(nodes.map((node) => node.close()));
  }
}
