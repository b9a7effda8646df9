/**
 * Two nodes of which the second is behind: what the first one changes reaches it only when it asks to follow.
 */

import { openServerStore } from "../../lib/server/open_store.ts";
import type { RunningServer } from "../../lib/server/start.ts";
import type { Session } from "../../lib/world/postgres/session.ts";
import { parseStoreUrl } from "../../lib/world/postgres/store_url.ts";
import { withNodes } from "../support/cluster_servers.ts";
import { openDatabase } from "../support/database_session.ts";
import type { PostgresServers } from "../support/postgres_servers.ts";
import { withCalls } from "../support/store_calls.ts";

/** See the module. */
export interface StaleNode {
  readonly current: RunningServer | undefined;
  readonly stale: RunningServer | undefined;
  /** From now on no change reaches the second node, until it asks to follow. */
  readonly hold: () => Promise<void>;
  /** Lets all changes reach it. */
  readonly release: () => Promise<void>;
}

/** Runs a test on two nodes of a new database. */
export function withStaleNode(
  servers: PostgresServers,
  test: (nodes: StaleNode) => Promise<void>,
): Promise<void> {
  let session: Promise<Session> | undefined;
  let isHeld = false;
  const hold = async () => {
    const lock = await session;
    if (lock === undefined) throw new Error("no session");
    await lock.query("BEGIN");
    // The publisher waits for this row, so acknowledged changes reach no other node.
    await lock.query("SELECT seq FROM elastik.feed FOR UPDATE");
    isHeld = true;
  };
  const release = async () => {
    if (!isHeld) return;
    isHeld = false;
    await (await session)?.query("ROLLBACK");
  };
  const openStore: typeof openServerStore = async (options) => {
    const opened = await openServerStore(options);
    const { store: address = "" } = options.config;
    session ??= openDatabase(servers, parseStoreUrl(address).database);
    if (options.config.node !== "n1") return opened;
    const { store } = opened;
    /** The node judges by memory until it asks the database; the store itself does so for each change. */
    const afterRelease =
      <A extends unknown[], R>(call: (...values: A) => Promise<R>) => async (...values: A) => {
        await release();
        return await call.apply(store, values);
      };
    const calls = {
      refresh: afterRelease(store.refresh),
      put: afterRelease(store.put),
      append: afterRelease(store.append),
      patch: afterRelease(store.patch),
      transition: afterRelease(store.transition),
      note: afterRelease(store.note),
      remove: afterRelease(store.remove),
      rename: afterRelease(store.rename),
      markCollection: afterRelease(store.markCollection),
    };
    return { ...opened, store: withCalls(store, calls) };
  };
  return withNodes(
    servers,
    2,
    async ([current, stale]) => {
      try {
        await test({ current, stale, hold, release });
      } finally {
        await release();
        (await session)?.drop();
      }
    },
    { ELASTIK_CELL_START: "60000" },
    openStore,
  );
}
