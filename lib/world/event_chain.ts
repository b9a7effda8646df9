/**
 * The event chain: the signed log of one world.
 *
 * Each change of a world adds one row to the `events` table of its file, in the same transaction.
 * An event has a time, a type, a JSON payload and two HMACs. `hmac` is the HMAC-SHA256 (RFC 2104),
 * with the server's signing key, of the previous event's HMAC and of the event's own time, type and
 * payload. `prev_hmac` is the HMAC of the previous event, or {@link GENESIS} in the first event. An
 * event that was altered, inserted, removed or moved therefore breaks the chain at a known place.
 *
 * The signing key can be replaced. New events are signed with the new key, and the events before them
 * stay valid under the retired one. In a chain, the key changes only to a newer one: an event of a
 * retired key after one of a newer key breaks the chain, so that the holder of a retired key cannot
 * add to a chain that has a newer event.
 *
 * A chain without its newest events is still valid in itself. The audit detects that case, because
 * the row of the world then differs from what the last event records (see audit_result.ts).
 *
 * Pure functions of values. Keys are parameters; they are never logged or returned.
 */

import { nodeCrypto } from "../base/node_crypto.ts";

/** `prev_hmac` of the first event of a chain. */
export const GENESIS = "0".repeat(64);

/** Signs one event; returns its HMAC as 64 lower-case hexadecimal digits. */
export interface ChainSigner {
  (previous: string, timestamp: string, type: string, payload: string): string;
  /** Signers of the retired keys, oldest first. Events that they signed are valid; they sign no new one. */
  readonly retired?: readonly ChainSigner[];
}

/**
 * Returns the text that the HMAC of an event covers. It is a JSON array, so that two events with
 * different fields never have the same text.
 *
 * @param previous HMAC of the previous event
 * @param timestamp RFC 3339 time of the event
 * @param type event type, such as `stage_written`
 * @param payload exact text of the payload column
 */
export function canonicalEvent(
  previous: string,
  timestamp: string,
  type: string,
  payload: string,
): string {
  return JSON.stringify([previous, timestamp, type, payload]);
}

const BLOCK = 64;

/**
 * Creates the signing function for a key.
 *
 * @param key the server's signing key, encoded as UTF-8
 * @param retiredKeys keys that signed earlier events, oldest first; `key` itself can be among them
 */
export function createChainSigner(key: string, retiredKeys: readonly string[] = []): ChainSigner {
  const hmac = createHmacSha256(new TextEncoder().encode(key));
  const sign: ChainSigner = (previous, timestamp, type, payload) =>
    hmac(canonicalEvent(previous, timestamp, type, payload));
  const retired = retiredKeys.filter((other) => other !== key);
  return retired.length === 0
    ? sign
    : Object.assign(sign, { retired: retired.map((other) => createChainSigner(other)) });
}

/**
 * Creates a function that computes HMAC-SHA256 (RFC 2104) with a key. It is written out as two
 * hashes, because every write pays for it: 4.5 µs of CPU per event, against 9.5 µs with `createHmac`
 * (2 cores, Deno 2.9.6, `deno run -A tests/bench/hmac_bench.ts`). Remove it when `createHmac` is
 * equally fast.
 *
 * @param key key of any length
 * @returns a function of text, encoded as UTF-8, or bytes to 64 lower-case hexadecimal digits
 */
export function createHmacSha256(key: Uint8Array): (data: string | Uint8Array) => string {
  const bytes = key.length > BLOCK
    ? new Uint8Array(nodeCrypto().createHash("sha256").update(key).digest())
    : key;
  const inner = new Uint8Array(BLOCK).fill(0x36);
  const outer = new Uint8Array(BLOCK).fill(0x5c);
  bytes.forEach((byte, i) => {
    inner[i] = 0x36 ^ byte;
    outer[i] = 0x5c ^ byte;
  });
  return function hmac(data) {
    const { createHash } = nodeCrypto();
    const digest = createHash("sha256").update(inner).update(data).digest();
    return createHash("sha256").update(outer).update(digest).digest("hex");
  };
}

/** One row of the `events` table. */
export interface EventRow {
  readonly id: number;
  readonly timestamp: string;
  readonly event_type: string;
  readonly payload: string;
  readonly hmac: string;
  readonly prev_hmac: string;
}

/**
 * Converts a row that SQLite returned. A column of an unexpected type is converted to text, which
 * does not match the signed text, so that the check of the HMAC fails.
 */
export function toEventRow(row: Readonly<Record<string, unknown>>): EventRow {
  return {
    id: Number(row.id),
    timestamp: String(row.timestamp),
    event_type: String(row.event_type),
    payload: String(row.payload),
    hmac: String(row.hmac),
    prev_hmac: String(row.prev_hmac),
  };
}

/** Result of checking a chain up to one of its events. */
export interface ChainState {
  /** Number of events checked. */
  readonly events: number;
  /** HMAC that the next event must have as its `prev_hmac`. */
  readonly head: string;
  readonly lastId: number;
  /** `body_sha256_after` of the newest event that has one. */
  readonly bodySha256?: string;
  /** `version_after` of the newest event that has one. */
  readonly version?: number;
  /** `ext` of the newest event that has one. */
  readonly ext?: string;
  /** `meta_headers` of the newest event that replaced them, as JSON. */
  readonly meta?: string;
  /** Target state of the newest `state_transition`. */
  readonly state?: string;
  /**
   * Name of the world: from the first event, then from the newest move of the chain. Absent if the chain
   * began before first events recorded the name.
   */
  readonly name?: string;
  /** Number of retired keys that are older than the key of the last valid event; absent if none is. */
  readonly olderKeys?: number;
  /** Id of the first event that is not valid; absent while the chain is unbroken. */
  readonly brokenAt?: number;
  /** Why that event is not valid. */
  readonly reason?: string;
}

/** State of a chain before its first event is checked. */
export const CHAIN_START: ChainState = { events: 0, head: GENESIS, lastId: 0 };

/**
 * Checks the next event of a chain. Its id must be one more than the last, its `prev_hmac` must be
 * the HMAC of the event before, and its HMAC must be valid for the key of the event before or for a
 * newer one. `brokenAt` keeps the first event that is not valid; the events after it are read only
 * for what they record about the world.
 *
 * A valid chain of N events costs at most N signatures and one for each retired key.
 *
 * @returns the state after this event
 */
export function stepChain(state: ChainState, row: EventRow, sign: ChainSigner): ChainState {
  const next = {
    ...state,
    ...readClaims(state, row.event_type, row.payload),
    events: state.events + 1,
    head: row.hmac,
    lastId: row.id,
  };
  if (state.brokenAt !== undefined) return next;
  const found = linkFault(state, row) ?? findKey(state, row, sign);
  if (typeof found === "string") return { ...next, brokenAt: row.id, reason: found };
  return found === 0 ? next : { ...next, olderKeys: found };
}

function linkFault(state: ChainState, row: EventRow): string | undefined {
  if (row.id !== state.lastId + 1) return `event ${state.lastId + 1} is missing`;
  if (row.prev_hmac !== state.head) return "prev_hmac is not the hmac of the previous event";
  return undefined;
}

/** Returns the number of keys that are older than that of the event, or why it is not valid. */
function findKey({ olderKeys = 0 }: ChainState, row: EventRow, sign: ChainSigner): number | string {
  const { retired = [] } = sign;
  for (let at = olderKeys; at <= retired.length; at++) {
    if (isSignedBy(row, retired[at] ?? sign)) return at;
  }
  return retired.slice(0, olderKeys).some((older) => isSignedBy(row, older))
    ? "its key was retired before the key of the previous event"
    : "hmac does not match the event and the signing key";
}

/** Whether this signer itself, without its retired ones, signed an event. */
export function isSignedBy(row: EventRow, sign: ChainSigner): boolean {
  return row.hmac === sign(row.prev_hmac, row.timestamp, row.event_type, row.payload);
}

/** Events that record the row after them. An append does not change metadata and records none. */
const CHANGES: readonly string[] = [
  "stage_written",
  "stage_appended",
  "world_moved",
  "world_restored",
];

type Claims = Pick<ChainState, "bodySha256" | "version" | "ext" | "meta" | "state" | "name">;

/**
 * Reads what an event records about the world after it; ignores fields of a wrong type.
 *
 * @param state the chain before the event
 */
function readClaims(state: ChainState, type: string, payload: string): Claims {
  let value: unknown;
  try {
    value = JSON.parse(payload);
  } catch {
    return {}; // not JSON: it records nothing, and its HMAC shows whether it was altered
  }
  if (typeof value !== "object" || value === null) return {};
  const fields: Record<string, unknown> = { ...value };
  if (type === "state_transition") return typeof fields.to === "string" ? { state: fields.to } : {};
  const name = readName(state, type, fields);
  if (!CHANGES.includes(type)) return name;
  const { body_sha256_after: bodySha256, version_after: version, ext, meta_headers: meta } = fields;
  return {
    ...(typeof bodySha256 === "string" ? { bodySha256 } : {}),
    ...(typeof version === "number" ? { version } : {}),
    ...(typeof ext === "string" ? { ext } : {}),
    ...(type !== "stage_appended" && meta !== undefined ? { meta: JSON.stringify(meta) } : {}),
    ...name,
  };
}

/**
 * Reads the name of the world. A move of the bytes only stays an event of a chain that keeps its name;
 * it has no `op`.
 */
function readName(
  state: ChainState,
  type: string,
  { name, op, to }: Readonly<Record<string, unknown>>,
): Pick<ChainState, "name"> {
  if (state.events === 0) return typeof name === "string" ? { name } : {};
  const isMove = type === "world_moved" && op === "move" && state.name !== undefined;
  return isMove && typeof to === "string" ? { name: to.replace(/^\//, "") } : {};
}
