/**
 * Event chains in the database: pages of the log, and audits. An audit reads one consistent state and
 * computes every HMAC here, because the database never has the key.
 */

import { nodeCrypto } from "../../base/node_crypto.ts";
import { LONG_JOB_IDLE_MS, LONG_QUERY_MS } from "../../cluster_limits.ts";
import { AUDIT_RESULT_CACHE_ENTRIES } from "../../limits.ts";
import { type AuditedRow, auditResult } from "../audit_result.ts";
import type { CommittedEvent } from "../changes.ts";
import {
  CHAIN_START,
  type ChainSigner,
  type ChainState,
  stepChain,
  toEventRow,
} from "../event_chain.ts";
import { type AuditResult, type ChainEvent, type JobCaller, StoreError } from "../store.ts";
import type { LongJobs } from "../store/long_jobs.ts";
import { readChunks } from "./content_reader.ts";
import {
  columnBytes,
  type QueryRow,
  type QuerySession,
  type QuerySessions,
  readConsistently,
} from "./query_sessions.ts";
import { readWorldState } from "./world_facts.ts";

/** Events that one query reads. */
export const EVENTS_PER_QUERY = 500;

const COLUMNS = "id, timestamp, event_type, payload, hmac, prev_hmac";
const EVENTS_BEFORE = `SELECT e.id, e.timestamp, e.event_type, e.payload, e.hmac, e.prev_hmac
  FROM elastik.worlds w JOIN elastik.events e ON e.world = w.id
  WHERE w.name = $1 AND e.id < $2 ORDER BY e.id DESC LIMIT $3`;
const EXISTS = `SELECT 1 AS found FROM elastik.worlds WHERE name = $1`;
export const EVENTS_OF_WORLD = `SELECT ${COLUMNS} FROM elastik.events
  WHERE world = $1 AND id > $2 ORDER BY id LIMIT $3`;
const AUDITED = `SELECT id, version, ext, headers, state, len, content, body, event_id, event_hmac
  FROM elastik.worlds WHERE name = $1`;
/** Below every possible id; events with negative ids must not escape the check. */
export const BEFORE_ALL_IDS = "-9223372036854775808";

/** What {@link WorldChains} needs. */
export interface WorldChainsOptions {
  readonly sessions: QuerySessions;
  readonly sign: ChainSigner;
  readonly jobs: Pick<LongJobs, "run">;
}

/** See the module. */
export class WorldChains {
  readonly #sessions: QuerySessions;
  readonly #sign: ChainSigner;
  readonly #jobs: Pick<LongJobs, "run">;
  readonly #results = new Map<string, { readonly state: string; readonly result: AuditResult }>();

  constructor({ sessions, sign, jobs }: WorldChainsOptions) {
    this.#sessions = sessions;
    this.#sign = sign;
    this.#jobs = jobs;
  }

  /**
   * Reads at most `limit` events with an id below `before`, newest first.
   *
   * @returns undefined if no world has the name
   */
  async log(name: string, before: number, limit: number): Promise<ChainEvent[] | undefined> {
    return await this.#sessions.use(async (session) => {
      const rows = await session.query(EVENTS_BEFORE, [name, before, limit]);
      if (rows.length > 0) return rows.map(toChainEvent);
      const [found] = await session.query(EXISTS, [name]);
      return found === undefined ? undefined : [];
    });
  }

  /** Reads at most `limit` events of a world after an id, oldest first. */
  async eventsAfter(world: number, after: number, limit: number): Promise<CommittedEvent[]> {
    const rows = await this.#sessions.use((session) =>
      session.query(EVENTS_OF_WORLD, [world, after, limit])
    );
    return rows.map(toEventRow).map(({ id, timestamp, event_type: type, payload, hmac }) => ({
      id,
      timestamp,
      type,
      payload,
      hmac,
    }));
  }

  /**
   * Audits a world. The same audits share one job; the result is kept until a row of the world or of
   * its chain is written again.
   *
   * @returns undefined if no world has the name
   */
  async audit(name: string, caller: JobCaller): Promise<AuditResult | undefined> {
    const before = await this.#sessions.use((session) => readWorldState(session, name));
    const known = this.#results.get(name);
    if (known?.state === before.text) return known.result;
    return await this.#jobs.run({
      key: `audit ${name}`,
      name,
      fileState: before,
      start: (signal) =>
        this.#sessions.use((session) =>
          readConsistently(session, LONG_JOB_IDLE_MS, async () => {
            const { text } = await readWorldState(session, name);
            const result = await this.#audit(session, name, signal);
            if (result !== undefined) this.#keep(name, text, result);
            return result;
          })
        ),
    }, caller);
  }

  async #audit(
    session: QuerySession,
    name: string,
    signal: AbortSignal,
  ): Promise<AuditResult | undefined> {
    const [row] = await session.query(AUDITED, [name]);
    if (row === undefined) return undefined;
    const current = await readAuditedRow(session, row);
    let state: ChainState = CHAIN_START;
    for (let after: string | number = BEFORE_ALL_IDS;; after = state.lastId) {
      const rows = await session.query(
        EVENTS_OF_WORLD,
        [Number(row.id), after, EVENTS_PER_QUERY],
        LONG_QUERY_MS,
      );
      assertNotStopped(signal);
      for (const event of rows) state = stepChain(state, toEventRow(event), this.#sign);
      if (rows.length < EVENTS_PER_QUERY) return auditResult(name, current, state);
    }
  }

  #keep(name: string, state: string, result: AuditResult): void {
    this.#results.delete(name);
    this.#results.set(name, { state, result });
    if (this.#results.size <= AUDIT_RESULT_CACHE_ENTRIES) return;
    const [oldest] = this.#results.keys();
    if (oldest !== undefined) this.#results.delete(oldest);
  }
}

/** Throws if a long job was stopped. @throws {StoreError} `busy` */
export function assertNotStopped(signal: AbortSignal): void {
  if (signal.aborted) throw new StoreError("busy", "Cannot complete the job: it was stopped");
}

/** Hashes the bytes without holding all of them. */
async function readAuditedRow(session: QuerySession, row: QueryRow): Promise<AuditedRow> {
  const hash = nodeCrypto().createHash("sha256");
  const length = Number(row.len);
  if (row.content === null) hash.update(columnBytes(row.body).subarray(0, length));
  else {
    for await (const bytes of readChunks(session, Number(row.content), length)) hash.update(bytes);
  }
  return {
    version: Number(row.version),
    ext: String(row.ext),
    headers: String(row.headers),
    state: String(row.state),
    sha256: hash.digest("hex"),
    head: { id: Number(row.event_id), hmac: String(row.event_hmac) },
  };
}

function toChainEvent(row: QueryRow): ChainEvent {
  const { id, timestamp, event_type, payload, hmac, prev_hmac } = toEventRow(row);
  return { id, timestamp, type: event_type, payload: parsePayload(payload), hmac, prev_hmac };
}

/** An altered payload is shown as stored; the audit reports it. */
function parsePayload(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
