/** Creates the locks of a server: it decides when the lock of a holder ends. */

import type { Caller } from "../auth/caller.ts";
import { LockTable } from "../dav/locks/lock_table.ts";
import { SharedLocks } from "../dav/locks/shared_locks.ts";
import type { LockOptions, Locks } from "../dav/locks/locks.ts";
import type { ServerContext } from "../request/server_context.ts";

/** Creates locks; by default the store has them if it is shared, else the memory of the server. */
export type LockFactory = (options: LockOptions) => Locks;

/**
 * Creates the locks. A lock ends with the capability or the account of its holder, and with the plugin
 * that took it.
 */
export function createLocks(
  server: ServerContext,
  create: LockFactory = (options) => {
    const { locks: records } = server.store;
    return records === undefined ? new LockTable(options) : new SharedLocks(options, records);
  },
): Locks {
  const { authenticator, plugins, now, monotonic, config, store } = server;
  function secondsLeft(caller: Caller): number {
    if (!authenticator.isCurrent(caller)) return 0;
    const { scope, grants, by } = caller;
    if (scope !== undefined) return scope.exp - now() / 1000;
    if (grants === undefined) return Infinity;
    const routes = plugins.fallback === undefined
      ? plugins.list()
      : [...plugins.list(), plugins.fallback];
    return routes.some(({ plugin }) => by === `plugin:${plugin.slice(4)}`) ? Infinity : 0;
  }
  const locks = create({
    monotonic,
    secondsLeft,
    accountMark: (caller) => authenticator.accountMark(caller),
    // The record of a plugin at another server has its name only.
    hasPluginEnded: ({ by, grants }) =>
      grants === undefined && by.startsWith("plugin:") &&
      store.stat(`lib/${by.slice("plugin:".length)}`)?.state !== "active",
    follow: () => store.refresh().then(() => authenticator.pending),
    maxPerCredential: config.maxLocksPerCredential,
    limits: config.davLimits,
  });
  authenticator.onChange(() => locks.removeEnded());
  // A lock does not return when the name of its plugin is active again.
  store.watch("lib/", () => locks.removeEnded());
  return locks;
}
