/**
 * A store that sends each call to a random one of some nodes, as a load balancer without affinity does.
 * Reads are made after a refresh of their node. A change resolves when every node has it, because the
 * suites also read what is answered from memory at once.
 */

import { QUOTA_WORLD } from "../../lib/world/quota_list.ts";
import type { Store } from "../../lib/world/store.ts";

/** Calls that change something. */
const CHANGES: ReadonlySet<string> = new Set([
  "append",
  "expunge",
  "markCollection",
  "note",
  "patch",
  "put",
  "remove",
  "rename",
  "restore",
  "transition",
]);
/** Calls that read and return a promise. */
const READS: ReadonlySet<string> = new Set([
  "audit",
  "changes",
  "diff",
  "entries",
  "fileSizes",
  "findTrash",
  "keyed",
  "list",
  "listTrash",
  "log",
  "read",
  "readAt",
  "search",
  "snapshot",
  "walk",
]);
/** Calls that one node answers, because they are about its own memory. */
const OF_FIRST: ReadonlySet<string> = new Set(["follow", "listingRevision", "seq", "watch"]);

type Call = (...values: unknown[]) => unknown;

function isQuotaList(change: unknown): boolean {
  return typeof change === "object" && change !== null && "name" in change &&
    change.name === QUOTA_WORLD;
}

/**
 * Creates the store.
 *
 * @param nodes stores over one database
 * @param random returns a number from 0 up to 1
 */
export function createScatteredStore(nodes: readonly Store[], random: () => number): Store {
  const [first] = nodes;
  if (first === undefined) throw new Error("no node");
  const pick = () => nodes[Math.floor(random() * nodes.length)] ?? first;
  const refreshAll = () => Promise.all(nodes.map((node) => node.refresh()));
  /** Every node reads a new list of quotas after its row of the feed; changes wait for that by themselves. */
  async function settleQuotas(): Promise<void> {
    await Promise.all(nodes.map((node) => node.read(QUOTA_WORLD)));
    await new Promise((resume) => setTimeout(resume, 0));
  }
  let closing: Promise<void> | undefined;
  const running = new Set<Promise<unknown>>();
  const track = (call: Promise<unknown>) => {
    running.add(call);
    const end = () => void running.delete(call);
    call.then(end, end);
    return call;
  };
  async function closeAll(): Promise<void> {
    // A node accepts a read only after its refresh.
    await Promise.allSettled(running);
    await Promise.all(nodes.map((node) => node.close()));
  }
  return new Proxy(first, {
    get(_, name: string) {
      if (name === "close") {
        return () => closing ??= closeAll();
      }
      const node = OF_FIRST.has(name) ? first : pick();
      const value: unknown = Reflect.get(node, name);
      if (typeof value !== "function") return value;
      const call: Call = value.bind(node);
      if (CHANGES.has(name)) {
        return async (...values: unknown[]) => {
          const result = await call(...values);
          // A node that is closing has what it accepted.
          await refreshAll().catch((error) => {
            if (closing === undefined) throw error;
          });
          if (isQuotaList(values[0])) await settleQuotas();
          return result;
        };
      }
      if (!READS.has(name)) return call;
      const readFresh = async (values: unknown[]) => {
        await node.refresh();
        return await call(...values);
      };
      return (...values: unknown[]) =>
        closing === undefined ? track(readFresh(values)) : call(...values);
    },
  });
}
