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

/** Returns the keys of the lists of the collections above a name: `home/a/b` has those of `home/a`, `home`, ``. */
const LISTS_OF =
  `CREATE FUNCTION elastik.lists_of_1(p_name text, p_restricted bool) RETURNS SETOF text
LANGUAGE sql IMMUTABLE AS $$
  SELECT (CASE WHEN p_restricted THEN 'r' ELSE 'a' END) || array_to_string((p.parts)[1:i], '/')
  FROM (SELECT string_to_array(p_name, '/') AS parts) p,
    generate_series(0, cardinality(p.parts) - 1) AS i
$$`;

/**
 * Adds the next published batches to the lists of changes, in their order: at most `p_batches`.
 *
 * Returns whether more follow. A call that finds another one under way waits for it.
 */
const INDEX = `CREATE FUNCTION elastik.index_1(p_batches int) RETURNS bool LANGUAGE plpgsql AS $$
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
  WITH e AS MATERIALIZED (
    SELECT b.first + e.n - 1 AS seq, e.name, e.also, e.restricted, e.also_restricted
    FROM elastik.batches b JOIN elastik.events e ON e.batch = b.id
    WHERE b.first > low AND b.first <= upto),
  -- The lists of each name once: many changes are of few names.
  n AS MATERIALIZED (
    SELECT e.name, e.restricted FROM e
    UNION SELECT e.also, e.also_restricted FROM e WHERE e.also IS NOT NULL),
  k AS MATERIALIZED (
    SELECT x.*, (SELECT p.id FROM elastik.paths p WHERE p.key = x.key) AS id FROM (
      SELECT n.name, n.restricted, ('e' || n.name) COLLATE "C" AS key FROM n
      UNION ALL SELECT n.name, n.restricted, l.key COLLATE "C"
      FROM n CROSS JOIN LATERAL elastik.lists_of_1(n.name, n.restricted) AS l (key)) x),
  p AS (
    INSERT INTO elastik.paths (key) SELECT DISTINCT k.key FROM k WHERE k.id IS NULL
    RETURNING id, key),
  known AS (
    SELECT k.name, k.restricted, k.id FROM k WHERE k.id IS NOT NULL
    UNION ALL SELECT k.name, k.restricted, p.id FROM k JOIN p ON p.key = k.key WHERE k.id IS NULL)
  INSERT INTO elastik.below (path, seq)
  SELECT x.id, x.seq FROM (
    SELECT known.id, e.seq FROM e
    JOIN known ON known.name = e.name AND known.restricted = e.restricted
    UNION SELECT known.id, e.seq FROM e
    JOIN known ON known.name = e.also AND known.restricted = e.also_restricted) x
  ORDER BY x.id, x.seq;
  UPDATE elastik.indexed SET seq = upto;
  RETURN upto < newest;
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
];
