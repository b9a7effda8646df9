/**
 * Whether a plugin is what was approved. The state column alone proves nothing: the approval is the
 * event that made it active, on a chain nobody can extend without the machine's key. It names the hash
 * of the source it was given for, and what that source asked to be: a source that asks for more at
 * another hour, or with another throw of its dice, was not approved for that.
 */

import { sha256Hex } from "../../base/hash.ts";
import type { ChainEvent, Store, World } from "../../world/store.ts";
import type { ProbeResult } from "./probe_manifest.ts";

const PAGE = 100;
/** What a source asks to be that no configuration may change. */
const FIXED = ["routes", "auth", "config", "grants", "fallback", "patience"] as const;

/** What the event of an approval tells. */
export type ApprovalFacts = Readonly<Record<string, unknown>>;

/** An approval that holds, or why there is none. */
export type ApprovalResult = { readonly facts: ApprovalFacts } | { readonly fault: string };

/** What the event of an approval shall tell of a source. */
export function approvalFacts({ manifest, permissions, config }: ProbeResult): ApprovalFacts {
  const { routes, auth, grants, fallback, patience } = manifest;
  return {
    routes,
    auth,
    config: manifest.config,
    grants,
    fallback,
    ...(patience === undefined ? {} : { patience }),
    permissions,
    config_sha256: hashOf(config),
  };
}

/**
 * Finds the approval of an active plugin's source.
 *
 * @param source the plugin's world as it is now
 */
export async function findApproval(store: Store, source: World): Promise<ApprovalResult> {
  const verdict = await store.audit(source.name);
  if (!verdict.chain.ok) {
    return { fault: `its event chain is broken: ${verdict.chain.reason ?? "unknown"}` };
  }
  if (!verdict.body.ok) {
    return { fault: `its source is not what its events tell: ${verdict.body.reason ?? ""}` };
  }
  const facts = await lastTransition(store, source.name);
  if (facts === undefined) return { fault: "no event tells who approved it" };
  const { to, source_sha256: approved } = facts;
  if (to !== "active") return { fault: `its newest state on the chain is ${String(to)}` };
  if (approved !== source.sha256) return { fault: "the source that was approved is another" };
  return { facts };
}

/**
 * Says what a source asks for now that it did not when it was approved, or `undefined`. Permissions
 * may follow the configuration, which T3 writes; with the same configuration they stay the same.
 */
export function manifestDrift(approved: ApprovalFacts, wanted: ProbeResult): string | undefined {
  const now = approvalFacts(wanted);
  const field = FIXED.find((name) => canonical(approved[name]) !== canonical(now[name])) ??
    (approved.config_sha256 === now.config_sha256 &&
        canonical(approved.permissions) !== canonical(now.permissions)
      ? "permissions"
      : undefined);
  return field === undefined
    ? undefined
    : `its \`${field}\` are not those that were approved; PUT active to approve them as they are`;
}

async function lastTransition(store: Store, name: string): Promise<ApprovalFacts | undefined> {
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

function hashOf(config: Readonly<Record<string, string>>): string {
  return sha256Hex(new TextEncoder().encode(canonical(config)));
}

/** JSON with the keys in order: the chain does not keep the order they were given in. */
function canonical(value: unknown): string {
  return JSON.stringify(
    value,
    (_key, part) =>
      typeof part === "object" && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1))
        : part,
  ) ?? "absent";
}
