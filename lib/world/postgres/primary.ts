/**
 * Finds the primary of a cluster: the server with the highest timeline that is not in recovery. An
 * isolated former primary is not in recovery either, but its timeline is lower. So every host is asked,
 * at the same time, and a host that hangs delays the answer by a limited time only.
 */

import { BUSY_ANSWER_MS, STANDBY_WAIT_MS, START_ANSWER_MS } from "../../cluster_limits.ts";
import {
  loadDriver,
  openSession,
  type Session,
  SessionError,
  type SessionTarget,
} from "./session.ts";
import { describeStandbyWait, findStandbyWait } from "./standby_wait.ts";
import { formatHost, type StoreHost, type StoreUrl } from "./store_url.ts";

/** A primary. */
export interface Primary {
  readonly host: StoreHost;
  /** Number that rises with each promotion. */
  readonly timeline: number;
  /** Present while commits wait for a standby: the reason, and what to do. */
  readonly standbyWait?: string;
}

/** What a host is. */
export type HostState =
  | PrimaryState
  | { readonly host: StoreHost; readonly role: "standby" }
  | { readonly host: StoreHost; readonly role: "unreachable"; readonly error: SessionError };

/** A server that is not in recovery. */
export interface PrimaryState extends Primary {
  readonly role: "primary";
  /** When the server was started. Hosts of the same server, such as its name and its address, have the same. */
  readonly started?: string;
}

/** Options of a search. */
export interface FindOptions {
  /** Highest timeline that was seen: a primary of a lower one is not taken. */
  readonly above?: number;
  /** Most milliseconds for the answer of a host; by default so many that a busy one can answer. */
  readonly deadlineMs?: number;
}

const QUESTION = `SELECT pg_is_in_recovery() AS standby, CASE WHEN NOT pg_is_in_recovery()
  THEN substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END AS timeline,
  pg_postmaster_start_time()::text AS started, ${findStandbyWait(STANDBY_WAIT_MS)} AS waits`;

/**
 * Finds the primary.
 *
 * @throws {SessionError} `refused` if no host is the primary; the message says what each host is
 */
export async function findPrimary(store: StoreUrl, options: FindOptions = {}): Promise<Primary> {
  const { above = 0, deadlineMs = BUSY_ANSWER_MS } = options;
  const states = await Promise.all(store.hosts.map((host) => askHost(store, host, deadlineMs)));
  const primary = choosePrimary(states, above);
  if (primary !== undefined) return primary;
  throw new SessionError(
    "refused",
    `no host is the primary of the database: ${states.map((state) => describe(state)).join("; ")}`,
    causeOf(states),
  );
}

/**
 * Finds the primary for a command of the operator. If no host that answered in time is the primary, it asks
 * again, for longer: a host that was late can be busy.
 *
 * @throws {SessionError} as {@link findPrimary}
 */
export async function findPrimaryPatiently(store: StoreUrl): Promise<Primary> {
  const began = performance.now();
  try {
    return await findPrimary(store);
  } catch (error) {
    if (performance.now() - began < BUSY_ANSWER_MS) throw error;
    return await findPrimary(store, { deadlineMs: START_ANSWER_MS });
  }
}

/**
 * Opens a session for a command of the operator, also with a busy host.
 *
 * @param command name of the command, for `pg_stat_activity`
 */
export function openPatiently(target: SessionTarget, command: string): Promise<Session> {
  return openSession(target, { node: command, openMs: START_ANSWER_MS });
}

/** The primary with the highest timeline, the first of equal ones; undefined if all are lower than `above`. */
export function choosePrimary(states: readonly HostState[], above: number): Primary | undefined {
  let best: Primary | undefined;
  for (const state of states) {
    if (state.role !== "primary" || state.timeline < above) continue;
    if (best === undefined || state.timeline > best.timeline) {
      const { host, timeline, standbyWait } = state;
      best = { host, timeline, ...(standbyWait === undefined ? {} : { standbyWait }) };
    }
  }
  return best;
}

/** Asks one host what it is. */
export async function askHost(
  store: StoreUrl,
  host: StoreHost,
  deadlineMs: number = BUSY_ANSWER_MS,
): Promise<HostState> {
  await loadDriver();
  const end = performance.now() + deadlineMs;
  try {
    const session = await openSession({ host, store }, { openMs: deadlineMs });
    try {
      const [row] = await session.query(QUESTION, undefined, Math.max(1, end - performance.now()));
      if (row?.standby === true) return { host, role: "standby" };
      const timeline = typeof row?.timeline === "string" ? parseInt(row.timeline, 16) : 0;
      return {
        host,
        role: "primary",
        timeline,
        ...(typeof row?.started === "string" ? { started: row.started } : {}),
        ...(typeof row?.waits === "string" ? { standbyWait: describeStandbyWait(row.waits) } : {}),
      };
    } finally {
      session.drop();
    }
  } catch (error) {
    if (!(error instanceof SessionError)) throw error;
    return { host, role: "unreachable", error };
  }
}

function describe(state: HostState): string {
  const host = formatHost(state.host);
  if (state.role === "standby") return `${host} is a standby`;
  if (state.role === "primary") return `${host} has the old timeline ${state.timeline}`;
  // Messages of sessions begin with the host already.
  return state.error.message;
}

/** The state that all hosts report equally, such as a wrong password. */
function causeOf(states: readonly HostState[]): { sqlState?: string } {
  const codes = states.map((state) =>
    state.role === "unreachable" ? state.error.sqlState : undefined
  );
  const [first] = codes;
  return first !== undefined && codes.every((code) => code === first) ? { sqlState: first } : {};
}
