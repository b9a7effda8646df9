/** Replaces members of a store, so that a test decides what they do. */

import type { Store } from "../../lib/world/store.ts";
import { currentWriteChecks } from "../../lib/world/write_checks.ts";

/**
 * Returns a store with other members.
 *
 * @param store the store that has the remaining members
 */
export function withCalls(store: Store, calls: Partial<Store>): Store {
  return new Proxy(store, {
    get(target, name) {
      if (Object.hasOwn(calls, name)) return Reflect.get(calls, name);
      const found: unknown = Reflect.get(target, name);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
}

/** Returns a store that says that it is shared. As there, what is written is an effect of the request. */
export function asShared(store: Store, calls: Partial<Store>): Store {
  const put: Store["put"] = async (change) => {
    const result = await store.put(change);
    currentWriteChecks()?.recordEffect();
    return result;
  };
  return withCalls(store, { isShared: true, put, ...calls });
}
