/**
 * The SQL functions of the write path: `apply_1` commits the changes of a batch in one call, `lock_1`
 * locks what a batch will change.
 *
 * Each step of `apply_1` is a statement of its own. Inside one statement, a row check that is repeated
 * after the wait for a lock does not run the parts again that change data.
 *
 * Rows are locked in one order: the names by name, then the worlds by id. So batches cannot wait for each
 * other in a ring.
 */

import {
  INLINE_CHUNK_BYTES,
  MAX_CHUNK_BYTES,
  MERGED_CHUNKS,
  SHORT_CHUNK_BYTES,
} from "../../cluster_limits.ts";
import { AUTHORITY_WORLDS } from "./batch_arguments.ts";

/** The worlds that give callers their authority, or end it, as an array of SQL. */
const AUTHORITY = `ARRAY[${AUTHORITY_WORLDS.map((name) => `'${name}'`).join(", ")}]`;

/**
 * A batch is some arrays of rows. A world after the batch has a position `i`, counted from 1, which other
 * rows have in `of`. A row is one value, because a function with a hundred arrays costs more than the
 * changes. Bytes are parts of `p_bytes`, from `at` on, counted from 0, with the length `size`.
 */
const TYPES: readonly string[] = [
  // A world after the batch. seen and hmac_seen: name and head that the node saw. place: 0 keeps the bytes,
  // 1 has them inline, 2 has them in content. Earlier versions below dropped are dropped; kept and
  // kept_bytes are added to the totals. old: content that the world no longer has, unless a version has it.
  `CREATE TYPE elastik.batch_world_1 AS (i int, seen text, hmac_seen text, name text, version bigint,
    ext text, headers text, state text, updated text, len bigint, sha text, event bigint, hmac text,
    event_at text, by text, place int, content bigint, at int, size int, dropped bigint, kept int,
    kept_bytes bigint, old bigint, trash text, restricted bool)`,
  // An earlier version. place 0 has the bytes of the present row, 3 none.
  `CREATE TYPE elastik.batch_version_1 AS (of int, version bigint, kind text, ext text, headers text,
    state text, updated text, len bigint, sha text, place int, content bigint, at int, size int)`,
  // An event. n: its place in the batch.
  `CREATE TYPE elastik.batch_event_1 AS (of int, n int, id bigint, time text, type text, payload text,
    hmac text, prev text, kind text, name text, also text, by text, version bigint, ext text, state text,
    len bigint, key text, restricted bool, also_restricted bool)`,
  // A name. A position is refused if free and a world has the name, or if the ledger has another version
  // than floor. target: the position whose world gets the name, 0 if its world ends, -1 if the name is only
  // compared.
  `CREATE TYPE elastik.batch_name_1 AS (name text, of int, free bool, floor bigint, target int,
    version bigint, updated text, trash text)`,
  // Bytes that are added to a content.
  `CREATE TYPE elastik.batch_chunk_1 AS (of int, id bigint, pos bigint, at int, size int)`,
  // Content that is moved to the end of another one.
  `CREATE TYPE elastik.batch_segment_1 AS (of int, id bigint, target bigint, pos bigint)`,
  // An upload that now has a world. If it was deleted in the meantime, the error is EL002.
  `CREATE TYPE elastik.batch_upload_1 AS (of int, id bigint)`,
  // A route of a plugin, whose name is that of its world. A path that overlaps one of another plugin is the
  // error EL003, with the text for the caller. Without a path it releases all.
  `CREATE TYPE elastik.batch_route_1 AS (of int, plugin text, path text)`,
  // An idempotency key. A position is refused if its world has an event with it after p_since.
  `CREATE TYPE elastik.batch_key_1 AS (of int, key text)`,
];

/**
 * Every statement of these functions finds its rows by a key. A plan that was made while a table was small
 * would read all of it, also when it is no longer small.
 */
const BY_KEY = `SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan`;

/**
 * Commits a batch: one row for each position in `p_worlds`, with the id of its world in `p_ids`, or 0 for
 * a world that is created. `p_gives_authority`: whether a world of the accounts or the revoked capabilities
 * is among them. `p_latest`: the greatest time of the events.
 *
 * A position is not changed if its world or name is not as the node saw it; with `p_whole` then all are.
 * `worlds` in the answer has an id for each position, or 0. `batch` is 0 if nothing was done.
 */
const APPLY = `CREATE FUNCTION elastik.apply_1(
  p_batch text, p_guard bigint, p_authority bigint, p_gives_authority bool, p_whole bool, p_drops bool,
  p_versions int, p_kept_bytes bigint, p_latest text, p_since text, p_bytes bytea, p_ids bigint[],
  p_worlds elastik.batch_world_1[], p_earlier elastik.batch_version_1[], p_events elastik.batch_event_1[],
  p_names elastik.batch_name_1[], p_chunks elastik.batch_chunk_1[], p_segments elastik.batch_segment_1[],
  p_uploads elastik.batch_upload_1[], p_routes elastik.batch_route_1[], p_keys elastik.batch_key_1[]
) RETURNS TABLE (batch bigint, worlds text)
LANGUAGE plpgsql ${BY_KEY} AS $$
#variable_conflict use_column
DECLARE
  g bigint; a bigint; raises bool := p_gives_authority; b bigint; ok int[]; bad int[]; ids bigint[] := p_ids;
  beyond bigint[]; count int := cardinality(p_ids); every bool; w bigint; taken text; ended text[];
BEGIN
  -- 0. The guard. A change of the locks takes 7021 exclusively: so the guard is read by the next statement,
  --    which has a newer snapshot than one that waited.
  --    A change of what gives authority raises its number for the batches after it.
  --    So does the end of a plugin that was active, which releases its routes. If its state is changed before
  --    this batch locks it, it has another head than the node saw, and is left out.
  IF NOT raises AND cardinality(p_routes) > 0 THEN
    raises := EXISTS (
      SELECT 1 FROM unnest(p_worlds) AS x JOIN elastik.worlds w ON w.id = p_ids[x.i]
      WHERE starts_with(x.seen, 'lib/') AND w.state = 'active'
        AND (x.name IS DISTINCT FROM x.seen OR x.state <> 'active'));
  END IF;
  IF raises THEN PERFORM pg_advisory_xact_lock(7021);
  ELSE PERFORM pg_advisory_xact_lock_shared(7021); END IF;
  SELECT version, authority INTO STRICT g, a FROM elastik.guard;
  IF g > p_guard THEN RAISE EXCEPTION 'the guard is at %', g USING ERRCODE = 'EL001'; END IF;
  IF a > p_authority THEN RAISE EXCEPTION 'the authority is at %', a USING ERRCODE = 'EL004'; END IF;
  -- 1. Names. The update locks a row and changes nothing.
  IF cardinality(p_names) > 0 THEN
    INSERT INTO elastik.names (name)
    SELECT DISTINCT x.name COLLATE "C" AS name FROM unnest(p_names) AS x ORDER BY name
    ON CONFLICT (name) DO UPDATE SET version = names.version WHERE false;
    SELECT array_agg(x.of) INTO bad
    FROM unnest(p_names) AS x JOIN elastik.names n ON n.name = x.name
    WHERE x.free AND n.world IS NOT NULL OR n.version <> x.floor;
  END IF;
  -- 2. Worlds. A row that another batch changed in the meantime is compared again and left out. So is one that
  --    another batch has locked, because it will be changed: this batch does not wait for the other one, and
  --    its node tries what was left out again, under locks.
  SELECT array_agg(x.i) INTO ok FROM (
    SELECT x.i FROM unnest(p_worlds) AS x JOIN elastik.worlds w
      ON w.id = p_ids[x.i] AND w.event_hmac = x.hmac_seen AND w.name IS NOT DISTINCT FROM x.seen
    ORDER BY w.id FOR NO KEY UPDATE OF w SKIP LOCKED) x;
  IF 0 = ANY (p_ids) THEN
    SELECT array_agg(CASE WHEN x.id = 0 THEN nextval('elastik.world_id') ELSE x.id END ORDER BY x.i),
      coalesce(ok, '{}') || coalesce(array_agg(x.i::int) FILTER (WHERE x.id = 0), '{}')
    INTO ids, ok FROM unnest(p_ids) WITH ORDINALITY AS x(id, i);
  END IF;
  IF cardinality(p_keys) > 0 THEN
    SELECT coalesce(bad, '{}') || coalesce(array_agg(x.of), '{}') INTO bad FROM unnest(p_keys) AS x
    WHERE EXISTS (SELECT 1 FROM elastik.events e
      WHERE e.key = x.key AND e.world = p_ids[x.of] AND e.timestamp > p_since);
  END IF;
  IF bad IS NOT NULL THEN
    ok := ARRAY(SELECT x.i FROM unnest(ok) AS x(i) WHERE x.i <> ALL (bad));
  END IF;
  every := coalesce(cardinality(ok), 0) = count;
  IF coalesce(cardinality(ok), 0) = 0 OR p_whole AND NOT every THEN
    RETURN QUERY SELECT 0::bigint, array_to_string(array_fill(0, ARRAY[count]), ',');
    RETURN;
  END IF;
  -- The id is taken under the locks, so that the ids of the batches of a world rise.
  INSERT INTO elastik.batches (batch, size, latest)
  VALUES (p_batch, cardinality(p_events), p_latest) RETURNING id INTO b;
  IF raises THEN
    UPDATE elastik.guard SET authority = authority + 1 RETURNING authority INTO a;
    INSERT INTO elastik.batches (size, kind, name, state) VALUES (1, 'authority', '', a::text);
  END IF;
  -- 3. Earlier versions: first, because they have bytes of the present rows.
  IF cardinality(p_earlier) > 0 THEN
    INSERT INTO elastik.versions
      (world, version, kind, ext, headers, state, updated_at, len, sha256, content, body)
    SELECT ids[x.of], x.version, x.kind, x.ext, x.headers, x.state, x.updated, x.len, x.sha,
      CASE x.place WHEN 0 THEN w.content WHEN 2 THEN x.content END,
      CASE x.place WHEN 0 THEN w.body WHEN 1 THEN substr(p_bytes, x.at + 1, x.size) END
    FROM unnest(p_earlier) AS x LEFT JOIN elastik.worlds w ON x.place = 0 AND w.id = p_ids[x.of]
    WHERE every OR x.of = ANY (ok);
  END IF;
  -- 4. Worlds that lose their names, those that have or get one, then new ones and the ledger.
  IF cardinality(p_names) > 0 THEN
    UPDATE elastik.worlds w SET name = NULL, trash = '' FROM unnest(p_worlds) AS x
    WHERE w.id = p_ids[x.i] AND w.name IS NOT NULL AND w.name IS DISTINCT FROM x.name
      AND x.i = ANY (ok);
  END IF;
  WITH u AS (
    UPDATE elastik.worlds w SET name = x.name, version = x.version, ext = x.ext, headers = x.headers,
      state = x.state, updated_at = x.updated, len = x.len, sha256 = x.sha, event_id = x.event,
      event_hmac = x.hmac, event_at = x.event_at, by = x.by,
      content = CASE x.place WHEN 0 THEN w.content WHEN 2 THEN x.content END,
      body = CASE x.place WHEN 0 THEN w.body WHEN 1 THEN substr(p_bytes, x.at + 1, x.size) END,
      kept_versions = w.kept_versions + x.kept, kept_bytes = w.kept_bytes + x.kept_bytes,
      trash = x.trash,
      trashed_name = CASE WHEN x.name IS NULL THEN x.seen END,
      trashed_at = CASE WHEN x.name IS NULL THEN x.event_at END,
      trashed_by = CASE WHEN x.name IS NULL THEN x.by END,
      restricted = CASE WHEN x.name IS NULL THEN x.restricted ELSE false END
    FROM unnest(p_worlds) AS x WHERE w.id = p_ids[x.i] AND (every OR x.i = ANY (ok))
    RETURNING w.id, w.kept_versions > p_versions + (p_versions >> 3) OR w.kept_bytes > p_kept_bytes AS over)
  SELECT array_agg(u.id) INTO beyond FROM u WHERE u.over;
  IF 0 = ANY (p_ids) THEN
    INSERT INTO elastik.worlds (id, name, version, ext, headers, state, updated_at, len, sha256, event_id,
      event_hmac, event_at, by, content, body, kept_from, kept_versions, kept_bytes)
    SELECT ids[x.i], x.name, x.version, x.ext, x.headers, x.state, x.updated, x.len, x.sha, x.event,
      x.hmac, x.event_at, x.by, x.content,
      CASE x.place WHEN 1 THEN substr(p_bytes, x.at + 1, x.size) END, x.dropped, x.kept, x.kept_bytes
    FROM unnest(p_worlds) AS x
    WHERE p_ids[x.i] = 0 AND (every OR x.i = ANY (ok));
  END IF;
  IF cardinality(p_names) > 0 THEN
    UPDATE elastik.names n SET world = CASE WHEN x.target > 0 THEN ids[x.target] END,
      version = greatest(n.version, x.version), updated_at = greatest(n.updated_at, x.updated),
      trash = CASE WHEN x.target = 0 THEN x.trash ELSE n.trash END
    FROM unnest(p_names) AS x
    WHERE n.name = x.name AND x.target >= 0 AND (every OR x.of = ANY (ok));
  END IF;
  -- 5. Events, bytes that are added to a content, routes.
  INSERT INTO elastik.events (world, id, timestamp, event_type, payload, hmac, prev_hmac, batch, n, kind,
    name, also, by, version, ext, state, len, key, restricted, also_restricted)
  SELECT ids[x.of], x.id, x.time, x.type, x.payload, x.hmac, x.prev, b, x.n, x.kind, x.name, x.also, x.by,
    x.version, x.ext, x.state, x.len, x.key, x.restricted, x.also_restricted
  FROM unnest(p_events) AS x WHERE every OR x.of = ANY (ok);
  IF cardinality(p_segments) > 0 THEN
    UPDATE elastik.content c SET id = x.target, at = c.at + x.pos
    FROM unnest(p_segments) AS x WHERE c.id = x.id AND (every OR x.of = ANY (ok));
  END IF;
  IF cardinality(p_chunks) > 0 THEN
    -- A short last chunk becomes longer, so that many short appends do not make many chunks.
    WITH x AS (
      SELECT * FROM unnest(p_chunks) WITH ORDINALITY
        AS x(of, id, pos, at, size, i) WHERE every OR x.of = ANY (ok)),
    u AS (
      UPDATE elastik.content c SET bytes = c.bytes || substr(p_bytes, x.at + 1, x.size) FROM x
      WHERE c.id = x.id AND c.at = (
          SELECT max(last.at) FROM elastik.content last WHERE last.id = x.id AND last.at < x.pos)
        AND c.at + length(c.bytes) = x.pos AND length(c.bytes) + x.size <= ${INLINE_CHUNK_BYTES}
      RETURNING x.i)
    INSERT INTO elastik.content (id, at, bytes)
    SELECT x.id, x.pos, substr(p_bytes, x.at + 1, x.size) FROM x
    WHERE NOT EXISTS (SELECT 1 FROM u WHERE u.i = x.i);
    GET DIAGNOSTICS w = ROW_COUNT;
    IF w > 0 THEN
      PERFORM elastik.merge_chunks_1(x.id) FROM (
        SELECT DISTINCT c.id FROM unnest(p_chunks) AS c
        WHERE c.pos > 0 AND (every OR c.of = ANY (ok))) x;
    END IF;
  END IF;
  IF cardinality(p_uploads) > 0 THEN
    DELETE FROM elastik.uploads u USING unnest(p_uploads) AS x
    WHERE u.id = x.id AND (every OR x.of = ANY (ok));
    GET DIAGNOSTICS w = ROW_COUNT;
    IF w < (SELECT count(*) FROM unnest(p_uploads) AS x WHERE every OR x.of = ANY (ok)) THEN
      RAISE EXCEPTION 'uploaded content was deleted' USING ERRCODE = 'EL002';
    END IF;
  END IF;
  IF cardinality(p_routes) > 0 THEN
    IF EXISTS (SELECT 1 FROM unnest(p_routes) AS x WHERE x.path IS NOT NULL) THEN
      -- Claims wait for each other, so that the next statement sees all of them.
      PERFORM pg_advisory_xact_lock(7023);
      SELECT CASE WHEN x.path = 'fallback' THEN format('the fallback is taken: /%s is the fallback', r.plugin)
        ELSE format('%s is taken: /%s has the route %s', x.path, r.plugin, r.path) END INTO taken
      FROM unnest(p_routes) AS x JOIN elastik.routes r
        ON r.plugin <> x.plugin AND (r.path = x.path OR starts_with(r.path, x.path || '/')
          OR starts_with(x.path, r.path || '/'))
      WHERE every OR x.of = ANY (ok) ORDER BY x.path COLLATE "C", r.path LIMIT 1;
      IF taken IS NOT NULL THEN RAISE EXCEPTION '%', taken USING ERRCODE = 'EL003'; END IF;
    END IF;
    DELETE FROM elastik.routes r USING unnest(p_routes) AS x
    WHERE r.plugin = x.plugin AND x.path IS NULL AND (every OR x.of = ANY (ok));
    INSERT INTO elastik.routes (path, plugin)
    SELECT x.path, x.plugin FROM unnest(p_routes) AS x
    WHERE x.path IS NOT NULL AND (every OR x.of = ANY (ok)) ORDER BY x.path COLLATE "C";
  END IF;
  -- A chain that another key signed gets no event when its world is deleted: followers get this row.
  IF cardinality(p_names) > 0 THEN
    INSERT INTO elastik.batches (size, kind, name, state)
    SELECT 1, 'gone', x.seen, p_ids[x.i]::text FROM unnest(p_worlds) AS x
    WHERE x.name IS NULL AND p_ids[x.i] > 0 AND x.i = ANY (ok)
      AND NOT EXISTS (SELECT 1 FROM unnest(p_events) AS e WHERE e.of = x.i);
    -- The locks of a name end with its world (RFC 4918, 9.6). No lock is granted in this transaction.
    WITH d AS (
      DELETE FROM elastik.dav_locks d USING elastik.names n
      WHERE n.name IN (SELECT x.name FROM unnest(p_names) AS x) AND n.world IS NULL
        AND d.path = '/' || n.name
        AND n.name IN (SELECT x.seen FROM unnest(p_worlds) AS x WHERE x.i = ANY (ok))
      RETURNING d.token)
    SELECT array_agg(d.token) INTO ended FROM d;
    IF ended IS NOT NULL THEN PERFORM elastik.raise_guard_1('', ended); END IF;
  END IF;
  -- 6. Versions that are dropped: at once, or because there are too many.
  IF p_drops THEN
    PERFORM elastik.drop_versions_1(ids[x.i], 0, x.dropped, x.old) FROM unnest(p_worlds) AS x
    WHERE x.dropped > 0 AND (every OR x.i = ANY (ok));
  END IF;
  IF beyond IS NOT NULL THEN
    FOREACH w IN ARRAY beyond LOOP
      PERFORM elastik.trim_world_1(w, p_versions, p_kept_bytes);
    END LOOP;
  END IF;
  RETURN QUERY SELECT b, CASE WHEN every THEN array_to_string(ids, ',') ELSE (
    SELECT string_agg((CASE WHEN x.i = ANY (ok) THEN x.id ELSE 0 END)::text, ',' ORDER BY x.i)
    FROM unnest(ids) WITH ORDINALITY AS x(id, i)) END;
END $$`;

/**
 * Locks names and their worlds, and deleted worlds by their entries in the trash, until the end of the
 * transaction. Under these locks the outcome of every earlier batch that changes them is known.
 *
 * Returns the ids of those among `p_batches` that happened.
 */
const LOCK = `CREATE FUNCTION elastik.lock_1(p_names text[], p_trash text[], p_batches text[])
RETURNS text[] LANGUAGE plpgsql ${BY_KEY} AS $$
#variable_conflict use_column
DECLARE ids bigint[];
BEGIN
  -- As apply_1 takes it, which would otherwise wait for another one that waits for it.
  IF p_names && ${AUTHORITY} OR EXISTS (
    SELECT 1 FROM unnest(p_names) AS x(name) WHERE starts_with(x.name, 'lib/'))
  THEN PERFORM pg_advisory_xact_lock(7021);
  ELSE PERFORM pg_advisory_xact_lock_shared(7021); END IF;
  INSERT INTO elastik.names (name)
  SELECT DISTINCT x.name COLLATE "C" AS name FROM unnest(p_names) AS x(name) ORDER BY name
  ON CONFLICT (name) DO UPDATE SET version = names.version WHERE false;
  ids := ARRAY(SELECT n.world FROM elastik.names n WHERE n.name = ANY (p_names) AND n.world IS NOT NULL);
  IF p_trash <> '{}' THEN
    ids := ids || ARRAY(SELECT w.id FROM elastik.worlds w WHERE w.trash = ANY (p_trash));
  END IF;
  PERFORM 1 FROM elastik.worlds w WHERE w.id = ANY (ids) ORDER BY w.id FOR NO KEY UPDATE;
  RETURN ARRAY(SELECT b.batch FROM elastik.batches b WHERE b.batch = ANY (p_batches));
END $$`;

/**
 * Drops the earlier versions of a world from one on and below another one, and content that it no longer
 * has.
 *
 * The caller has the lock of the world. `p_from`: there are no versions below it; so the dead index entries
 * of those that were dropped before are not read. `p_old` is content that the world had until now, or NULL.
 */
const DROP_VERSIONS =
  `CREATE FUNCTION elastik.drop_versions_1(p_world bigint, p_from bigint, p_below bigint, p_old bigint)
RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE freed bigint[]; dropped int; dropped_bytes bigint;
BEGIN
  WITH d AS (
    DELETE FROM elastik.versions WHERE world = p_world AND version >= p_from AND version < p_below
    RETURNING content, kind, len)
  SELECT array_agg(DISTINCT d.content) FILTER (WHERE d.content IS NOT NULL), count(*),
    coalesce(sum(d.len) FILTER (WHERE d.kind = 'full'), 0)
  INTO freed, dropped, dropped_bytes FROM d;
  UPDATE elastik.worlds SET kept_from = greatest(kept_from, p_below),
    kept_versions = kept_versions - dropped, kept_bytes = kept_bytes - dropped_bytes
  WHERE id = p_world;
  IF freed IS NULL AND p_old IS NULL THEN RETURN; END IF;
  INSERT INTO elastik.uploads (id)
  SELECT DISTINCT x.id FROM unnest(freed || p_old) AS x(id)
  WHERE x.id IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM elastik.worlds w WHERE w.id = p_world AND w.content = x.id)
    AND NOT EXISTS (SELECT 1 FROM elastik.versions v WHERE v.world = p_world AND v.content = x.id)
  ON CONFLICT (id) DO NOTHING;
END $$`;

/**
 * Drops the oldest versions of a world beyond the limits: all but `p_versions` if there are more than
 * an eighth above, then those beyond `p_bytes`, which counts each different content once.
 *
 * The caller has the lock of the world.
 */
const TRIM_WORLD =
  `CREATE FUNCTION elastik.trim_world_1(p_world bigint, p_versions int, p_bytes bigint)
RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE lowest bigint; count int; bytes bigint; present bigint; low bigint;
BEGIN
  SELECT kept_versions, kept_bytes, version, kept_from INTO count, bytes, present, low
  FROM elastik.worlds WHERE id = p_world;
  IF count > p_versions + (p_versions >> 3) THEN
    -- From the newest one on: a count that is too high drops none that must be kept.
    SELECT v.version INTO lowest FROM elastik.versions v
    WHERE p_versions > 0 AND v.world = p_world
    ORDER BY v.version DESC OFFSET greatest(p_versions - 1, 0) LIMIT 1;
    PERFORM elastik.drop_versions_1(p_world, low, coalesce(lowest, present), NULL);
  END IF;
  IF bytes <= p_bytes THEN RETURN; END IF;
  SELECT min(y.version) INTO lowest FROM (
    SELECT x.version, sum(CASE WHEN x.first = 1 THEN x.len ELSE 0 END)
      OVER (ORDER BY x.version DESC) AS bytes
    FROM (
      SELECT version, len, CASE WHEN kind = 'full'
        THEN row_number() OVER (PARTITION BY kind, sha256 ORDER BY version DESC) END AS first
      FROM elastik.versions WHERE world = p_world) x) y
  WHERE y.bytes <= p_bytes;
  PERFORM elastik.drop_versions_1(p_world, low, coalesce(lowest, present), NULL);
END $$`;

/**
 * Joins the short chunks at the end of a content, when there are many, so that the number of chunks grows
 * with the bytes of a content and not with its appends. Each byte is copied about twice.
 *
 * The caller has the lock of the world. Readers find a byte in any chunk that has it.
 */
const MERGE_CHUNKS =
  `CREATE FUNCTION elastik.merge_chunks_1(p_id bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE low bigint; found int; joined bytea;
BEGIN
  SELECT min(y.at), count(*) INTO low, found FROM (
    SELECT x.at, bool_and(x.size < ${SHORT_CHUNK_BYTES}) OVER (ORDER BY x.at DESC) AS short FROM (
      SELECT c.at, length(c.bytes) AS size FROM elastik.content c
      WHERE c.id = p_id ORDER BY c.at DESC LIMIT ${2 * MERGED_CHUNKS}) x) y
  WHERE y.short;
  IF found < ${MERGED_CHUNKS} THEN RETURN; END IF;
  WITH d AS (DELETE FROM elastik.content c WHERE c.id = p_id AND c.at >= low RETURNING c.at, c.bytes)
  SELECT string_agg(d.bytes, ''::bytea ORDER BY d.at) INTO joined FROM d;
  INSERT INTO elastik.content (id, at, bytes)
  SELECT p_id, low + i, substr(joined, i + 1, ${MAX_CHUNK_BYTES})
  FROM generate_series(0, length(joined) - 1, ${MAX_CHUNK_BYTES}) AS i;
END $$`;

/** The types and functions of the write path. */
export const APPLY_SQL: readonly string[] = [
  ...TYPES,
  DROP_VERSIONS,
  TRIM_WORLD,
  MERGE_CHUNKS,
  LOCK,
  APPLY,
];
