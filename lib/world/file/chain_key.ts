/**
 * Checks which key signed a chain, at its ends only, so that the check costs the same for every
 * chain. The server must not append to a chain that another key signed: the chain would then verify
 * under neither key. A chain with an altered event is a different case: the audit reports it, and
 * the world can still be changed.
 */

import { type ChainSigner, isSignedBy, toEventRow } from "../event_chain.ts";
import * as sql from "./sql.ts";

/** Events that are checked at each end of a chain whose newest event is not valid. */
const EVENTS_PER_END = 16;

/** Reads rows of an open world. */
export type ReadRows = (
  statement: string,
  ...values: (number | bigint)[]
) => readonly Readonly<Record<string, unknown>>[];

/**
 * Whether another key signed the chain of a world: its newest event is neither valid under this key
 * nor under a retired one, and none of the other events at its two ends is valid under this key. A
 * valid event of a retired key does not count, because the key of the newest event can be a later one.
 *
 * @param readRows reads rows of the open world
 * @param sign signer with the server's key
 * @returns false for a chain without events
 */
export function isSignedWithOtherKey(readRows: ReadRows, sign: ChainSigner): boolean {
  const [newest] = readRows(sql.LAST_EVENT);
  if (newest === undefined) return false;
  const head = toEventRow(newest);
  if ([sign, ...sign.retired ?? []].some((known) => isSignedBy(head, known))) return false;
  const ends = [
    ...readRows(sql.EVENTS_AFTER, sql.BEFORE_ALL_EVENTS, EVENTS_PER_END),
    ...readRows(sql.EVENTS_BEFORE, Number.MAX_SAFE_INTEGER, EVENTS_PER_END),
  ];
  return !ends.some((row) => isSignedBy(toEventRow(row), sign));
}
