/**
 * The tables of the PostgreSQL store, and all statements of a new database in their order. The functions
 * are in files of their own. Every change of a world is one call of `apply_1` (apply_sql.ts); `publish_1`
 * then gives its events their place in the one order of all changes (publish_sql.ts).
 *
 * Names are compared as bytes, COLLATE "C". Functions have the number of the schema in their names, so
 * that two releases can run at the same time. All names are qualified, so that no setting of a session
 * changes their meaning.
 */

import { APPLY_SQL } from "./apply_sql.ts";
import { COORDINATION_SQL } from "./coordination_sql.ts";
import { LOCK_SQL } from "./lock_sql.ts";
import { PUBLISH_SQL } from "./publish_sql.ts";
import { QUERY_SCHEMA } from "./query_schema.ts";

/** Number of the schema that this release reads and writes. */
export const POSTGRES_SCHEMA_VERSION = 1;

/** Ids of a block: one value of the sequence of content ids means this many. */
export const CONTENT_ID_BLOCK = 1024;

const TABLES: readonly string[] = [
  `CREATE SCHEMA elastik`,

  // Facts that all nodes agree on: one row, which the creation of the store inserts. retired_keys: ids of
  // the keys before the present one, oldest first, separated by spaces.
  `CREATE TABLE elastik.machine (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    schema_version int NOT NULL,
    key_check text NOT NULL,
    retired_keys text NOT NULL DEFAULT '',
    epoch text NOT NULL,
    created_at text NOT NULL,
    timeline int NOT NULL DEFAULT 0
  )`,
  // Runs of the order of all changes: the random part of cursors, by the first number that has it.
  `CREATE TABLE elastik.runs (first bigint PRIMARY KEY, run text NOT NULL)`,
  // Numbers that every batch must have seen. A change of the WebDAV locks raises version. A change of the
  // accounts or the revoked capabilities raises authority, and so do the end of an active plugin and another
  // key of the store. floor: up to this version the table of ended locks is not complete.
  `CREATE TABLE elastik.guard (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    version bigint NOT NULL,
    authority bigint NOT NULL DEFAULT 0,
    floor bigint NOT NULL DEFAULT 0
  )`,
  `INSERT INTO elastik.guard (version) VALUES (0)`,
  // The newest number in the order of all changes, and the latest time up to it. The lock of the row
  // makes publishers wait for each other.
  `CREATE TABLE elastik.feed (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL,
    latest text COLLATE "C" NOT NULL
  )`,
  `INSERT INTO elastik.feed (seq, latest) VALUES (0, '')`,
  // Heartbeats of the nodes. After a failover it is empty, and fills again.
  `CREATE UNLOGGED TABLE elastik.nodes (
    id text PRIMARY KEY,
    url text NOT NULL,
    version text NOT NULL,
    health jsonb NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
  )`,

  // Every name that a world has or had. A batch that gives a name to a world or takes it away locks its
  // row first. version and updated_at: the last use by a world that ended, so that no name uses a version
  // twice. trash: the entry of that world in the trash.
  `CREATE TABLE elastik.names (
    name text COLLATE "C" PRIMARY KEY,
    world bigint,
    version bigint NOT NULL DEFAULT 0,
    updated_at text COLLATE "C" NOT NULL DEFAULT '',
    trash text COLLATE "C" NOT NULL DEFAULT ''
  ) WITH (fillfactor = 80)`,
  `CREATE SEQUENCE elastik.world_id`,
  // One row for each life of a name. event_id and event_hmac: the head of the chain. Bytes: inline in
  // body, or the first len bytes of content. kept_from: earlier versions below it are gone; kept_versions
  // and kept_bytes: those that are kept, and the bytes of the full ones.
  `CREATE TABLE elastik.worlds (
    id bigint PRIMARY KEY,
    name text COLLATE "C",
    version bigint NOT NULL,
    ext text NOT NULL,
    headers text NOT NULL,
    state text NOT NULL,
    updated_at text NOT NULL,
    len bigint NOT NULL,
    sha256 text NOT NULL,
    event_id bigint NOT NULL,
    event_hmac text NOT NULL,
    event_at text NOT NULL,
    by text NOT NULL,
    content bigint,
    body bytea,
    kept_from bigint NOT NULL DEFAULT 0,
    kept_versions int NOT NULL DEFAULT 0,
    kept_bytes bigint NOT NULL DEFAULT 0,
    trash text COLLATE "C",
    trashed_name text COLLATE "C",
    trashed_at text COLLATE "C",
    trashed_by text,
    restricted bool NOT NULL DEFAULT false,
    CHECK ((content IS NULL) <> (body IS NULL)),
    CHECK ((name IS NULL) = (trash IS NOT NULL))
  ) WITH (fillfactor = 50)`,
  `ALTER TABLE elastik.worlds ALTER COLUMN body SET STORAGE EXTERNAL`,
  `CREATE UNIQUE INDEX worlds_name ON elastik.worlds (name) WHERE name IS NOT NULL`,
  `CREATE INDEX worlds_trash ON elastik.worlds (trash) WHERE trash IS NOT NULL`,
  `CREATE INDEX worlds_trashed_at ON elastik.worlds (restricted, trashed_at, trash, trashed_name)
   WHERE trash IS NOT NULL`,
  `CREATE INDEX worlds_trashed_name ON elastik.worlds (restricted, trashed_name, trash)
   WHERE trash IS NOT NULL`,

  // Earlier versions. A 'prefix' has no bytes: it is the first len bytes of the next version with bytes.
  `CREATE TABLE elastik.versions (
    world bigint NOT NULL,
    version bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('full', 'prefix')),
    ext text NOT NULL,
    headers text NOT NULL,
    state text NOT NULL,
    updated_at text NOT NULL,
    len bigint NOT NULL,
    sha256 text,
    content bigint,
    body bytea,
    PRIMARY KEY (world, version)
  )`,
  `ALTER TABLE elastik.versions ALTER COLUMN body SET STORAGE EXTERNAL`,

  // Long bytes in chunks. An append adds to the end, so that each version is a prefix. An id belongs to
  // one world.
  `CREATE TABLE elastik.content (
    id bigint NOT NULL,
    at bigint NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (id, at),
    CHECK (length(bytes) <= 262144)
  )`,
  `ALTER TABLE elastik.content ALTER COLUMN bytes SET STORAGE EXTERNAL`,
  `CREATE SEQUENCE elastik.content_id INCREMENT BY ${CONTENT_ID_BLOCK}`,
  // Ids of content that no version has: not yet, or no longer. Upkeep deletes old ones.
  `CREATE TABLE elastik.uploads (
    id bigint PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
  )`,

  // Batches. batch: the identity that a node gave it, which resolves unknown outcomes. size: places for
  // its events. first: number of its first place in the order of all changes; NULL until it is published.
  // latest: greatest time of its events, after publishing of all events up to its end. kind: of a change
  // without an event: 'mark' of a collection, 'locks', 'gone', a deleted world with its id as state, or
  // 'expunged', an entry in the trash that was deleted for good, with its id as state, or 'authority', a
  // new number of the guard as state.
  `CREATE TABLE elastik.batches (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch text UNIQUE,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    size int NOT NULL,
    first bigint,
    latest text COLLATE "C" NOT NULL DEFAULT '',
    kind text CHECK (kind IN ('mark', 'locks', 'gone', 'expunged', 'authority')),
    name text COLLATE "C",
    state text
  ) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02)`,
  `CREATE INDEX batches_new ON elastik.batches (id) WHERE first IS NULL`,
  `CREATE INDEX batches_first ON elastik.batches (first) WHERE first IS NOT NULL`,

  // The chains. payload is text, because the HMAC covers its characters. batch and n: the place. The
  // other columns are what followers get; kind is 'note' for all but the last event of a change, and
  // the columns after by describe the world after it. key: of a request with an idempotency key.
  `CREATE TABLE elastik.events (
    world bigint NOT NULL,
    id bigint NOT NULL,
    timestamp text COLLATE "C" NOT NULL,
    event_type text NOT NULL,
    payload text NOT NULL,
    hmac text NOT NULL,
    prev_hmac text NOT NULL,
    batch bigint,
    n int NOT NULL DEFAULT 0,
    kind text NOT NULL CHECK (kind IN ('update', 'delete', 'move', 'restore', 'note')),
    name text COLLATE "C" NOT NULL,
    also text COLLATE "C",
    by text NOT NULL,
    version bigint NOT NULL,
    ext text NOT NULL,
    state text NOT NULL,
    len bigint NOT NULL,
    key text COLLATE "C",
    restricted bool NOT NULL DEFAULT false,
    also_restricted bool NOT NULL DEFAULT false,
    PRIMARY KEY (world, id)
  )`,
  `CREATE INDEX events_batch ON elastik.events (batch, n)`,
  `CREATE INDEX events_key ON elastik.events (key) WHERE key IS NOT NULL`,

  // Lists of changes: of collections and of names. The first letter of a key is the kind of list: 'a' a
  // collection, 'r' its worlds that only T3 can read, 'e' a name. A row of a list has its numbers of
  // one call of index_1 and of one range of 500 (seq / 500). first: the least of them. places: all of them
  // modulo 500; NULL if first is the only one. indexed: number up to which the lists are complete.
  `CREATE TABLE elastik.paths (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text COLLATE "C" NOT NULL UNIQUE
  )`,
  `CREATE TABLE elastik.below (
    path bigint NOT NULL,
    first bigint NOT NULL,
    places smallint[],
    PRIMARY KEY (path, first)
  )`,
  `CREATE TABLE elastik.indexed (one bool PRIMARY KEY DEFAULT true CHECK (one), seq bigint NOT NULL)`,
  `INSERT INTO elastik.indexed (seq) VALUES (0)`,

  // When a node first had a lower layer, by the digest of its worlds: the time that all nodes give them.
  `CREATE TABLE elastik.lower_layers (digest text PRIMARY KEY, at text NOT NULL)`,

  // Marked collections, routes of active plugins, WebDAV locks.
  `CREATE TABLE elastik.marks (name text COLLATE "C" PRIMARY KEY)`,
  `CREATE TABLE elastik.routes (
    path text COLLATE "C" PRIMARY KEY,
    plugin text COLLATE "C" NOT NULL
  )`,
  `CREATE INDEX routes_plugin ON elastik.routes (plugin)`,
  // changed: the number of the guard since the last change. expires: by the clock of the database.
  `CREATE TABLE elastik.dav_locks (
    token text PRIMARY KEY,
    path text COLLATE "C" NOT NULL,
    depth text NOT NULL CHECK (depth IN ('0', 'infinity')),
    exclusive bool NOT NULL,
    owner text NOT NULL,
    holder text NOT NULL,
    credential text NOT NULL,
    seconds int NOT NULL,
    expires timestamptz NOT NULL,
    changed bigint NOT NULL
  )`,
  `CREATE INDEX dav_locks_path ON elastik.dav_locks (path)`,
  `CREATE INDEX dav_locks_credential ON elastik.dav_locks (credential)`,
  `CREATE INDEX dav_locks_changed ON elastik.dav_locks (changed)`,
  // Locks that ended before their time was over, so that nodes need not read all locks again.
  `CREATE TABLE elastik.dav_ended (
    token text PRIMARY KEY,
    changed bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
  )`,
  `CREATE INDEX dav_ended_changed ON elastik.dav_ended (changed)`,
];

/** The statements that create the store in an empty database, for one transaction. */
export const SCHEMA: readonly string[] = [
  ...TABLES,
  ...APPLY_SQL,
  ...PUBLISH_SQL,
  ...LOCK_SQL,
  ...COORDINATION_SQL,
  ...QUERY_SCHEMA,
];
