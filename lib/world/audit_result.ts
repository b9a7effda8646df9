/**
 * Computes the result of an audit of one world from two independent checks: the event chain is
 * unbroken, and the current row matches what the newest events record. Pure: the caller supplies
 * the row and the state of the chain.
 */

import type { ChainState, EventRow } from "./event_chain.ts";
import type { AuditResult } from "./store.ts";

/** The columns of a world's row that its events record, as stored. */
export interface AuditedRow {
  readonly version: number;
  readonly ext: string;
  /** JSON of the metadata. */
  readonly headers: string;
  readonly state: string;
  /** Lower-case hexadecimal SHA-256 of the bytes in the row. */
  readonly sha256: string;
  /** The newest event by the row, if the row of this engine names it. */
  readonly head?: EventHead;
}

/** The newest event of a chain. */
export type EventHead = Pick<EventRow, "id" | "hmac">;

/** States that a world can have while its chain has no `state_transition` event. */
const INITIAL_STATES: readonly string[] = ["", "pending"];

/**
 * Computes the audit result of one world.
 *
 * @param name canonical name of the world
 * @param current the row as stored; `sha256` is the hash of the bytes that are in the row now
 * @param chain state of the chain after its last event was checked
 */
export function auditResult(name: string, current: AuditedRow, chain: ChainState): AuditResult {
  const isNamed = chain.name !== undefined;
  const hasName = !isNamed || chain.name === name;
  const headReason = current.head &&
    headFault(current.head, { id: chain.lastId, hmac: chain.head });
  const chainOk = chain.brokenAt === undefined && chain.events > 0 && hasName &&
    headReason === undefined;
  const chainReason = chain.reason ??
    (hasName ? chain.events > 0 ? headReason : NO_EVENTS : OTHER_NAME);
  const reason = bodyFault(current, chain);
  return {
    name,
    ok: chainOk && reason === undefined,
    events: chain.events,
    version: current.version,
    named: isNamed,
    chain: {
      ok: chainOk,
      ...(chain.brokenAt === undefined ? {} : { broken_at: chain.brokenAt }),
      ...(chainOk || chainReason === undefined ? {} : { reason: chainReason }),
    },
    body: {
      ok: reason === undefined,
      sha256: current.sha256,
      ...(chain.bodySha256 === undefined ? {} : { expected: chain.bodySha256 }),
      ...(reason === undefined ? {} : { reason }),
    },
  };
}

const NO_EVENTS = "the chain has no events";
/** Without the other name, which the caller may not be allowed to know. */
const OTHER_NAME = "the chain names another world: the folder was renamed outside the server";

/**
 * Compares the newest event that the row of a world names with that of its chain. A change after another
 * event than the newest one would break the chain for good.
 *
 * @returns the end of a sentence; undefined if they are the same
 */
export function headFault(row: EventHead, newest: EventHead): string | undefined {
  if (row.id !== newest.id) {
    return `the row names event ${row.id} as the newest one, the chain ends with event ${newest.id}`;
  }
  return row.hmac === newest.hmac
    ? undefined
    : `the row has another hmac than event ${newest.id}, which is the newest one`;
}

function bodyFault(row: AuditedRow, chain: ChainState): string | undefined {
  if (chain.bodySha256 === undefined) return "no event records the hash of the body";
  if (chain.bodySha256 !== row.sha256) {
    return "the bytes do not match the hash in the last event";
  }
  if (chain.version !== row.version) {
    return `the row has version ${row.version}, the last event has ${chain.version}`;
  }
  if (chain.ext !== undefined && chain.ext !== row.ext) {
    return `the row has ext "${row.ext}", the last event with an ext has "${chain.ext}"`;
  }
  if (chain.meta !== undefined && chain.meta !== row.headers) {
    return "the metadata does not match the last event with metadata";
  }
  // Without this check, an edited state column could start a plugin that was never approved.
  const states = chain.state === undefined ? INITIAL_STATES : [chain.state];
  if (!states.includes(row.state)) {
    return `the row has state "${row.state}", the last event with a state has "${
      chain.state ?? ""
    }"`;
  }
  return undefined;
}
