/** Opens the store of a node, or says in one sentence why the node must not use the database. */

import type { Store } from "../store.ts";
import { DatabaseFeed } from "./database_feed.ts";
import { Link } from "./link.ts";
import { explainMachine, explainRetiredKeys, orderRetiredKeys, readMachine } from "./machine.ts";
import { PostgresStore } from "./postgres_store.ts";
import type { PostgresStoreOptions } from "./postgres_store_options.ts";
import { POSTGRES_SCHEMA_VERSION } from "./schema.ts";

/** A database that a node must not use. The message is one sentence for the operator. */
export class UnusableStore extends Error {
  override readonly name = "UnusableStore";
}

/**
 * Opens the store: finds the primary, checks the schema and the keys, and reads all heads.
 *
 * @throws {UnusableStore} if the database has no store, another schema or another key, or a
 * retired key is missing
 * @throws {SessionError} if the database cannot be reached
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<Store> {
  const { log = () => {}, retiredKeys: retired = [] } = options;
  let store: PostgresStore | undefined;
  const link = await Link.connect({
    store: options.url,
    node: options.node,
    sync: options.sync ?? "full",
    listens: options.feed !== "poll",
    onNotification: (payload) => store?.announce(Number(payload)),
    onPrimary: () => store?.changePrimary(),
    log,
  });
  try {
    const machine = await link.ask("read", readMachine);
    const fault = explainMachine(machine, options.key, POSTGRES_SCHEMA_VERSION) ??
      (machine === undefined ? undefined : explainRetiredKeys(machine, retired));
    if (fault !== undefined) throw new UnusableStore(`Cannot use ${options.url}: ${fault}`);
    const retiredKeys = machine === undefined ? retired : orderRetiredKeys(machine, retired);
    const lower = await new DatabaseFeed(link).readLower(options.lower);
    const folder = await Deno.makeTempDir({ prefix: "elastik-" });
    store = new PostgresStore({ ...options, retiredKeys, lower }, { link, folder, log });
    await store.start();
    return store;
  } catch (error) {
    if (store === undefined) link.close();
    else await store.close();
    throw error;
  }
}
