/**
 * Everything that can be checked of one world's file, for a machine that is off: structure, chain,
 * row and earlier versions. It reads an open database and reports; it repairs nothing.
 */

import { createHash, type Hash } from "node:crypto";
import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { sha256Hex } from "../../base/hash.ts";
import {
  CHAIN_START,
  type ChainSigner,
  type ChainState,
  stepChain,
  toEventRow,
} from "../event_chain.ts";
import * as sql from "./sql.ts";
import { auditResult } from "../audit_result.ts";
import { toBytes } from "./world_file.ts";

/** One thing that does not hold. */
export interface WorldFault {
  /** `unreadable` is a file SQLite cannot use, or one that lacks what every world has. */
  readonly check: "unreadable" | "chain" | "body" | "history";
  readonly reason: string;
  /** The first event that does not hold, where a chain is broken. */
  readonly event?: number;
}

/** What a check found. */
export interface WorldCheck {
  readonly faults: readonly WorldFault[];
  /** The world's deletion is on its chain, but its folder has not reached the trash. */
  readonly isDeleted: boolean;
}

/** Events read at a time. */
const STEP = 500;

type Row = Record<string, unknown>;

interface Receipt {
  readonly chain: ChainState;
  /** Hash of each version's bytes, where an event tells it. */
  readonly hashes: ReadonlyMap<number, string>;
}

/** Checks one world. Throws what SQLite throws when the file cannot be read to its end. */
export function verifyWorld(db: DatabaseSync, name: string, seal: ChainSigner): WorldCheck {
  const leaving = Number(one(db, sql.SELECT_DELETED_MARK)?.user_version) === 1;
  const structure = String(one(db, sql.CHECK_STRUCTURE)?.quick_check);
  if (structure !== "ok") return { faults: [unreadable(firstLine(structure))], isDeleted: leaving };
  const row = one(db, sql.SELECT_STAGE);
  if (row === undefined) return { faults: [unreadable("its row is missing")], isDeleted: leaving };
  const body = toBytes(row.stage_html);
  const { chain, hashes } = readReceipt(db, seal);
  const verdict = auditResult(name, {
    version: Number(row.version),
    ext: String(row.ext),
    headers: String(row.headers),
    state: String(row.state),
    sha256: sha256Hex(body),
  }, chain);
  const faults: WorldFault[] = [];
  if (!verdict.chain.ok) {
    const { reason = "it is broken", broken_at: event } = verdict.chain;
    faults.push({ check: "chain", reason, ...(event === undefined ? {} : { event }) });
  }
  if (!verdict.body.ok) faults.push({ check: "body", reason: verdict.body.reason ?? "" });
  if (one(db, sql.HAS_HISTORY) !== undefined) {
    const reason = historyFault(db, Number(row.version), body, hashes);
    if (reason !== undefined) faults.push({ check: "history", reason });
  }
  return { faults, isDeleted: leaving };
}

function readReceipt(db: DatabaseSync, seal: ChainSigner): Receipt {
  const hashes = new Map<number, string>();
  const after = db.prepare(sql.EVENTS_AFTER);
  let chain = CHAIN_START;
  for (let last: SQLInputValue = sql.BEFORE_ALL_EVENTS;; last = chain.lastId) {
    const rows = after.all(last, STEP);
    for (const row of rows) {
      chain = stepChain(chain, toEventRow(row), seal);
      if (chain.version !== undefined && chain.bodySha256 !== undefined) {
        hashes.set(chain.version, chain.bodySha256);
      }
    }
    if (rows.length < STEP) return { chain, hashes };
  }
}

/** The first thing that does not hold of the versions that are kept, or `undefined`. */
function historyFault(
  db: DatabaseSync,
  current: number,
  body: Uint8Array,
  hashes: ReadonlyMap<number, string>,
): string | undefined {
  const content = db.prepare(sql.CONTENT_OF);
  let prefixes: Prefix[] = [];
  let last: number | undefined;
  for (const row of db.prepare(sql.ALL_VERSIONS).all()) {
    const version = Number(row.version);
    if (version >= current) return `version ${version} is kept, and the current one is ${current}`;
    if (last !== undefined && version !== last + 1) return `version ${last + 1} is missing`;
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
      return `the bytes of version ${version} are not those it was kept for`;
    }
    const told = hashes.get(version);
    if (told !== undefined && told !== sha256) {
      return `version ${version} is not the one its event was written for`;
    }
    const fault = prefixFault([...prefixes, { version, len }], bytes, hashes);
    if (fault !== undefined) return fault;
    prefixes = [];
  }
  if (last !== undefined && last !== current - 1) return `version ${last + 1} is missing`;
  const loose = one(db, sql.UNREFERENCED_CONTENT);
  if (loose !== undefined) return `bytes are kept that no version has (${String(loose.sha256)})`;
  return prefixFault(prefixes, body, hashes);
}

interface Prefix {
  readonly version: number;
  readonly len: number;
}

/** Earlier versions that are the beginning of a later one's bytes, oldest first, in one pass. */
function prefixFault(
  prefixes: readonly Prefix[],
  bytes: Uint8Array,
  hashes: ReadonlyMap<number, string>,
): string | undefined {
  const hash: Hash = createHash("sha256");
  let at = 0;
  for (const { version, len } of prefixes) {
    if (len < at || len > bytes.length) return `version ${version} does not fit the one after it`;
    hash.update(bytes.subarray(at, len));
    at = len;
    const told = hashes.get(version);
    if (told !== undefined && hash.copy().digest("hex") !== told) {
      return `version ${version} is not the one its event was written for`;
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

function one(db: DatabaseSync, statement: string, ...values: SQLInputValue[]): Row | undefined {
  return db.prepare(statement).get(...values);
}
