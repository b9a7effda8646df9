/**
 * Creates and upgrades the store in a database, and gives the nodes' role its rights. Each step is one
 * transaction under an advisory lock, so a step happens completely or not at all, and two operators
 * cannot disturb each other. All of it can be repeated.
 */

import {
  NODE_EXPIRY_SECONDS,
  STANDBY_WAIT_MS,
  STORE_LOCK_WAIT_MS,
  STORE_STATEMENT_MS,
} from "../../cluster_limits.ts";
import { explainMachine, keyCheckOf, type Machine, readMachine } from "./machine.ts";
import { POSTGRES_SCHEMA_VERSION, SCHEMA } from "./schema.ts";
import { type Session, SessionError } from "./session.ts";
import { readStandbyWait } from "./standby_wait.ts";
import { toKeyId } from "../key_id.ts";

/** The step from the schema before it. */
export interface Migration {
  readonly to: number;
  readonly statements: readonly string[];
}

/** A schema: how it is created, and how earlier ones become it. */
export interface StoreSchema {
  readonly version: number;
  readonly create: readonly string[];
  /** One for each number from 2 on. */
  readonly migrations: readonly Migration[];
}

/** The schema of this release. */
export const STORE_SCHEMA: StoreSchema = {
  version: POSTGRES_SCHEMA_VERSION,
  create: SCHEMA,
  migrations: [],
};

/** Why a store was not created or changed. The message is the end of a sentence. */
export class StoreRefused extends Error {
  override readonly name = "StoreRefused";
}

/** Options of the creation of a store. */
export interface InitOptions {
  /** `ELASTIK_KEY`. */
  readonly key: string;
  /** Role of the nodes; undefined if it is the owner. */
  readonly role?: string | undefined;
  readonly schema?: StoreSchema;
  /** Called with the number of finished statements. */
  onProgress?(done: number, total: number): void;
}

/** Lock that only one of these commands holds. */
const ADMIN_LOCK = 7024;
/** Lock that every change of a node shares until its commit. */
const CHANGES_LOCK = 7021;
/** Raises the number of what gives authority: the database refuses each change that was judged before. */
const RAISE_AUTHORITY = `WITH g AS (
    UPDATE elastik.guard SET authority = authority + 1 RETURNING authority)
  INSERT INTO elastik.batches (size, kind, name, state) SELECT 1, 'authority', '', authority::text FROM g`;
const LOCK_NOT_AVAILABLE = "55P03";
/** PostgreSQL that the functions of the store need. */
const OLDEST_SERVER = 130000;

/** Objects that make a database one of another program. Those of extensions do not count. */
const OTHER_OBJECTS = `SELECT n.nspname || '.' || c.relname AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
      AND d.deptype = 'e')
  UNION ALL SELECT nspname FROM pg_namespace WHERE nspname = 'elastik'
  ORDER BY 1 LIMIT 1`;

/** Rights of the nodes. They change what they need; the facts of the store belong to its owner. */
const GRANTS: readonly string[] = [
  "REVOKE ALL ON SCHEMA elastik FROM PUBLIC",
  "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA elastik FROM PUBLIC",
  "GRANT USAGE ON SCHEMA elastik TO $role",
  "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA elastik TO $role",
  "REVOKE INSERT, UPDATE, DELETE ON elastik.machine FROM $role",
  // publish_1 writes it when it finds that the server was promoted.
  "GRANT UPDATE (timeline) ON elastik.machine TO $role",
  "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA elastik TO $role",
  "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA elastik TO $role",
];

/**
 * Creates the store, unless the database has this store already.
 *
 * @returns its facts, and whether it is new
 * @throws {StoreRefused} if the database is of another program, or has a store that this program or key
 * cannot use
 * @throws {SessionError} if the database cannot be asked or refuses a statement
 */
export async function initStore(
  session: Session,
  options: InitOptions,
): Promise<{ machine: Machine; isNew: boolean }> {
  const { key, role, schema = STORE_SCHEMA } = options;
  return await withLock(session, async () => {
    const existing = await readMachine(session);
    if (existing === undefined) await assertUsable(session);
    else {
      const reason = explainMachine(existing, key, schema.version);
      if (reason !== undefined) throw new StoreRefused(reason);
    }
    if (role !== undefined) await assertRole(session, role);
    const create = existing === undefined ? schema.create : [];
    await runAll(session, create, options.onProgress);
    const machine = existing ?? await insertMachine(session, key, schema.version);
    if (role !== undefined) await grant(session, role);
    return { machine, isNew: existing === undefined };
  });
}

/**
 * Brings the schema of a store to the one of this release, one number after the other. Each is one
 * transaction.
 *
 * @param onStep called before each number
 * @returns the number before and afterwards
 * @throws {StoreRefused} if there is no store, or its schema is newer
 * @throws {SessionError} if the database cannot be asked or refuses a statement
 */
export async function upgradeStore(
  session: Session,
  schema: StoreSchema = STORE_SCHEMA,
  onStep: (to: number) => void = () => {},
): Promise<{ from: number; to: number }> {
  const before = await readMachine(session);
  const from = before?.schemaVersion ?? 0;
  const reason = explainMachine(before, undefined, schema.version);
  if (reason !== undefined && (before === undefined || from > schema.version)) {
    throw new StoreRefused(reason);
  }
  for (let to = from + 1; to <= schema.version; to++) {
    const migration = schema.migrations.find((one) => one.to === to);
    if (migration === undefined) throw new StoreRefused(`there is no step to schema ${to}`);
    onStep(to);
    await withLock(session, async () => {
      const machine = await readMachine(session);
      // Another operator was faster.
      if (machine?.schemaVersion !== to - 1) return;
      await runAll(session, migration.statements);
      await run(session, "UPDATE elastik.machine SET schema_version = $1", [to]);
      for (const role of await listNodeRoles(session)) await grant(session, role);
    });
  }
  return { from, to: schema.version };
}

/**
 * Records that the database was restored from a backup: what nodes and clients remember of the order of
 * changes is not valid any more. A node that runs unseen, because it was suspended, changes nothing.
 *
 * @param key `ELASTIK_KEY`; undefined to leave it out
 * @throws {StoreRefused} if there is no store that this program can use, or a node runs
 */
export async function recordRestore(session: Session, key: string | undefined): Promise<void> {
  await withLock(session, async () => {
    const reason = explainMachine(await readMachine(session), key, POSTGRES_SCHEMA_VERSION);
    if (reason !== undefined) throw new StoreRefused(reason);
    await assertNoNodes(session);
    await refuseEarlierChanges(session);
    await run(session, "UPDATE elastik.machine SET epoch = $1", [randomHex(16)]);
    await run(
      session,
      `INSERT INTO elastik.runs (first, run) SELECT seq + 1, $1 FROM elastik.feed
       ON CONFLICT (first) DO UPDATE SET run = excluded.run`,
      [randomHex(4)],
    );
  });
}

/**
 * Makes another key the one of the store. Its chains stay as they are: nodes verify them with the
 * retired key, and the store records its id if it has events, so that no node starts without it. A node
 * that runs unseen, because it was suspended, changes nothing with the earlier key.
 *
 * @param key `ELASTIK_KEY`, the new key
 * @param retired retired keys of this computer, one of which must be the key of the store
 * @returns false if the store has this key already
 * @throws {StoreRefused} if no key fits, the new key was retired before, or a node runs
 */
export async function changeStoreKey(
  session: Session,
  key: string,
  retired: readonly string[],
): Promise<boolean> {
  return await withLock(session, async () => {
    const machine = await readMachine(session);
    const reason = explainMachine(machine, undefined, POSTGRES_SCHEMA_VERSION);
    if (machine === undefined || reason !== undefined) throw new StoreRefused(reason ?? "");
    if (machine.keyCheck === keyCheckOf(key)) return false;
    const replaced = retired.find((one) => keyCheckOf(one) === machine.keyCheck);
    if (replaced === undefined) {
      throw new StoreRefused(
        "no retired key of the data folder is its key; add it with elastik key add",
      );
    }
    if (machine.retiredKeys.includes(toKeyId(key))) {
      // Its new events would follow events of a newer key, and break their chains.
      throw new StoreRefused("ELASTIK_KEY is a retired key of it; set ELASTIK_KEY to a new key");
    }
    await assertNoNodes(session);
    // Before the look at the events: until the commit, no node adds one.
    await refuseEarlierChanges(session);
    const [found] = await run(session, "SELECT EXISTS (SELECT FROM elastik.events) AS has_events");
    const added = found?.has_events === true ? [toKeyId(replaced)] : [];
    await run(session, "UPDATE elastik.machine SET key_check = $1, retired_keys = $2", [
      keyCheckOf(key),
      [...machine.retiredKeys, ...added].join(" "),
    ]);
    return true;
  });
}

/**
 * Lets nodes start without a retired key that is lost. Events that it signed do not verify there, and
 * their worlds cannot be changed.
 *
 * @param id id of the key
 * @throws {StoreRefused} if nodes can start without the key already
 */
export async function forgetRetiredKey(session: Session, id: string): Promise<void> {
  await withLock(session, async () => {
    const machine = await readMachine(session);
    const reason = explainMachine(machine, undefined, POSTGRES_SCHEMA_VERSION);
    if (machine === undefined || reason !== undefined) throw new StoreRefused(reason ?? "");
    if (!machine.retiredKeys.includes(id)) {
      throw new StoreRefused(
        machine.retiredKeys.length === 0
          ? "it needs no retired key"
          : `it needs the retired keys ${machine.retiredKeys.join(", ")}, and no other`,
      );
    }
    await run(session, "UPDATE elastik.machine SET retired_keys = $1", [
      machine.retiredKeys.filter((other) => other !== id).join(" "),
    ]);
  });
}

/** @throws {StoreRefused} if a node runs, or ran a short time ago */
async function assertNoNodes(session: Session): Promise<void> {
  const nodes = await run(
    session,
    `SELECT id FROM elastik.nodes WHERE seen_at > clock_timestamp() - make_interval(secs => $1)
     ORDER BY id`,
    [NODE_EXPIRY_SECONDS],
  );
  if (nodes.length === 0) return;
  throw new StoreRefused(
    `nodes run or ran until ${NODE_EXPIRY_SECONDS} s ago: ${
      nodes.map(({ id }) => id).join(", ")
    }; stop every node`,
  );
}

async function withLock<T>(session: Session, work: () => Promise<T>): Promise<T> {
  await run(session, "BEGIN");
  try {
    await run(session, `SET LOCAL lock_timeout = ${STORE_LOCK_WAIT_MS}`);
    await lock(
      session,
      ADMIN_LOCK,
      "another elastik store command is running; wait for its end",
    );
    const result = await work();
    await run(session, "COMMIT");
    return result;
  } catch (error) {
    if (session.isOpen && session.inTransaction) await run(session, "ROLLBACK");
    throw error;
  }
}

/** @throws {StoreRefused} with the reason if another session keeps the lock */
async function lock(session: Session, id: number, reason: string): Promise<void> {
  try {
    await run(session, "SELECT pg_advisory_xact_lock($1)", [id]);
  } catch (error) {
    if (!(error instanceof SessionError) || error.code !== LOCK_NOT_AVAILABLE) throw error;
    await run(session, "ROLLBACK");
    throw new StoreRefused(await readStandbyWait(session, STANDBY_WAIT_MS) ?? reason);
  }
}

/**
 * Ends what nodes have judged until now. A node that was suspended or cut off for so long that it is not listed
 * follows this number before its next change, and reads the facts of the store again.
 *
 * @throws {StoreRefused} if a change of a node stays under way
 */
async function refuseEarlierChanges(session: Session): Promise<void> {
  await lock(
    session,
    CHANGES_LOCK,
    "a change is still under way, and may wait for a standby; run elastik store check",
  );
  await run(session, RAISE_AUTHORITY);
}

async function assertUsable(session: Session): Promise<void> {
  const [server] = await run(
    session,
    `SELECT current_setting('server_version_num')::int AS version,
       current_setting('server_encoding') AS encoding`,
  );
  if (Number(server?.version) < OLDEST_SERVER) {
    throw new StoreRefused("the server is older than PostgreSQL 13");
  }
  if (server?.encoding !== "UTF8") {
    throw new StoreRefused(
      `the encoding of the database is ${server?.encoding}; create one with ENCODING 'UTF8'`,
    );
  }
  const [other] = await run(session, OTHER_OBJECTS);
  if (other !== undefined) {
    throw new StoreRefused(`the database contains ${other.name}; create an empty database`);
  }
}

async function insertMachine(session: Session, key: string, version: number): Promise<Machine> {
  const [row] = await run(
    session,
    `INSERT INTO elastik.machine (schema_version, key_check, epoch, created_at)
     VALUES ($1, $2, $3, to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
     RETURNING created_at`,
    [version, keyCheckOf(key), randomHex(16)],
  );
  if (row === undefined) throw new StoreRefused("the facts of the store were not written");
  await run(session, "INSERT INTO elastik.runs (first, run) VALUES (1, $1)", [randomHex(4)]);
  const machine = await readMachine(session);
  if (machine === undefined) throw new StoreRefused("the facts of the store cannot be read");
  return machine;
}

async function assertRole(session: Session, role: string): Promise<void> {
  const [found] = await run(session, "SELECT rolcanlogin FROM pg_roles WHERE rolname = $1", [role]);
  if (found === undefined) {
    throw new StoreRefused(
      `there is no role ${role}; create it with CREATE ROLE … LOGIN PASSWORD …`,
    );
  }
  if (found.rolcanlogin !== true) throw new StoreRefused(`role ${role} has no right to log in`);
}

async function grant(session: Session, role: string): Promise<void> {
  const quoted = `"${role.replaceAll('"', '""')}"`;
  // A function: a dollar sign in the name is not a pattern of replaceAll().
  await runAll(session, GRANTS.map((statement) => statement.replaceAll("$role", () => quoted)));
}

/** Roles other than the owner that have rights on the store. */
async function listNodeRoles(session: Session): Promise<string[]> {
  const rows = await run(
    session,
    `SELECT DISTINCT r.rolname AS name FROM pg_class c, aclexplode(c.relacl) a, pg_roles r
     WHERE c.oid = 'elastik.feed'::regclass AND r.oid = a.grantee AND a.grantee <> c.relowner`,
  );
  return rows.map(({ name }) => String(name));
}

async function runAll(
  session: Session,
  statements: readonly string[],
  onProgress?: (done: number, total: number) => void,
): Promise<void> {
  for (const [done, statement] of statements.entries()) {
    onProgress?.(done, statements.length);
    await run(session, statement);
  }
}

function run(session: Session, text: string, values?: readonly (string | number)[]) {
  return session.query(text, values, STORE_STATEMENT_MS);
}

function randomHex(bytes: number): string {
  return crypto.getRandomValues(new Uint8Array(bytes)).toHex();
}
