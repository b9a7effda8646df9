/**
 * The receipt's arithmetic: what is signed in an event, and how one event binds the one before it.
 * Pure functions of values; the key comes in as a parameter and never leaves.
 */

import { createHash } from "node:crypto";

/** `prev_hmac` of a chain's first event. */
export const GENESIS = "0".repeat(64);

/** Signs one event: `(prev_hmac, timestamp, event_type, payload) -> hmac`, lower-case hex. */
export type ChainSigner = (
  previous: string,
  timestamp: string,
  type: string,
  payload: string,
) => string;

/**
 * The bytes an event's HMAC covers. A JSON array, because no two different quadruples share one.
 *
 * @param payload the payload column's exact text
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
 * Makes the signing function for a key: HMAC-SHA256 (RFC 2104) spelled out as two hashes, because
 * `createHmac` costs five times as much a call on this runtime and every write pays it.
 *
 * @param key the machine's signing key, UTF-8
 */
export function createChainSigner(key: string): ChainSigner {
  let bytes: Uint8Array = new TextEncoder().encode(key);
  if (bytes.length > BLOCK) bytes = new Uint8Array(createHash("sha256").update(bytes).digest());
  const inner = new Uint8Array(BLOCK).fill(0x36);
  const outer = new Uint8Array(BLOCK).fill(0x5c);
  bytes.forEach((byte, i) => {
    inner[i] = 0x36 ^ byte;
    outer[i] = 0x5c ^ byte;
  });
  return function seal(previous, timestamp, type, payload) {
    const digest = createHash("sha256").update(inner)
      .update(canonicalEvent(previous, timestamp, type, payload)).digest();
    return createHash("sha256").update(outer).update(digest).digest("hex");
  };
}

/** One row of the events table. */
export interface EventRow {
  readonly id: number;
  readonly timestamp: string;
  readonly event_type: string;
  readonly payload: string;
  readonly hmac: string;
  readonly prev_hmac: string;
}

/** A row as SQLite hands it over; a column of another type than ours becomes text nobody signed. */
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

/** What a walk over a chain found so far. */
export interface ChainState {
  readonly events: number;
  /** HMAC the next event must name as its previous one. */
  readonly head: string;
  readonly lastId: number;
  /** The newest `body_sha256_after` on the chain. */
  readonly bodySha256?: string;
  /** The newest `version_after` on the chain. */
  readonly version?: number;
  /** The newest `ext` on the chain. */
  readonly ext?: string;
  /** JSON of the newest `meta_headers` that were stored. */
  readonly meta?: string;
  /** Where the newest `state_transition` led. */
  readonly state?: string;
  readonly brokenAt?: number;
  readonly reason?: string;
}

/** Where a walk begins. */
export const CHAIN_START: ChainState = { events: 0, head: GENESIS, lastId: 0 };

/**
 * Takes a walk one event further. Ids must rise by one, each event must name the one before, and
 * its HMAC must be the key's. After the first break the walk stays broken there, and goes on only
 * to learn what the newest events claim.
 */
export function stepChain(state: ChainState, row: EventRow, seal: ChainSigner): ChainState {
  const next = {
    ...state,
    ...readClaims(row.event_type, row.payload),
    events: state.events + 1,
    head: row.hmac,
    lastId: row.id,
  };
  if (state.brokenAt !== undefined) return next;
  const reason = breakOf(state, row, seal);
  return reason === undefined ? next : { ...next, brokenAt: row.id, reason };
}

function breakOf(state: ChainState, row: EventRow, seal: ChainSigner): string | undefined {
  if (row.id !== state.lastId + 1) return `event ${state.lastId + 1} is missing`;
  if (row.prev_hmac !== state.head) return "prev_hmac is not the hmac of the event before";
  if (row.hmac !== seal(row.prev_hmac, row.timestamp, row.event_type, row.payload)) {
    return "hmac does not match the event's content under this machine's key";
  }
  return undefined;
}

/** Events that say what the row holds after them. An append tells no metadata, and leaves it. */
const CHANGES: readonly string[] = ["stage_written", "stage_appended", "world_moved"];

type Claims = Pick<ChainState, "bodySha256" | "version" | "ext" | "meta" | "state">;

/** What an event says of the world after it; only what is there and of its type. */
function readClaims(type: string, payload: string): Claims {
  let value: unknown;
  try {
    value = JSON.parse(payload);
  } catch {
    return {}; // a payload that is not JSON claims nothing; its hmac tells whether it was altered
  }
  if (typeof value !== "object" || value === null) return {};
  const told: Record<string, unknown> = { ...value };
  if (type === "state_transition") return typeof told.to === "string" ? { state: told.to } : {};
  if (!CHANGES.includes(type)) return {};
  const { body_sha256_after: bodySha256, version_after: version, ext, meta_headers: meta } = told;
  return {
    ...(typeof bodySha256 === "string" ? { bodySha256 } : {}),
    ...(typeof version === "number" ? { version } : {}),
    ...(typeof ext === "string" ? { ext } : {}),
    ...(type !== "stage_appended" && meta !== undefined ? { meta: JSON.stringify(meta) } : {}),
  };
}
