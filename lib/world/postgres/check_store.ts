/**
 * Checks whether a PostgreSQL cluster keeps the promises of the store: asks its servers for the settings
 * and conditions that matter, and judges them. `refused` means that acknowledged writes can be lost or
 * that the store cannot run there.
 */

import {
  MIN_DATABASE_SESSIONS,
  NODE_SESSIONS,
  OLD_SNAPSHOT_XIDS,
  OLD_TRANSACTION_SECONDS,
  STANDBY_LOOK_MS,
  START_ANSWER_MS,
  STORE_STATEMENT_MS,
} from "../../cluster_limits.ts";
import { explainMachine, explainRetiredKeys, type Machine, readMachine } from "./machine.ts";
import { POSTGRES_SCHEMA_VERSION } from "./schema.ts";
import {
  askHost,
  type HostState,
  openPatiently,
  type Primary,
  type PrimaryState,
} from "./primary.ts";
import { openSession, type Session, SessionError } from "./session.ts";
import { COMMIT_WAITS, readStandbyWait, watchStandby } from "./standby_wait.ts";
import { formatHost, type StoreHost, type StoreUrl } from "./store_url.ts";

/** A replication slot. */
export interface SlotFacts {
  readonly name: string;
  readonly isActive: boolean;
  /** Transactions since the oldest one whose rows the slot keeps; undefined if it keeps none. */
  readonly age: number | undefined;
}

/** What was found. */
export interface ClusterFacts {
  readonly hosts: readonly HostState[];
  /** `server_version_num`, such as 150018. */
  readonly version: number;
  readonly fsync: boolean;
  readonly fullPageWrites: boolean;
  readonly encoding: string;
  /** In the sessions of a node, which ask for `on`. */
  readonly synchronousCommit: string;
  /** Whether the settings that a session asks for at its start are in effect. */
  readonly hasSessionSettings: boolean;
  readonly synchronousNames: string;
  /** Connected synchronous standbys; undefined if the role may not see them. */
  readonly synchronousStandbys: number | undefined;
  /** Why commits are not confirmed, and what to do; undefined if they are. */
  readonly standbyWait: string | undefined;
  /** Servers with `hot_standby_feedback`. */
  readonly feedback: readonly string[];
  readonly slots: readonly SlotFacts[];
  /** Seconds since the begin of the oldest transaction of another session, as far as the role sees it. */
  readonly oldestTransaction: number;
  readonly preparedTransactions: number;
  /** Sessions that the server, the database and the role allow. */
  readonly maxSessions: number;
  readonly hasNotifications: boolean;
  readonly machine: Machine | undefined;
}

/** What the operator knows. */
export interface CheckContext {
  readonly store: StoreUrl;
  /** `ELASTIK_KEY`. */
  readonly key: string | undefined;
  /** Retired keys of the data folder. */
  readonly retired: readonly string[];
  /** The operator says that the service replicates the data itself. */
  readonly isManaged: boolean;
}

/** One result of the check. */
export interface Finding {
  readonly level: "refused" | "warning";
  /** Name for programs. */
  readonly code: string;
  readonly text: string;
}

const OLDEST_SERVER = 130000;
/** A commit without content. */
const COMMIT = `SELECT pg_logical_emit_message(true, 'elastik', '')`;
/** Ends a session whose commit waits. Its commit has no content, so it does not matter that it counts then. */
const END_WAIT = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE pid = $1 AND wait_event = 'SyncRep'`;
/** How long a notification may take, in milliseconds: as long as a host that is busy may take to answer. */
const NOTIFICATION_MS = START_ANSWER_MS;

/**
 * Reads the facts from all servers.
 *
 * @throws {SessionError} if the primary cannot be asked
 */
export async function readClusterFacts(store: StoreUrl, primary: Primary): Promise<ClusterFacts> {
  const hosts = await Promise.all(store.hosts.map((host) => askHost(store, host, START_ANSWER_MS)));
  const standbys = hosts.filter(({ role }) => role === "standby").map(({ host }) => host);
  const feedback = await Promise.all(
    [primary.host, ...standbys].map(async (host) => await hasFeedback(store, host) ? [host] : []),
  );
  return await withSession(store, primary.host, async (session) => ({
    hosts,
    ...await readSettings(session),
    feedback: feedback.flat().map(formatHost),
    slots: await readSlots(session),
    ...await readTransactions(session),
    standbyWait: await findCommitWait(store, primary.host, session),
    hasNotifications: await hasNotifications(store, primary.host, session),
    machine: await readMachine(session),
  }));
}

/** Judges the facts, the refusals first. */
export function judgeCluster(facts: ClusterFacts, context: CheckContext): Finding[] {
  const { store, key, retired, isManaged } = context;
  const refused: [code: string, text: string | false | undefined][] = [
    [
      "server",
      facts.version < OLDEST_SERVER &&
      `the server is PostgreSQL ${formatVersion(facts.version)}; 13 or newer is needed`,
    ],
    ["fsync", !facts.fsync && "fsync is off: a power loss damages the database; set it to on"],
    [
      "full_page_writes",
      !facts.fullPageWrites &&
      "full_page_writes is off: a power loss damages the database; set it to on",
    ],
    [
      "encoding",
      facts.encoding !== "UTF8" &&
      `the encoding of the database is ${facts.encoding}; create one with ENCODING 'UTF8'`,
    ],
    ["primaries", judgePrimaries(facts.hosts)],
    ["synchronous", facts.standbyWait],
    ["store", explainMachine(facts.machine, key, POSTGRES_SCHEMA_VERSION)],
  ];
  const warnings: [code: string, text: string | false | undefined][] = [
    ["synchronous", judgeStandbys(facts, isManaged)],
    [
      "synchronous_commit",
      !["on", "remote_apply"].includes(facts.synchronousCommit) &&
      `synchronous_commit is ${facts.synchronousCommit} in sessions: acknowledged writes can be lost`,
    ],
    [
      "session_settings",
      !facts.hasSessionSettings &&
      "settings of sessions have no effect: connect directly, or let the pooler pass options on",
    ],
    [
      "hot_standby_feedback",
      facts.feedback.length > 0 &&
      `hot_standby_feedback is on at ${
        facts.feedback.join(", ")
      }: writes become slow; set it to off`,
    ],
    ["slot", judgeSlots(facts.slots)],
    [
      "transaction",
      facts.oldestTransaction > OLD_TRANSACTION_SECONDS &&
      `a transaction has been open for ${
        Math.round(facts.oldestTransaction)
      } s: writes become slow`,
    ],
    [
      "prepared_transaction",
      facts.preparedTransactions > 0 &&
      `${facts.preparedTransactions} prepared transactions are open: writes become slow`,
    ],
    [
      "sessions",
      facts.maxSessions < MIN_DATABASE_SESSIONS &&
      `${facts.maxSessions} sessions are allowed; a node needs ${NODE_SESSIONS}, three nodes ${MIN_DATABASE_SESSIONS}`,
    ],
    [
      "listen",
      !facts.hasNotifications &&
      "LISTEN receives nothing: use a pooler in session mode, or ELASTIK_FEED=poll",
    ],
    ...facts.hosts.map((state): [string, string | false] => [
      "host",
      state.role === "unreachable" && `${state.error.message}`,
    ]),
    ["tls", judgeTls(store)],
    ["key", key === undefined && "ELASTIK_KEY is not set, so it was not compared with the store"],
    ["retired_keys", facts.machine && explainRetiredKeys(facts.machine, retired)],
  ];
  return [
    ...toFindings("refused", refused),
    ...toFindings("warning", warnings),
  ];
}

/** Formats `server_version_num` as the version that an operator knows: `15.18`. */
export function formatVersion(version: number): string {
  return `${Math.floor(version / 10_000)}.${version % 10_000}`;
}

function toFindings(
  level: Finding["level"],
  rows: readonly (readonly [code: string, text: string | false | undefined])[],
): Finding[] {
  return rows.flatMap(([code, text]) =>
    text === false || text === undefined ? [] : [{ level, code, text }]
  );
}

/** Hosts can be names of one server. */
function judgePrimaries(hosts: readonly HostState[]): string | undefined {
  const servers = new Map<string, PrimaryState>();
  for (const state of hosts) {
    if (state.role === "primary") servers.set(state.started ?? formatHost(state.host), state);
  }
  if (servers.size < 2) return undefined;
  const primaries = [...servers.values()].toSorted((a, b) => b.timeline - a.timeline);
  return `${servers.size} servers are primaries: ${
    primaries.map(({ host, timeline }) => `${formatHost(host)} (timeline ${timeline})`).join(", ")
  }; stop the former one, and copy it anew`;
}

function judgeStandbys(facts: ClusterFacts, isManaged: boolean): string | undefined {
  if (facts.synchronousNames === "") {
    return isManaged
      ? undefined
      : "no standby is synchronous: a failover can lose acknowledged writes; set " +
        "synchronous_standby_names, or use --managed if the service replicates the data itself";
  }
  return facts.synchronousStandbys === 0 && facts.standbyWait === undefined
    ? "no synchronous standby is connected: writes wait until one is"
    : undefined;
}

function judgeSlots(slots: readonly SlotFacts[]): string | undefined {
  const bad = slots.filter(({ isActive, age = 0 }) => !isActive || age > OLD_SNAPSHOT_XIDS);
  if (bad.length === 0) return undefined;
  return `replication slots that keep old rows or log files: ${
    bad.map(({ name, isActive }) => isActive ? name : `${name} (not in use)`).join(", ")
  }; drop what is not needed`;
}

function judgeTls({ tls, hosts }: StoreUrl): string | false {
  const isLocal = hosts.every(({ host }) => /^(?:\/.*|localhost|::1|127(?:\.\d+){3})$/.test(host));
  if (isLocal || tls === "verify-full" || tls === "verify-ca") return false;
  return tls === "disable"
    ? "sessions are not encrypted: use sslmode=verify-full"
    : "the certificates of the servers are not verified: use sslmode=verify-full";
}

async function withSession<T>(
  store: StoreUrl,
  host: StoreHost,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await openSession({ store, host }, { node: "store", openMs: START_ANSWER_MS });
  try {
    return await use(session);
  } finally {
    session.drop();
  }
}

async function hasFeedback(store: StoreUrl, host: StoreHost): Promise<boolean> {
  return await withSession(store, host, async (session) => {
    const [row] = await session.query("SHOW hot_standby_feedback");
    return row?.hot_standby_feedback === "on";
  }).catch((error) => {
    // Its state is reported as unreachable.
    if (error instanceof SessionError) return false;
    throw error;
  });
}

async function readSettings(session: Session) {
  const [row] = await session.query(
    `SELECT current_setting('server_version_num')::int AS version, current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS pages, current_setting('server_encoding') AS encoding,
       current_setting('synchronous_commit') AS commits, current_setting('jit') AS jit,
       current_setting('synchronous_standby_names') AS names,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS max,
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS of_database,
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS of_role,
       (SELECT CASE WHEN count(*) = 0 THEN 0 WHEN count(sync_state) = 0 THEN NULL
          ELSE count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')) END
        FROM pg_stat_replication) AS standbys`,
    undefined,
    STORE_STATEMENT_MS,
  );
  if (row === undefined) throw new SessionError("lost", "the server did not report its settings");
  const limits = [row.max, row.of_database, row.of_role].map(Number).filter((limit) => limit >= 0);
  return {
    version: Number(row.version),
    fsync: row.fsync === "on",
    fullPageWrites: row.pages === "on",
    encoding: String(row.encoding),
    synchronousCommit: String(row.commits),
    hasSessionSettings: row.jit === "off",
    synchronousNames: String(row.names),
    synchronousStandbys: row.standbys === null ? undefined : Number(row.standbys),
    maxSessions: Math.min(...limits),
  };
}

async function readSlots(session: Session): Promise<SlotFacts[]> {
  const rows = await session.query(
    `SELECT slot_name, active, greatest(age(xmin), age(catalog_xmin)) AS age
     FROM pg_replication_slots WHERE NOT temporary ORDER BY slot_name`,
  );
  return rows.map(({ slot_name, active, age }) => ({
    name: String(slot_name),
    isActive: active === true,
    age: age === null ? undefined : Number(age),
  }));
}

async function readTransactions(session: Session) {
  const [row] = await session.query(
    `SELECT coalesce((SELECT max(extract(epoch FROM clock_timestamp() - xact_start))::float8
       FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()), 0) AS oldest,
     (SELECT count(*) FROM pg_prepared_xacts) AS prepared`,
  );
  return {
    oldestTransaction: Number(row?.oldest ?? 0),
    preparedTransactions: Number(row?.prepared ?? 0),
  };
}

/**
 * Makes a commit, and returns why it is not confirmed. Checks that are repeated leave no session that waits.
 */
async function findCommitWait(
  store: StoreUrl,
  host: StoreHost,
  session: Session,
): Promise<string | undefined> {
  const waits = await readStandbyWait(session, STANDBY_LOOK_MS);
  if (waits !== undefined) return waits;
  const open = () => openPatiently({ store, host }, "store");
  const probe = watchStandby(await open(), open);
  try {
    await probe.query(COMMIT, undefined, STORE_STATEMENT_MS);
    return undefined;
  } catch (error) {
    if (!(error instanceof SessionError) || error.code !== COMMIT_WAITS) throw error;
    const reason = await readStandbyWait(session, 0);
    await session.query(END_WAIT, [probe.pid]);
    return reason ?? error.message;
  } finally {
    probe.drop();
  }
}

/** Whether a session that listens hears of another one's notification. */
async function hasNotifications(
  store: StoreUrl,
  host: StoreHost,
  sender: Session,
): Promise<boolean> {
  const channel = `elastik_check_${crypto.getRandomValues(new Uint8Array(8)).toHex()}`;
  const heard = Promise.withResolvers<boolean>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const listener = await openSession({ store, host }, {
    node: "store",
    openMs: START_ANSWER_MS,
    onNotification: () => heard.resolve(true),
    onLost: () => heard.resolve(false),
  });
  try {
    await listener.query(`LISTEN ${channel}`);
    await sender.query(`NOTIFY ${channel}`);
    timer = setTimeout(() => heard.resolve(false), NOTIFICATION_MS);
    return await heard.promise;
  } finally {
    clearTimeout(timer);
    listener.drop();
  }
}
