/**
 * The verdict on a world's receipt: is its chain whole, and is the current row what the newest events
 * say it is. Pure; who walks the chain and who reads the row is somebody else's concern.
 */

import type { ChainState } from "./event_chain.ts";
import type { ReadResult } from "./store/worker_messages.ts";
import type { AuditResult } from "./store.ts";

/** The row of a world, as far as its events tell of it. */
export type AuditedRow = Pick<ReadResult, "version" | "ext" | "headers" | "state" | "sha256">;

/** States a world is born with, before any event tells of one. */
const BORN_STATES: readonly string[] = ["", "pending"];

/**
 * Judges a world.
 *
 * @param current the row as it is, with the hash of the bytes that are in it
 * @param chain where a walk over all of its events ended
 */
export function auditResult(name: string, current: AuditedRow, chain: ChainState): AuditResult {
  const chainOk = chain.brokenAt === undefined && chain.events > 0;
  const reason = bodyFault(current, chain);
  return {
    name,
    ok: chainOk && reason === undefined,
    events: chain.events,
    version: current.version,
    chain: {
      ok: chainOk,
      ...(chain.brokenAt === undefined ? {} : { broken_at: chain.brokenAt }),
      ...(chainOk ? {} : { reason: chain.reason ?? "the chain has no events" }),
    },
    body: {
      ok: reason === undefined,
      sha256: current.sha256,
      ...(chain.bodySha256 === undefined ? {} : { expected: chain.bodySha256 }),
      ...(reason === undefined ? {} : { reason }),
    },
  };
}

function bodyFault(row: AuditedRow, chain: ChainState): string | undefined {
  if (chain.bodySha256 === undefined) return "no event tells the body's hash";
  if (chain.bodySha256 !== row.sha256) {
    return "the bytes are not those the last event was written for";
  }
  if (chain.version !== row.version) {
    return `the row says version ${row.version}, the last event ${chain.version}`;
  }
  if (chain.ext !== undefined && chain.ext !== row.ext) {
    return `the row says ext "${row.ext}", the last event that tells it "${chain.ext}"`;
  }
  if (chain.meta !== undefined && chain.meta !== row.headers) {
    return "the metadata is not what the last event that tells it was written for";
  }
  // A state nobody moved the world to would start a plugin nobody approved.
  const states = chain.state === undefined ? BORN_STATES : [chain.state];
  if (!states.includes(row.state)) {
    return `the row says state "${row.state}", the last event that tells it "${chain.state ?? ""}"`;
  }
  return undefined;
}
