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

/** The worlds that give callers their authority, or end it. */
const AUTHORITY = "ARRAY['etc/passwd', 'etc/shadow', 'etc/revoked']";

/**
 * A batch. The arrays with `n_` have one element for each position: a world after the batch. Other arrays
 * have the position in `…_of`, counted from 1. Bytes are parts of `p_bytes`, from `…_at` on, counted from
 * 0, with the length `…_size`.
 *
 * - `n_world` 0 is a world that is created; `n_seen` and `n_hmac_seen` are name and head that the node
 *   saw of another one. `n_place`: 0 keeps the bytes, 1 has them inline, 2 has them in `n_content`.
 *   Earlier versions below `n_drop` are dropped; `n_kept` and `n_kept_bytes` are added to the totals.
 *   `n_old` is content that the world no longer has, unless a version has it.
 * - `v_`: earlier versions; `v_place` 0 has the bytes of the present row, 3 none.
 * - `e_`: events in the order of the batch.
 * - `l_`: names. A position is refused if `l_free` and a world has the name, or if the ledger has another
 *   version than `l_floor`. `l_to` is the position whose world gets the name, 0 if its world ends,
 *   -1 if the name is only compared.
 * - `c_`: bytes that are added to a content. `s_`: content that is moved to the end of another one.
 * - `u_`: uploads that now have a world. If one was deleted in the meantime, the error is EL002. `r_`: routes of plugins, whose
 *   names are those of their worlds. A path that overlaps one of another plugin is the error EL003, with the
 *   text for the caller. Without a path it releases all.
 *
 * - `k_`: idempotency keys. A position is refused if its world has an event with one after `k_since`.
 *
 * A position is not changed if its world or name is not as the node saw it; with `p_whole` then all are.
 * `worlds` in the answer has an id for each position, or 0. `batch` is 0 if nothing was done.
 */
const APPLY = `CREATE FUNCTION elastik.apply_1(
  p_batch text, p_guard bigint, p_authority bigint, p_whole bool, p_versions int, p_kept_bytes bigint, p_bytes bytea,
  n_world bigint[], n_seen text[], n_hmac_seen text[], n_name text[], n_version bigint[], n_ext text[],
  n_headers text[], n_state text[], n_updated text[], n_len bigint[], n_sha text[], n_event bigint[],
  n_hmac text[], n_event_at text[], n_by text[], n_place int[], n_content bigint[], n_at int[],
  n_size int[], n_drop bigint[], n_kept int[], n_kept_bytes bigint[], n_old bigint[], n_trash text[],
  n_restricted bool[],
  v_of int[], v_version bigint[], v_kind text[], v_ext text[], v_headers text[], v_state text[],
  v_updated text[], v_len bigint[], v_sha text[], v_place int[], v_content bigint[], v_at int[],
  v_size int[],
  e_of int[], e_id bigint[], e_time text[], e_type text[], e_payload text[], e_hmac text[],
  e_prev text[], e_kind text[], e_name text[], e_also text[], e_by text[], e_version bigint[],
  e_ext text[], e_state text[], e_len bigint[], e_key text[], e_restricted bool[], e_also_restricted bool[],
  l_name text[], l_of int[], l_free bool[], l_floor bigint[], l_to int[], l_version bigint[],
  l_updated text[], l_trash text[],
  c_of int[], c_id bigint[], c_pos bigint[], c_at int[], c_size int[],
  s_of int[], s_id bigint[], s_to bigint[], s_pos bigint[],
  u_of int[], u_id bigint[],
  r_of int[], r_plugin text[], r_path text[],
  k_of int[], k_key text[], k_since text
) RETURNS TABLE (batch bigint, worlds text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  g bigint; a bigint; raises bool; b bigint; ok int[]; bad int[]; ids bigint[]; beyond bigint[];
  every bool; w bigint; taken text; ended text[];
BEGIN
  -- 0. The guard. A change of the locks takes 7021 exclusively: so the guard is read by the next statement,
  --    which has a newer snapshot than one that waited.
  --    A change of what gives authority raises its number for the batches after it.
  --    So does the end of a plugin that was active, which releases its routes. If its state is changed before
  --    this batch locks it, it has another head than the node saw, and is left out.
  raises := n_seen && ${AUTHORITY} OR n_name && ${AUTHORITY} OR r_of <> '{}' AND EXISTS (
    SELECT 1 FROM unnest(n_world, n_seen, n_name, n_state) AS x(world, seen, name, state)
    JOIN elastik.worlds w ON w.id = x.world
    WHERE starts_with(x.seen, 'lib/') AND w.state = 'active'
      AND (x.name IS DISTINCT FROM x.seen OR x.state <> 'active'));
  IF raises THEN PERFORM pg_advisory_xact_lock(7021);
  ELSE PERFORM pg_advisory_xact_lock_shared(7021); END IF;
  SELECT version, authority INTO STRICT g, a FROM elastik.guard;
  IF g > p_guard THEN RAISE EXCEPTION 'the guard is at %', g USING ERRCODE = 'EL001'; END IF;
  IF a > p_authority THEN RAISE EXCEPTION 'the authority is at %', a USING ERRCODE = 'EL004'; END IF;
  -- 1. Names. The update locks a row and changes nothing.
  IF l_name <> '{}' THEN
    INSERT INTO elastik.names (name)
    SELECT DISTINCT x.name COLLATE "C" AS name FROM unnest(l_name) AS x(name) ORDER BY name
    ON CONFLICT (name) DO UPDATE SET version = names.version WHERE false;
    SELECT array_agg(x.of) INTO bad
    FROM unnest(l_name, l_of, l_free, l_floor) AS x(name, of, free, floor)
    JOIN elastik.names n ON n.name = x.name
    WHERE x.free AND n.world IS NOT NULL OR n.version <> x.floor;
  END IF;
  -- 2. Worlds. A row that another batch changed in the meantime is compared again and left out. So is one that
  --    another batch has locked, because it will be changed: this batch does not wait for the other one, and
  --    its node tries what was left out again, under locks.
  SELECT array_agg(x.i) INTO ok FROM (
    SELECT x.i::int AS i
    FROM unnest(n_world, n_seen, n_hmac_seen) WITH ORDINALITY AS x(world, seen, hmac, i)
    JOIN elastik.worlds w
      ON w.id = x.world AND w.event_hmac = x.hmac AND w.name IS NOT DISTINCT FROM x.seen
    ORDER BY w.id FOR NO KEY UPDATE OF w SKIP LOCKED) x;
  ids := n_world;
  IF 0 = ANY (n_world) THEN
    SELECT array_agg(CASE WHEN x.world = 0 THEN nextval('elastik.world_id') ELSE x.world END ORDER BY x.i),
      coalesce(ok, '{}') || coalesce(array_agg(x.i::int) FILTER (WHERE x.world = 0), '{}')
    INTO ids, ok FROM unnest(n_world) WITH ORDINALITY AS x(world, i);
  END IF;
  IF k_of <> '{}' THEN
    SELECT coalesce(bad, '{}') || coalesce(array_agg(x.of), '{}') INTO bad
    FROM unnest(k_of, k_key) AS x(of, key)
    WHERE EXISTS (SELECT 1 FROM elastik.events e
      WHERE e.key = x.key AND e.world = n_world[x.of] AND e.timestamp > k_since);
  END IF;
  IF bad IS NOT NULL THEN
    ok := ARRAY(SELECT x.i FROM unnest(ok) AS x(i) WHERE x.i <> ALL (bad));
  END IF;
  every := coalesce(cardinality(ok), 0) = cardinality(n_world);
  IF coalesce(cardinality(ok), 0) = 0 OR p_whole AND NOT every THEN
    RETURN QUERY SELECT 0::bigint, array_to_string(array_fill(0, ARRAY[cardinality(n_world)]), ',');
    RETURN;
  END IF;
  -- The id is taken under the locks, so that the ids of the batches of a world rise.
  INSERT INTO elastik.batches (batch, size, latest)
  SELECT p_batch, cardinality(e_of), coalesce(max(x.time COLLATE "C"), '') FROM unnest(e_time) AS x(time)
  RETURNING id INTO b;
  IF raises THEN
    UPDATE elastik.guard SET authority = authority + 1 RETURNING authority INTO a;
    INSERT INTO elastik.batches (size, kind, name, state) VALUES (1, 'authority', '', a::text);
  END IF;
  -- 3. Earlier versions: first, because they have bytes of the present rows.
  IF v_of <> '{}' THEN
    INSERT INTO elastik.versions
      (world, version, kind, ext, headers, state, updated_at, len, sha256, content, body)
    SELECT ids[x.of], x.version, x.kind, x.ext, x.headers, x.state, x.updated, x.len, x.sha,
      CASE x.place WHEN 0 THEN w.content WHEN 2 THEN x.content END,
      CASE x.place WHEN 0 THEN w.body WHEN 1 THEN substr(p_bytes, x.at + 1, x.size) END
    FROM unnest(v_of, v_version, v_kind, v_ext, v_headers, v_state, v_updated, v_len, v_sha, v_place,
        v_content, v_at, v_size)
      AS x(of, version, kind, ext, headers, state, updated, len, sha, place, content, at, size)
    LEFT JOIN elastik.worlds w ON x.place = 0 AND w.id = n_world[x.of]
    WHERE every OR x.of = ANY (ok);
  END IF;
  -- 4. Worlds that lose their names, those that have or get one, then new ones and the ledger.
  IF l_name <> '{}' THEN
    UPDATE elastik.worlds w SET name = NULL, trash = '' FROM unnest(ok) AS x(i)
    WHERE w.id = n_world[x.i] AND w.name IS NOT NULL AND w.name IS DISTINCT FROM n_name[x.i];
  END IF;
  WITH x AS (
    SELECT * FROM unnest(n_world, n_seen, n_name, n_version, n_ext, n_headers, n_state, n_updated, n_len,
        n_sha, n_event, n_hmac, n_event_at, n_by, n_place, n_content, n_at, n_size, n_drop, n_kept,
        n_kept_bytes, n_trash, n_restricted) WITH ORDINALITY
      AS x(world, seen, name, version, ext, headers, state, updated, len, sha, event, hmac, event_at, by,
        place, content, at, size, dropped, kept, kept_bytes, trash, restricted, i)
    WHERE every OR x.i = ANY (ok)),
  u AS (
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
    FROM x WHERE w.id = x.world
    RETURNING w.id, w.kept_versions > p_versions + (p_versions >> 3) OR w.kept_bytes > p_kept_bytes AS over)
  SELECT array_agg(u.id) INTO beyond FROM u WHERE u.over;
  IF 0 = ANY (n_world) THEN
    INSERT INTO elastik.worlds (id, name, version, ext, headers, state, updated_at, len, sha256, event_id,
      event_hmac, event_at, by, content, body, kept_from, kept_versions, kept_bytes)
    SELECT ids[x.i], x.name, x.version, x.ext, x.headers, x.state, x.updated, x.len, x.sha, x.event,
      x.hmac, x.event_at, x.by, x.content,
      CASE x.place WHEN 1 THEN substr(p_bytes, x.at + 1, x.size) END, x.dropped, x.kept, x.kept_bytes
    FROM unnest(n_world, n_name, n_version, n_ext, n_headers, n_state, n_updated, n_len, n_sha, n_event,
        n_hmac, n_event_at, n_by, n_place, n_content, n_at, n_size, n_drop, n_kept, n_kept_bytes)
      WITH ORDINALITY AS x(world, name, version, ext, headers, state, updated, len, sha, event, hmac,
        event_at, by, place, content, at, size, dropped, kept, kept_bytes, i)
    WHERE x.world = 0 AND (every OR x.i = ANY (ok));
  END IF;
  IF l_name <> '{}' THEN
    UPDATE elastik.names n SET world = CASE WHEN x.target > 0 THEN ids[x.target] END,
      version = greatest(n.version, x.version), updated_at = greatest(n.updated_at, x.updated),
      trash = CASE WHEN x.target = 0 THEN x.trash ELSE n.trash END
    FROM unnest(l_name, l_of, l_to, l_version, l_updated, l_trash)
      AS x(name, of, target, version, updated, trash)
    WHERE n.name = x.name AND x.target >= 0 AND (every OR x.of = ANY (ok));
  END IF;
  -- 5. Events, bytes that are added to a content, routes.
  INSERT INTO elastik.events (world, id, timestamp, event_type, payload, hmac, prev_hmac, batch, n, kind,
    name, also, by, version, ext, state, len, key, restricted, also_restricted)
  SELECT ids[x.of], x.id, x.time, x.type, x.payload, x.hmac, x.prev, b, x.n, x.kind, x.name, x.also, x.by,
    x.version, x.ext, x.state, x.len, x.key, x.restricted, x.also_restricted
  FROM unnest(e_of, e_id, e_time, e_type, e_payload, e_hmac, e_prev, e_kind, e_name, e_also, e_by,
      e_version, e_ext, e_state, e_len, e_key, e_restricted, e_also_restricted) WITH ORDINALITY
    AS x(of, id, time, type, payload, hmac, prev, kind, name, also, by, version, ext, state, len, key,
      restricted, also_restricted, n)
  WHERE every OR x.of = ANY (ok);
  IF s_of <> '{}' THEN
    UPDATE elastik.content c SET id = x.target, at = c.at + x.pos
    FROM unnest(s_of, s_id, s_to, s_pos) AS x(of, id, target, pos)
    WHERE c.id = x.id AND (every OR x.of = ANY (ok));
  END IF;
  IF c_of <> '{}' THEN
    -- A short last chunk becomes longer, so that many short appends do not make many chunks.
    WITH x AS (
      SELECT * FROM unnest(c_of, c_id, c_pos, c_at, c_size) WITH ORDINALITY
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
        SELECT DISTINCT c.id FROM unnest(c_of, c_id, c_pos) AS c(of, id, pos)
        WHERE c.pos > 0 AND (every OR c.of = ANY (ok))) x;
    END IF;
  END IF;
  IF u_of <> '{}' THEN
    DELETE FROM elastik.uploads u USING unnest(u_of, u_id) AS x(of, id)
    WHERE u.id = x.id AND (every OR x.of = ANY (ok));
    GET DIAGNOSTICS w = ROW_COUNT;
    IF w < (SELECT count(*) FROM unnest(u_of) AS x(of) WHERE every OR x.of = ANY (ok)) THEN
      RAISE EXCEPTION 'uploaded content was deleted' USING ERRCODE = 'EL002';
    END IF;
  END IF;
  IF r_of <> '{}' THEN
    IF EXISTS (SELECT 1 FROM unnest(r_path) AS x(path) WHERE x.path IS NOT NULL) THEN
      -- Claims wait for each other, so that the next statement sees all of them.
      PERFORM pg_advisory_xact_lock(7023);
      SELECT CASE WHEN x.path = 'fallback' THEN format('the fallback is taken: /%s is the fallback', r.plugin)
        ELSE format('%s is taken: /%s has the route %s', x.path, r.plugin, r.path) END INTO taken
      FROM unnest(r_of, r_plugin, r_path) AS x(of, plugin, path) JOIN elastik.routes r
        ON r.plugin <> x.plugin AND (r.path = x.path OR starts_with(r.path, x.path || '/')
          OR starts_with(x.path, r.path || '/'))
      WHERE every OR x.of = ANY (ok) ORDER BY x.path COLLATE "C", r.path LIMIT 1;
      IF taken IS NOT NULL THEN RAISE EXCEPTION '%', taken USING ERRCODE = 'EL003'; END IF;
    END IF;
    DELETE FROM elastik.routes r USING unnest(r_of, r_plugin, r_path) AS x(of, plugin, path)
    WHERE r.plugin = x.plugin AND x.path IS NULL AND (every OR x.of = ANY (ok));
    INSERT INTO elastik.routes (path, plugin)
    SELECT x.path, x.plugin FROM unnest(r_of, r_plugin, r_path) AS x(of, plugin, path)
    WHERE x.path IS NOT NULL AND (every OR x.of = ANY (ok)) ORDER BY x.path COLLATE "C";
  END IF;
  -- A chain that another key signed gets no event when its world is deleted: followers get this row.
  IF l_name <> '{}' THEN
    INSERT INTO elastik.batches (size, kind, name, state)
    SELECT 1, 'gone', n_seen[x.i], n_world[x.i]::text FROM unnest(ok) AS x(i)
    WHERE n_name[x.i] IS NULL AND n_world[x.i] > 0 AND x.i <> ALL (e_of);
    -- The locks of a name end with its world (RFC 4918, 9.6). No lock is granted in this transaction.
    WITH d AS (
      DELETE FROM elastik.dav_locks d USING elastik.names n
      WHERE n.name = ANY (l_name) AND n.world IS NULL AND d.path = '/' || n.name
        AND n.name IN (SELECT n_seen[x.i] FROM unnest(ok) AS x(i))
      RETURNING d.token)
    SELECT array_agg(d.token) INTO ended FROM d;
    IF ended IS NOT NULL THEN PERFORM elastik.raise_guard_1('', ended); END IF;
  END IF;
  -- 6. Versions that are dropped: at once, or because there are too many.
  IF n_drop <> array_fill(0::bigint, ARRAY[cardinality(n_drop)]) THEN
    PERFORM elastik.drop_versions_1(ids[x.i], x.below, x.old)
    FROM unnest(n_drop, n_old) WITH ORDINALITY AS x(below, old, i)
    WHERE x.below > 0 AND (every OR x.i = ANY (ok));
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
RETURNS text[] LANGUAGE plpgsql AS $$
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
 * Drops the earlier versions of a world below one, and content that it no longer has.
 *
 * The caller has the lock of the world. `p_old` is content that the world had until now, or NULL.
 */
const DROP_VERSIONS =
  `CREATE FUNCTION elastik.drop_versions_1(p_world bigint, p_below bigint, p_old bigint)
RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE freed bigint[]; dropped int; dropped_bytes bigint;
BEGIN
  WITH d AS (
    DELETE FROM elastik.versions WHERE world = p_world AND version < p_below
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
DECLARE lowest bigint; count int; bytes bigint; present bigint;
BEGIN
  SELECT kept_versions, kept_bytes, version INTO count, bytes, present
  FROM elastik.worlds WHERE id = p_world;
  IF count > p_versions + (p_versions >> 3) THEN
    SELECT v.version INTO lowest FROM elastik.versions v
    WHERE p_versions > 0 AND v.world = p_world
    ORDER BY v.version DESC OFFSET greatest(p_versions - 1, 0) LIMIT 1;
    PERFORM elastik.drop_versions_1(p_world, coalesce(lowest, present), NULL);
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
  PERFORM elastik.drop_versions_1(p_world, coalesce(lowest, present), NULL);
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

/** The functions of the write path. */
export const APPLY_SQL: readonly string[] = [DROP_VERSIONS, TRIM_WORLD, MERGE_CHUNKS, LOCK, APPLY];
