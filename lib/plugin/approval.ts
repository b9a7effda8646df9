/**
 * Whether a plugin's source is the one that was approved. The state column alone proves nothing: the
 * approval is the event that made it active, on a chain nobody can extend without the machine's key,
 * and it names the hash of the source it was given for.
 */

import type { ChainEvent, Store, World } from "../world/store.ts";

const PAGE = 100;

/**
 * Says why an active plugin may not be started, or `undefined` when it may.
 *
 * @param source the plugin's world as it is now
 */
export async function approvalFault(store: Store, source: World): Promise<string | undefined> {
  const verdict = await store.audit(source.name);
  if (!verdict.chain.ok) return `its event chain is broken: ${verdict.chain.reason ?? "unknown"}`;
  if (!verdict.body.ok) {
    return `its source is not what its events tell: ${verdict.body.reason ?? ""}`;
  }
  const approval = await lastTransition(store, source.name);
  if (approval === undefined) return "no event tells who approved it";
  const { to, source_sha256: approved } = approval;
  if (to !== "active") return `its newest state on the chain is ${String(to)}`;
  if (approved !== source.sha256) return "the source that was approved is another";
  return undefined;
}

async function lastTransition(
  store: Store,
  name: string,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  let before: number | undefined;
  for (;;) {
    const page = { limit: PAGE, ...(before === undefined ? {} : { before }) };
    const events: readonly ChainEvent[] = await store.log(name, page);
    for (const { type, payload } of events) {
      if (type !== "state_transition") continue;
      return typeof payload === "object" && payload !== null ? { ...payload } : {};
    }
    before = events.at(-1)?.id;
    if (before === undefined || before <= 1) return undefined;
  }
}
