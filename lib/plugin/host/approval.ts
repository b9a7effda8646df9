/**
 * Checks whether a source is the one that was approved. The column `state` is not a proof. The
 * approval is the event that made the plugin active, on the world's event chain, which only the
 * holder of the server's key can extend. The event contains the hash of the source and everything
 * that the source declared. A source can declare something else at another time, so the declaration
 * is compared too; a plugin must not start with more than was approved.
 */

import { sha256Hex } from "../../base/hash.ts";
import type { ChainEvent, Store, World } from "../../world/store.ts";
import type { ProbeResult } from "./probe_manifest.ts";

/** Number of events per read of the chain. */
const PAGE_EVENTS = 100;
/** Fields of the manifest that must not change without a new approval. */
const FIXED = ["routes", "auth", "config", "grants", "fallback", "patience"] as const;

/** Payload of the event of an approval. */
export type ApprovalPayload = Readonly<Record<string, unknown>>;

/** The payload of a valid approval, or the reason why there is none. */
export type ApprovalResult = { readonly payload: ApprovalPayload } | { readonly fault: string };

/** Returns the payload of an approval's event for a source. */
export function approvalPayload({ manifest, permissions, config }: ProbeResult): ApprovalPayload {
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
 * Finds the approval of an active plugin.
 *
 * @param source the current world of the plugin
 * @returns the payload of the approval, or a fault: the chain is broken, the source differs from the
 * chain, or the newest transition is not an approval of this source
 */
export async function findApproval(store: Store, source: World): Promise<ApprovalResult> {
  const audit = await store.audit(source.name);
  if (!audit.chain.ok) {
    return { fault: `its event chain is broken: ${audit.chain.reason ?? "unknown"}` };
  }
  if (!audit.body.ok) {
    return { fault: `its source does not match its event chain: ${audit.body.reason ?? ""}` };
  }
  const payload = await lastTransition(store, source.name);
  if (payload === undefined) return { fault: "its event chain contains no approval" };
  const { to, source_sha256: approved } = payload;
  if (to !== "active") return { fault: `its newest state on the event chain is ${String(to)}` };
  if (approved !== source.sha256) return { fault: "another source was approved" };
  return { payload };
}

/**
 * Compares what a source declares now with what was approved. Permissions may change with the
 * config worlds, which only T3 can write; with the same config they must be the same.
 *
 * @param approved payload of the approval
 * @param current what the source declares now
 * @returns the difference as text, or undefined if they agree
 */
export function manifestDrift(approved: ApprovalPayload, current: ProbeResult): string | undefined {
  const currentPayload = approvalPayload(current);
  const field =
    FIXED.find((name) => canonicalJson(approved[name]) !== canonicalJson(currentPayload[name])) ??
      (approved.config_sha256 === currentPayload.config_sha256 &&
          canonicalJson(approved.permissions) !== canonicalJson(currentPayload.permissions)
        ? "permissions"
        : undefined);
  return field === undefined
    ? undefined
    : `its \`${field}\` differs from the approval; PUT active to approve the current value`;
}

async function lastTransition(store: Store, name: string): Promise<ApprovalPayload | undefined> {
  let before: number | undefined;
  for (;;) {
    const page = { limit: PAGE_EVENTS, ...(before === undefined ? {} : { before }) };
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
  return sha256Hex(new TextEncoder().encode(canonicalJson(config)));
}

/** Returns JSON with sorted keys, because the chain does not keep their order. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(
    value,
    (_key, part) =>
      typeof part === "object" && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1))
        : part,
  ) ?? "absent";
}
