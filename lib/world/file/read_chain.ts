/**
 * Reads events of a chain for the change index, each with the name that the world had when the event
 * was appended: a world that is moved keeps its chain. Reads only.
 */

import type { DatabaseSync } from "node:sqlite";
import { type ChainEvents, type CommittedEvent, toChainId } from "../changes.ts";
import * as sql from "./sql.ts";

/**
 * Reads events after an id, oldest first.
 *
 * @param db the file of the world
 * @param name the current name of the world
 * @param after id of the last event that is not needed; 0 reads from the first
 * @param limit maximum number of events
 */
export function readChain(
  db: DatabaseSync,
  name: string,
  after: number,
  limit: number,
): ChainEvents {
  const { nameAt, chain } = readNames((statement) => db.prepare(statement).all(), name);
  const rows = db.prepare(sql.EVENTS_AFTER).all(after, limit + 1);
  const parts: { name: string; events: CommittedEvent[] }[] = [];
  for (const row of rows.slice(0, limit)) {
    const event = {
      id: Number(row.id),
      timestamp: String(row.timestamp),
      type: String(row.event_type),
      payload: String(row.payload),
      hmac: String(row.hmac),
    };
    const then = nameAt(event.id);
    const part = parts.at(-1);
    if (part?.name === then) part.events.push(event);
    else parts.push({ name: then, events: [event] });
  }
  return { chain, parts, more: rows.length > limit };
}

/**
 * Reads the id of a chain, see `toChainId`.
 *
 * @param all runs a statement on the file of the world
 * @param name the name of the world after its last event
 */
export function readChainId(all: ReadRows, name: string): string {
  return readNames(all, name).chain;
}

type ReadRows = (statement: string) => Record<string, unknown>[];

function readNames(all: ReadRows, name: string) {
  const [first] = all(sql.FIRST_EVENT);
  const nameAt = namesOf(all, name, first?.name);
  const chain = toChainId(String(first?.hmac ?? ""), nameAt(Number(first?.id ?? 0)));
  return { nameAt, chain };
}

/**
 * Returns the function that tells the name of the world at an event.
 *
 * @param origin name in the first event. It differs from what the moves tell while a world is being moved:
 * its folder has the new name a moment before the event is in its chain
 */
function namesOf(all: ReadRows, name: string, origin: unknown): (id: number) => string {
  /** Moves of this chain, newest first: before event `id` the world had the name `from`. */
  const moves: { id: number; from: string }[] = [];
  let current = name;
  for (const row of all(sql.MOVES_OF_CHAIN)) {
    // A move of the bytes only is an event of a chain that keeps its name.
    if (row.target !== `/${current}` || typeof row.source !== "string") continue;
    current = row.source.slice(1);
    moves.push({ id: Number(row.id), from: current });
  }
  const newest = typeof origin === "string" && moves.length === 0 ? origin : name;
  return (id) => moves.findLast((move) => id < move.id)?.from ?? newest;
}
