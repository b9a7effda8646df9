/**
 * The facts that all nodes of a cluster agree on: the row of the table `machine`. A node compares them
 * with its own before it starts.
 */

import { hmacSha256 } from "../../base/hash.ts";
import { toKeyId } from "../key_id.ts";
import { type PgRow, type Session, SessionError } from "./session.ts";

/** What a store says about itself. */
export interface Machine {
  /** Number of the schema of its tables and functions. */
  readonly schemaVersion: number;
  /** Shows whether a key is the one of the store; the key is not stored. */
  readonly keyCheck: string;
  /** Ids of the keys that earlier events need, oldest first. */
  readonly retiredKeys: readonly string[];
  /** Random; another one after a restore. */
  readonly epoch: string;
  readonly createdAt: string;
}

/** SQLSTATE: the role may not read. */
const NO_RIGHT = "42501";
const FACTS = "schema_version, key_check, retired_keys, epoch, created_at";

/**
 * Reads the facts.
 *
 * @returns undefined if the database has no store
 * @throws {SessionError} if the database cannot be asked, or the role may not read the store
 */
export async function readMachine(session: Session): Promise<Machine | undefined> {
  try {
    const [found] = await session.query(
      `SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'elastik' AND c.relname = 'machine') AS exists`,
    );
    if (found?.exists !== true) return undefined;
    const [row] = await session.query(`SELECT ${FACTS} FROM elastik.machine`);
    return row === undefined ? undefined : toMachine(row);
  } catch (error) {
    if (!(error instanceof SessionError) || error.code !== NO_RIGHT) throw error;
    throw new SessionError(
      NO_RIGHT,
      "the role may not read the store; its owner runs elastik store init --role <role>",
      { sqlState: NO_RIGHT, cause: error },
    );
  }
}

/**
 * Reads the facts of a store with the schema of this release, and the number of what gives authority at the
 * same moment.
 *
 * @returns undefined if the facts are gone
 * @throws {SessionError} if the database cannot be asked
 */
export async function readMachineAt(
  session: Pick<Session, "query">,
): Promise<{ readonly machine: Machine; readonly authority: number } | undefined> {
  const [row] = await session.query(
    `SELECT ${FACTS}, authority FROM elastik.machine, elastik.guard`,
    [],
  );
  if (row === undefined) return undefined;
  return { machine: toMachine(row), authority: Number(row.authority) };
}

function toMachine(row: PgRow): Machine {
  return {
    schemaVersion: Number(row.schema_version),
    keyCheck: String(row.key_check),
    retiredKeys: String(row.retired_keys).split(" ").filter((id) => id !== ""),
    epoch: String(row.epoch),
    createdAt: String(row.created_at),
  };
}

/** Returns the value by which a store knows its key. */
export function keyCheckOf(key: string): string {
  return hmacSha256(key, "elastik key check").toHex();
}

/**
 * Explains why a node must not use a store.
 *
 * @param machine facts of the store, or undefined if there is none
 * @param key `ELASTIK_KEY`; undefined to leave it out
 * @param version number of the schema that this program knows
 * @returns the end of a sentence, or undefined if it may use the store
 */
export function explainMachine(
  machine: Machine | undefined,
  key: string | undefined,
  version: number,
): string | undefined {
  if (machine === undefined) return "the database has no store; run elastik store init";
  const { schemaVersion, keyCheck } = machine;
  if (schemaVersion < version) {
    return `its schema is ${schemaVersion}, and this program needs ${version}; run elastik store upgrade`;
  }
  if (schemaVersion > version) {
    return `its schema is ${schemaVersion}, and this program knows ${version}; use a newer elastik`;
  }
  if (key !== undefined && keyCheckOf(key) !== keyCheck) {
    return machine.retiredKeys.includes(toKeyId(key))
      ? "ELASTIK_KEY is a retired key of it; set ELASTIK_KEY to its present key"
      : "ELASTIK_KEY is not its key; every node needs the same key";
  }
  return undefined;
}

/**
 * Explains why a node must not use a store although it has its key: without a retired key that signed
 * events, it would report valid chains as broken and refuse changes of their worlds.
 *
 * @param machine facts of the store
 * @param retired retired keys of the node
 * @returns the end of a sentence, or undefined if no key is missing
 */
export function explainRetiredKeys(
  { retiredKeys }: Machine,
  retired: readonly string[],
): string | undefined {
  const known = new Set(retired.map(toKeyId));
  const missing = retiredKeys.filter((id) => !known.has(id));
  if (missing.length === 0) return undefined;
  const [keys, each] = missing.length === 1 ? ["key", "the key"] : ["keys", "each key"];
  return `.key-retired in the data folder lacks the retired ${keys} ${
    missing.join(", ")
  }, which earlier events need; copy .key-retired from another node, or add ${each} with elastik key add`;
}

/**
 * Puts the retired keys of a node into the order in which the store retired them. Keys that the store
 * does not know come first: it needs none of them.
 *
 * @param machine facts of the store
 * @param retired retired keys of the node
 */
export function orderRetiredKeys({ retiredKeys }: Machine, retired: readonly string[]): string[] {
  const place = new Map(retired.map((key) => [key, retiredKeys.indexOf(toKeyId(key))]));
  return [...retired].sort((a, b) => (place.get(a) ?? 0) - (place.get(b) ?? 0));
}
