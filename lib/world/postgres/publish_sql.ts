/**
 * The SQL functions of the one order of all changes. `apply_1` commits batches next to each other;
 * `publish_1` gives those that are committed their places afterwards, one publisher at a time. So no
 * batch waits for another one, and a follower that asks for what is after a number misses nothing.
 *
 * The number of an event is `batches.first + events.n - 1`. Numbers can be left out; none is used twice.
 */

/**
 * Publishes all batches that are committed and not published yet, in the order of their ids.
 *
 * Returns the newest number. With `p_force` the call makes a commit that is replicated also if there is
 * nothing to publish. A server of another timeline begins a new run, because after a promotion the
 * numbers of the newest changes can be used again.
 */
const PUBLISH = `CREATE FUNCTION elastik.publish_1(p_force bool) RETURNS bigint
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE s bigint; l text; last bigint; newest text; line int;
BEGIN
  IF NOT EXISTS (SELECT 1 FROM elastik.batches WHERE first IS NULL) THEN
    IF p_force THEN PERFORM pg_logical_emit_message(true, 'elastik', ''); END IF;
    SELECT seq INTO s FROM elastik.feed;
    RETURN s;
  END IF;
  SELECT seq, latest INTO s, l FROM elastik.feed FOR UPDATE;
  -- A new statement: it sees what the publisher before has done.
  WITH x AS (
    SELECT id, s + sum(size) OVER (ORDER BY id) AS last,
      greatest(l COLLATE "C", max(latest) OVER (ORDER BY id)) AS latest
    FROM elastik.batches WHERE first IS NULL),
  u AS (
    UPDATE elastik.batches b SET first = x.last - b.size + 1, latest = x.latest FROM x
    WHERE b.id = x.id RETURNING x.last, x.latest)
  SELECT max(u.last), max(u.latest COLLATE "C") INTO last, newest FROM u;
  IF last IS NULL THEN
    IF p_force THEN PERFORM pg_logical_emit_message(true, 'elastik', ''); END IF;
    RETURN s;
  END IF;
  UPDATE elastik.feed SET seq = last, latest = newest;
  line := ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int;
  UPDATE elastik.machine SET timeline = line WHERE timeline <> line;
  IF FOUND THEN
    INSERT INTO elastik.runs (first, run) VALUES (s + 1, left(gen_random_uuid()::text, 8))
    ON CONFLICT (first) DO UPDATE SET run = excluded.run;
  END IF;
  PERFORM pg_notify('elastik', last::text);
  RETURN last;
END $$`;

/** What followers and queries get of a change, as columns of a table. */
const CHANGE =
  `seq bigint, run text, kind text, name text, also text, world bigint, event bigint, at text,
  type text, payload text, hmac text, by text, version bigint, ext text, state text, len bigint,
  batch bigint`;

/**
 * Returns what was published after a number, oldest first, at most `p_limit` rows. A row without a world
 * is a mark of a collection, with the state 'true' or 'false', a change of the WebDAV locks, or a world
 * that was deleted without an event or an entry of the trash that was deleted for good, with its id as the
 * state. Only deletions and restores have their payload.
 */
const FOLLOW =
  `CREATE FUNCTION elastik.follow_1(p_after bigint, p_limit int) RETURNS TABLE (${CHANGE})
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE low bigint;
BEGIN
  -- The batch of the number itself: a page can end inside of it.
  SELECT b.first INTO low FROM elastik.batches b WHERE b.first <= p_after ORDER BY b.first DESC LIMIT 1;
  RETURN QUERY
  SELECT b.first + coalesce(e.n, 1) - 1,
    (SELECT r.run FROM elastik.runs r WHERE r.first <= b.first ORDER BY r.first DESC LIMIT 1),
    coalesce(b.kind, e.kind), coalesce(b.name, e.name, ''), e.also, e.world, e.id, e.timestamp,
    e.event_type,
    CASE WHEN e.kind = 'delete' OR e.event_type = 'world_restored' THEN e.payload ELSE '' END, e.hmac,
    coalesce(e.by, ''), e.version, e.ext, coalesce(b.state, e.state),
    e.len, b.id
  FROM elastik.batches b LEFT JOIN elastik.events e ON e.batch = b.id
  WHERE b.first >= coalesce(low, 1) AND b.first + coalesce(e.n, 1) - 1 > p_after
    AND (b.kind IS NOT NULL OR e.world IS NOT NULL)
  ORDER BY b.first, e.n LIMIT p_limit;
END $$`;

/**
 * Publishes and follows in one statement. The rows are valid when it has committed: also those of others are
 * replicated then.
 */
const POLL = `CREATE FUNCTION elastik.poll_1(p_after bigint, p_limit int, p_force bool)
RETURNS TABLE (${CHANGE})
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM elastik.publish_1(p_force);
  RETURN QUERY SELECT * FROM elastik.follow_1(p_after, p_limit);
END $$`;

/** Returns the events with some numbers, in their order. Numbers without an event are left out. */
const EVENTS_AT = `CREATE FUNCTION elastik.events_at_1(p_seqs bigint[]) RETURNS TABLE (${CHANGE})
LANGUAGE sql STABLE AS $$
  SELECT x.seq, r.run, e.kind, e.name, e.also, e.world, e.id, e.timestamp, e.event_type, e.payload,
    e.hmac, e.by, e.version, e.ext, e.state, e.len, b.id
  FROM unnest(p_seqs) AS x(seq)
  CROSS JOIN LATERAL (
    SELECT id, first FROM elastik.batches WHERE first <= x.seq ORDER BY first DESC LIMIT 1) b
  JOIN elastik.events e ON e.batch = b.id AND e.n = x.seq - b.first + 1
  LEFT JOIN LATERAL (
    SELECT run FROM elastik.runs WHERE first <= x.seq ORDER BY first DESC LIMIT 1) r ON true
  ORDER BY x.seq
$$`;

/** Returns the number of an event by its batch and its place there; NULL if it is not published. */
const SEQ_OF = `CREATE FUNCTION elastik.seq_of_1(p_batch bigint, p_n int) RETURNS bigint
LANGUAGE sql STABLE AS $$ SELECT first + p_n - 1 FROM elastik.batches WHERE id = p_batch $$`;

/** All events with their numbers, to look at. A query by number must use the functions. */
const CHANGES = `CREATE VIEW elastik.changes AS
  SELECT b.first + e.n - 1 AS seq, e.* FROM elastik.batches b JOIN elastik.events e ON e.batch = b.id
  WHERE b.first IS NOT NULL`;

/** A row of a list has numbers of one range of this length, so that no row is long. */
const ROW_NUMBERS = 500;

/** Returns the keys of the lists of a collection and of those above it: for `home/a` also of `home` and ``. */
const LISTS_OF =
  `CREATE FUNCTION elastik.lists_of_1(p_name text, p_restricted bool) RETURNS SETOF text
LANGUAGE sql IMMUTABLE AS $$
  SELECT (CASE WHEN p_restricted THEN 'r' ELSE 'a' END) || array_to_string(p.parts[1:x.i::int - 1], '/')
  FROM (SELECT string_to_array(p_name, '/') AS parts) p,
    unnest(array_append(p.parts, '')) WITH ORDINALITY AS x (part, i)
$$`;

/**
 * Adds the next published batches to the lists of changes, in their order: at most `p_batches`. A list gets
 * one row for all of them, or one for each range of `ROW_NUMBERS` numbers.
 *
 * Returns whether more follow. A call that finds another one under way waits for it.
 */
const INDEX = `CREATE FUNCTION elastik.index_1(p_batches int) RETURNS bool
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE low bigint; newest bigint; upto bigint;
BEGIN
  SELECT seq INTO newest FROM elastik.feed;
  SELECT seq INTO low FROM elastik.indexed;
  IF low >= newest THEN RETURN false; END IF;
  SELECT seq INTO low FROM elastik.indexed FOR UPDATE;
  SELECT max(x.last) INTO upto FROM (
    SELECT first + size - 1 AS last FROM elastik.batches WHERE first > low ORDER BY first LIMIT p_batches) x;
  IF upto IS NULL THEN RETURN false; END IF;
  -- OFFSET 0: the events of each batch come from their index, whatever the statistics are.
  WITH e AS MATERIALIZED (
    SELECT b.first + e.n - 1 AS seq, e.name, e.also, e.restricted, e.also_restricted
    FROM elastik.batches b CROSS JOIN LATERAL (
      SELECT n, name, also, restricted, also_restricted FROM elastik.events
      WHERE batch = b.id OFFSET 0) e
    WHERE b.first > low AND b.first <= upto),
  named AS MATERIALIZED (
    SELECT x.seq, 'e' || x.name AS own, x.restricted, x.is_move,
      left(x.name, -strpos(reverse(x.name), '/')) AS collection
    FROM (
      SELECT e.seq, e.name, e.restricted, e.also IS NOT NULL AS is_move FROM e
      UNION ALL SELECT e.seq, e.also, e.also_restricted, true FROM e WHERE e.also IS NOT NULL) x),
  -- The lists of each collection once: many changes are in few of them.
  collections AS MATERIALIZED (
    SELECT c.collection, c.restricted, l.key COLLATE "C" AS key
    FROM (SELECT DISTINCT collection, restricted FROM named) c
    CROSS JOIN LATERAL elastik.lists_of_1(c.collection, c.restricted) AS l (key)),
  keys AS MATERIALIZED (
    SELECT x.key, (SELECT p.id FROM elastik.paths p WHERE p.key = x.key) AS id
    FROM (SELECT own AS key FROM named UNION SELECT key FROM collections) x),
  added AS (
    INSERT INTO elastik.paths (key) SELECT key FROM keys WHERE id IS NULL ORDER BY key
    RETURNING id, key),
  lists AS MATERIALIZED (
    SELECT key, id FROM keys WHERE id IS NOT NULL UNION ALL SELECT key, id FROM added),
  above AS MATERIALIZED (
    SELECT c.collection, c.restricted, lists.id FROM collections c
    JOIN lists ON lists.key = c.key),
  listed AS MATERIALIZED (
    SELECT lists.id, n.seq, n.is_move FROM named n JOIN lists ON lists.key = n.own
    UNION ALL SELECT a.id, n.seq, n.is_move FROM named n
    JOIN above a ON a.collection = n.collection AND a.restricted = n.restricted)
  INSERT INTO elastik.below (path, first, places)
  SELECT y.id, min(y.seq),
    CASE WHEN count(*) > 1 THEN array_agg((y.seq % ${ROW_NUMBERS})::int2) END
  FROM (
    SELECT x.id, x.seq / ${ROW_NUMBERS} AS part, x.seq FROM (
      SELECT id, seq FROM listed WHERE NOT is_move
      -- Both names of a move can be in one list.
      UNION ALL SELECT DISTINCT id, seq FROM listed WHERE is_move) x ORDER BY 1, 2, 3) y
  GROUP BY y.id, y.part ORDER BY y.id, y.part;
  UPDATE elastik.indexed SET seq = upto;
  RETURN upto < newest;
END $$`;

/** The numbers in a row `l` of a list. */
const NUMBERS = `SELECT l.first - l.first % ${ROW_NUMBERS} + place AS seq
      FROM unnest(coalesce(l.places, ARRAY[(l.first % ${ROW_NUMBERS})::int2])) AS place`;

/**
 * Returns the next numbers of a list after a number, or with `p_newest` those before it, the newest first: at
 * most `p_limit`. The number can be in the middle of a row.
 *
 * The settings make the server sort row by row and stop at the limit. It expects a list of the usual length
 * and could sort a long one as a whole for each page.
 */
const LISTED =
  `CREATE FUNCTION elastik.listed_1(p_path bigint, p_at bigint, p_newest bool, p_limit int)
RETURNS SETOF bigint LANGUAGE plpgsql STABLE
SET enable_sort = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE low bigint;
BEGIN
  IF p_newest THEN
    RETURN QUERY SELECT s.seq FROM elastik.below l CROSS JOIN LATERAL (${NUMBERS}) s
    WHERE l.path = p_path AND l.first < p_at AND s.seq < p_at
    ORDER BY l.first DESC, s.seq DESC LIMIT p_limit;
    RETURN;
  END IF;
  SELECT first INTO low FROM elastik.below WHERE path = p_path AND first <= p_at ORDER BY first DESC LIMIT 1;
  RETURN QUERY SELECT s.seq FROM elastik.below l CROSS JOIN LATERAL (${NUMBERS}) s
  WHERE l.path = p_path AND l.first >= coalesce(low, 0) AND s.seq > p_at
  ORDER BY l.first, s.seq LIMIT p_limit;
END $$`;

/** The functions of the order of changes. */
export const PUBLISH_SQL: readonly string[] = [
  PUBLISH,
  FOLLOW,
  POLL,
  EVENTS_AT,
  SEQ_OF,
  CHANGES,
  LISTS_OF,
  INDEX,
  LISTED,
];
