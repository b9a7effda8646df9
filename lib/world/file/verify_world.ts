/**
 * Verifies the file of one world while no server runs: database structure, event chain, current row
 * and earlier versions. It reads an open database and reports faults; it must never repair
 * anything.
 */

import type { Hash } from "node:crypto";
import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { sha256Hex } from "../../base/hash.ts";
import { nodeCrypto } from "../../base/node_crypto.ts";
import {
  CHAIN_START,
  type ChainSigner,
  type ChainState,
  stepChain,
  toEventRow,
} from "../event_chain.ts";
import * as sql from "./sql.ts";
import { auditResult } from "../audit_result.ts";
import { readStage, rowsOf, toBytes } from "./read_stage.ts";
import { StoreError } from "../store.ts";

/** One fault of a world. */
export interface WorldFault {
  /** `unreadable`: SQLite cannot use the file, or the row of the world is missing. */
  readonly check: "unreadable" | "chain" | "body" | "history";
  readonly reason: string;
  /** Id of the first event that is not valid, if the chain is broken at an event. */
  readonly event?: number;
}

/** Result of {@link verifyWorld}. */
export interface WorldCheck {
  readonly faults: readonly WorldFault[];
  /** Whether the world was deleted, but its folder is not in the trash yet. */
  readonly isDeleted: boolean;
  /** Whether the chain names its world; see `AuditResult`. */
  readonly isNamed: boolean;
}

/** Events that are read at a time. */
const EVENTS_PER_QUERY = 500;

type Row = Record<string, unknown>;

interface ChainResult {
  readonly chain: ChainState;
  /** Hash of the bytes of each version, if an event records it. */
  readonly hashes: ReadonlyMap<number, string>;
}

/**
 * Verifies one world.
 *
 * @param db the open world
 * @param name canonical name of the world
 * @param sign signer with the key of the chain
 * @throws what SQLite throws if it cannot read the file
 */
export function verifyWorld(db: DatabaseSync, name: string, sign: ChainSigner): WorldCheck {
  const isDeleted = Number(getRow(db, sql.SELECT_DELETED_MARK)?.user_version) === 1;
  const structure = String(getRow(db, sql.CHECK_STRUCTURE)?.quick_check);
  if (structure !== "ok") {
    return { faults: [unreadable(firstLine(structure))], isDeleted, isNamed: true };
  }
  const row = readRow(db);
  if (typeof row === "string") return { faults: [unreadable(row)], isDeleted, isNamed: true };
  const body = toBytes(row.stage_html);
  const { chain, hashes } = verifyChain(db, sign);
  const audit = auditResult(name, {
    version: Number(row.version),
    ext: String(row.ext),
    headers: String(row.headers),
    state: String(row.state),
    sha256: sha256Hex(body),
  }, chain);
  const faults: WorldFault[] = [];
  if (!audit.chain.ok) {
    const { reason: found = "the chain is broken", broken_at: event } = audit.chain;
    const isRenamed = chain.reason === undefined && chain.name !== undefined;
    const reason = isRenamed ? `the chain is that of /${chain.name}` : found;
    faults.push({ check: "chain", reason, ...(event === undefined ? {} : { event }) });
  }
  if (!audit.body.ok) faults.push({ check: "body", reason: audit.body.reason ?? "" });
  if (getRow(db, sql.HAS_HISTORY) !== undefined) {
    const reason = historyFault(db, Number(row.version), body, hashes);
    if (reason !== undefined) faults.push({ check: "history", reason });
  }
  return { faults, isDeleted, isNamed: chain.name !== undefined };
}

/** Reads the current version, or returns why there is none. */
function readRow(db: DatabaseSync): Row | string {
  try {
    return readStage(rowsOf(db)) ?? "the row of the world is missing";
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return error.message;
  }
}

function verifyChain(db: DatabaseSync, sign: ChainSigner): ChainResult {
  const hashes = new Map<number, string>();
  const after = db.prepare(sql.EVENTS_AFTER);
  let chain = CHAIN_START;
  for (let last: SQLInputValue = sql.BEFORE_ALL_EVENTS;; last = chain.lastId) {
    const rows = after.all(last, EVENTS_PER_QUERY);
    for (const row of rows) {
      chain = stepChain(chain, toEventRow(row), sign);
      if (chain.version !== undefined && chain.bodySha256 !== undefined) {
        hashes.set(chain.version, chain.bodySha256);
      }
    }
    if (rows.length < EVENTS_PER_QUERY) return { chain, hashes };
  }
}

/** Returns the first fault of the earlier versions, or `undefined`. */
function historyFault(
  db: DatabaseSync,
  current: number,
  body: Uint8Array,
  hashes: ReadonlyMap<number, string>,
): string | undefined {
  const content = db.prepare(sql.CONTENT_OF);
  const numbers = [...hashes.keys()].sort((a, b) => a - b);
  let prefixes: Prefix[] = [];
  let last: number | undefined;
  for (const row of db.prepare(sql.ALL_VERSIONS).all()) {
    const version = Number(row.version);
    if (version >= current) {
      return `version ${version} is kept, but the current one is ${current}`;
    }
    const missing = last === undefined ? undefined : missingVersion(last, version, numbers);
    if (missing !== undefined) return `version ${missing} is missing`;
    last = version;
    const len = Number(row.len);
    if (row.kind !== "full") {
      prefixes.push({ version, len });
      continue;
    }
    const sha256 = String(row.sha256);
    const kept = content.get(sha256);
    if (kept === undefined) return `the bytes of version ${version} are missing`;
    const bytes = toBytes(kept.bytes);
    if (bytes.length !== len || sha256Hex(bytes) !== sha256) {
      return `the bytes of version ${version} do not match their hash and length`;
    }
    const recorded = hashes.get(version);
    if (recorded !== undefined && recorded !== sha256) {
      return `version ${version} does not match the hash in its event`;
    }
    const fault = prefixFault([...prefixes, { version, len }], bytes, hashes);
    if (fault !== undefined) return fault;
    prefixes = [];
  }
  const missing = last === undefined ? undefined : missingVersion(last, current, numbers);
  if (missing !== undefined) return `version ${missing} is missing`;
  const unused = getRow(db, sql.UNREFERENCED_CONTENT);
  if (unused !== undefined) return `no version has the kept bytes ${String(unused.sha256)}`;
  return prefixFault(prefixes, body, hashes);
}

/**
 * Returns the first version between two kept ones that the world had. Numbers that its name used
 * for another world are not missing; they have no event in this chain.
 */
function missingVersion(
  last: number,
  next: number,
  recorded: readonly number[],
): number | undefined {
  if (next === last + 1) return undefined;
  // If no event records the versions, no number may be missing.
  let [low, high] = [0, recorded.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((recorded[middle] ?? 0) < last) low = middle + 1;
    else high = middle;
  }
  if (recorded[low] !== last) return last + 1;
  const following = recorded[low + 1];
  return following !== undefined && following < next ? following : undefined;
}

interface Prefix {
  readonly version: number;
  readonly len: number;
}

/**
 * Checks versions that are prefixes of one later version, in one pass over its bytes.
 *
 * @param prefixes the versions, oldest first
 * @param bytes bytes of the later version
 * @returns the first fault, or `undefined`
 */
function prefixFault(
  prefixes: readonly Prefix[],
  bytes: Uint8Array,
  hashes: ReadonlyMap<number, string>,
): string | undefined {
  const hash: Hash = nodeCrypto().createHash("sha256");
  let at = 0;
  for (const { version, len } of prefixes) {
    if (len < at || len > bytes.length) return `version ${version} is longer than the next one`;
    hash.update(bytes.subarray(at, len));
    at = len;
    const recorded = hashes.get(version);
    if (recorded !== undefined && hash.copy().digest("hex") !== recorded) {
      return `version ${version} does not match the hash in its event`;
    }
  }
  return undefined;
}

function unreadable(reason: string): WorldFault {
  return { check: "unreadable", reason };
}

function firstLine(text: string): string {
  return text.split("\n").find((line) => !line.startsWith("***")) ?? text;
}

function getRow(db: DatabaseSync, statement: string, ...values: SQLInputValue[]): Row | undefined {
  return db.prepare(statement).get(...values);
}
