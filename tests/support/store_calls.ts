/** Replaces members of a store, so that a test decides what they do. */

import type { Store } from "../../lib/world/store.ts";

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
