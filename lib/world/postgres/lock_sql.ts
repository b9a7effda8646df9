/**
 * The SQL functions of marked collections, WebDAV locks and the upkeep, which every node calls now and
 * then and one at a time does. A change of the locks takes the advisory lock
 * 7021 exclusively, so it waits for every batch under way, and raises the guard: a batch that was judged before
 * is refused and judged again. So no batch writes through a lock that was granted before it.
 *
 * Times of locks are by the clock of the database. A node gets the seconds that are left.
 */

/**
 * Refuses a change that was judged by older WebDAV locks (EL001) or accounts (EL004) than the database has.
 * NULL is not compared. Until the end of the transaction neither changes; the caller has 7021 exclusively if
 * it changes the locks itself.
 */
const ASSERT_JUDGED =
  `CREATE FUNCTION elastik.assert_judged_1(p_guard bigint, p_authority bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE g bigint; a bigint;
BEGIN
  PERFORM pg_advisory_xact_lock_shared(7021);
  SELECT version, authority INTO STRICT g, a FROM elastik.guard;
  IF g > p_guard THEN RAISE EXCEPTION 'the guard is at %', g USING ERRCODE = 'EL001'; END IF;
  IF a > p_authority THEN RAISE EXCEPTION 'the authority is at %', a USING ERRCODE = 'EL004'; END IF;
END $$`;

/** Marks or unmarks a collection. Idempotent; returns whether it changed something. */
const MARK =
  `CREATE FUNCTION elastik.mark_1(p_name text, p_present bool, p_guard bigint, p_authority bigint)
RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
  PERFORM elastik.assert_judged_1(p_guard, p_authority);
  IF p_present THEN INSERT INTO elastik.marks (name) VALUES (p_name) ON CONFLICT DO NOTHING;
  ELSE DELETE FROM elastik.marks WHERE name = p_name; END IF;
  IF NOT FOUND THEN RETURN false; END IF;
  INSERT INTO elastik.batches (size, kind, name, state) VALUES (1, 'mark', p_name, p_present::text);
  RETURN true;
END $$`;

/** Raises the guard for locks that changed or ended, and tells the followers. */
const RAISE_GUARD =
  `CREATE FUNCTION elastik.raise_guard_1(p_path text, p_ended text[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE v bigint;
BEGIN
  UPDATE elastik.guard SET version = version + 1 RETURNING version INTO v;
  IF p_ended <> '{}' THEN
    INSERT INTO elastik.dav_ended (token, changed) SELECT x.token, v FROM unnest(p_ended) AS x(token)
    ON CONFLICT DO NOTHING;
  END IF;
  INSERT INTO elastik.batches (size, kind, name) VALUES (1, 'locks', p_path);
  RETURN v;
END $$`;

/** Returns a path and those above it: `/a/b` has `/a/b`, `/a` and `/`. */
const PATHS_OF = `CREATE FUNCTION elastik.paths_of_1(p_path text) RETURNS text[]
LANGUAGE sql IMMUTABLE AS $$
  SELECT array_agg(x.path) || '{/}' FROM (
    SELECT array_to_string((p.parts)[1:i], '/') AS path
    FROM (SELECT string_to_array(p_path, '/') AS parts) p, generate_series(2, cardinality(p.parts)) AS i) x
$$`;

/** Whether a path is another one or below it. */
const IS_WITHIN = `CREATE FUNCTION elastik.is_within_1(p_path text, p_root text) RETURNS bool
LANGUAGE sql IMMUTABLE AS $$
  SELECT p_path = p_root OR p_root = '/' OR starts_with(p_path, p_root || '/')
$$`;

/**
 * Grants a lock. `outcome` is 'granted', with the new guard; 'conflict', with the token of a lock that
 * is not compatible; 'credential' if the credential has too many locks; 'server' if the server or the
 * resource has.
 *
 * Locks with tokens in `p_replaced` that are not compatible end instead. A call that is repeated because
 * its answer was lost finds its own lock, whose time starts again: its holder learns of it only now. If the
 * lock has ended since, it is granted and has ended.
 */
const GRANT = `CREATE FUNCTION elastik.dav_grant_1(
  p_token text, p_path text, p_depth text, p_exclusive bool, p_owner text, p_holder text,
  p_credential text, p_seconds int, p_max_credential int, p_max int, p_max_shared int, p_replaced text[],
  p_authority bigint
) RETURNS TABLE (outcome text, guard bigint, conflict text)
LANGUAGE plpgsql AS $$
DECLARE against text[]; above text[] := elastik.paths_of_1(p_path);
BEGIN
  PERFORM pg_advisory_xact_lock(7021);
  PERFORM elastik.assert_judged_1(NULL, p_authority);
  IF EXISTS (SELECT 1 FROM elastik.dav_ended e WHERE e.token = p_token) THEN
    outcome := 'granted'; RETURN NEXT; RETURN;
  END IF;
  guard := elastik.restart_lock_1(p_token, p_seconds, true);
  IF guard IS NOT NULL THEN outcome := 'granted'; RETURN NEXT; RETURN; END IF;
  DELETE FROM elastik.dav_locks l WHERE l.expires <= clock_timestamp();
  against := ARRAY(
    SELECT l.token FROM elastik.dav_locks l
    WHERE (l.exclusive OR p_exclusive) AND l.path = ANY (above)
      AND (l.path = p_path OR l.depth = 'infinity')
    UNION ALL SELECT l.token FROM elastik.dav_locks l
    WHERE (l.exclusive OR p_exclusive) AND p_depth = 'infinity' AND l.path <> p_path
      AND l.path >= rtrim(p_path, '/') || '/' AND l.path < rtrim(p_path, '/') || '0');
  SELECT x.token INTO conflict FROM unnest(against) AS x(token) WHERE x.token <> ALL (p_replaced) LIMIT 1;
  IF conflict IS NOT NULL THEN outcome := 'conflict'; RETURN NEXT; RETURN; END IF;
  DELETE FROM elastik.dav_locks l WHERE l.token = ANY (against);
  IF (SELECT count(*) FROM elastik.dav_locks l WHERE l.credential = p_credential) >= p_max_credential THEN
    outcome := 'credential';
  ELSIF (SELECT count(*) FROM elastik.dav_locks) >= p_max
    OR (SELECT count(*) FROM elastik.dav_locks l WHERE l.path = p_path) >= p_max_shared THEN
    outcome := 'server';
  ELSE
    INSERT INTO elastik.dav_locks
      (token, path, depth, exclusive, owner, holder, credential, seconds, expires, changed)
    SELECT p_token, p_path, p_depth, p_exclusive, p_owner, p_holder, p_credential, p_seconds,
      clock_timestamp() + make_interval(secs => p_seconds), g.version + 1 FROM elastik.guard g;
    outcome := 'granted';
  END IF;
  IF outcome = 'granted' OR against <> '{}' THEN
    guard := elastik.raise_guard_1(p_path, against);
  END IF;
  RETURN NEXT;
END $$`;

/**
 * Restarts the time of a lock, under 7021; returns the new guard, or NULL if there is none. `p_ended`: also of
 * one whose time is over, which is there as long as no other lock was granted.
 */
const RESTART =
  `CREATE FUNCTION elastik.restart_lock_1(p_token text, p_seconds int, p_ended bool) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE p text;
BEGIN
  UPDATE elastik.dav_locks
  SET seconds = p_seconds, expires = clock_timestamp() + make_interval(secs => p_seconds),
    changed = (SELECT version + 1 FROM elastik.guard)
  WHERE token = p_token AND (p_ended OR expires > clock_timestamp()) RETURNING path INTO p;
  IF p IS NULL THEN RETURN NULL; END IF;
  RETURN elastik.raise_guard_1(p, '{}');
END $$`;

/** Restarts the time of a lock for its holder; returns the new guard, or NULL if it has ended. */
const REFRESH =
  `CREATE FUNCTION elastik.dav_refresh_1(p_token text, p_seconds int, p_authority bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(7021);
  PERFORM elastik.assert_judged_1(NULL, p_authority);
  RETURN elastik.restart_lock_1(p_token, p_seconds, false);
END $$`;

/** Ends locks by their tokens; returns the new guard, or NULL if there was none. */
const RELEASE = `CREATE FUNCTION elastik.dav_release_1(p_tokens text[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE p text; ended text[];
BEGIN
  PERFORM pg_advisory_xact_lock(7021);
  WITH d AS (DELETE FROM elastik.dav_locks WHERE token = ANY (p_tokens) RETURNING path, token)
  SELECT min(d.path), array_agg(d.token) INTO p, ended FROM d;
  IF p IS NULL THEN RETURN NULL; END IF;
  RETURN elastik.raise_guard_1(p, ended);
END $$`;

/**
 * Ends locks whose tokens no client got, also those whose grants are still under way: a token that has ended is
 * never granted.
 */
const WITHDRAW = `CREATE FUNCTION elastik.dav_withdraw_1(p_tokens text[]) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(7021);
  DELETE FROM elastik.dav_locks WHERE token = ANY (p_tokens);
  RETURN elastik.raise_guard_1('', p_tokens);
END $$`;

/**
 * Reads what has changed of the locks since a number of the guard, as it is at one moment: each lock with
 * the seconds that are left, and the tokens of those that ended, without a path. 0 reads all locks. Without any
 * it is one row that has only the guard. If the floor is above the number, ended locks are missing.
 */
export const LIST_LOCKS = `SELECT g.version AS guard, g.floor, x.* FROM elastik.guard g LEFT JOIN (
  SELECT l.token, l.path, l.depth, l.exclusive, l.owner, l.holder, l.credential, l.seconds,
    extract(epoch FROM l.expires - clock_timestamp())::float8 AS seconds_left
  FROM elastik.dav_locks l WHERE l.changed > $1::bigint AND l.expires > clock_timestamp()
  UNION ALL SELECT e.token, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
  FROM elastik.dav_ended e WHERE e.changed > $1 AND $1 > 0) x ON true
  ORDER BY x.path, x.token`;

/**
 * Deletes content that no version has had for some time, heartbeats of nodes that ended, and WebDAV locks
 * whose time is over.
 *
 * Returns the number of content ids that were deleted: at most `p_limit`, so that a call is short. 0 if
 * another node is at work.
 */
const UPKEEP =
  `CREATE FUNCTION elastik.upkeep_1(p_content_seconds int, p_node_seconds int, p_limit int)
RETURNS int LANGUAGE plpgsql AS $$
DECLARE old bigint[]; upto bigint;
BEGIN
  IF NOT pg_try_advisory_xact_lock(7022) THEN RETURN 0; END IF;
  WITH d AS (
    DELETE FROM elastik.uploads WHERE id IN (
      SELECT id FROM elastik.uploads
      WHERE at < clock_timestamp() - make_interval(secs => p_content_seconds)
      ORDER BY at LIMIT p_limit FOR UPDATE SKIP LOCKED)
    RETURNING id)
  SELECT coalesce(array_agg(d.id), '{}') INTO old FROM d;
  DELETE FROM elastik.content WHERE id = ANY (old);
  DELETE FROM elastik.nodes WHERE seen_at < clock_timestamp() - make_interval(secs => p_node_seconds);
  DELETE FROM elastik.dav_locks WHERE expires <= clock_timestamp();
  WITH d AS (
    DELETE FROM elastik.dav_ended WHERE at < clock_timestamp() - make_interval(secs => p_node_seconds)
    RETURNING changed)
  SELECT max(d.changed) INTO upto FROM d;
  PERFORM elastik.forget_coordination_1();
  -- Last: a transaction that has this row waits for no other one.
  IF upto IS NOT NULL THEN UPDATE elastik.guard SET floor = greatest(floor, upto); END IF;
  RETURN cardinality(old);
END $$`;

/** The functions of marks, locks and upkeep. */
export const LOCK_SQL: readonly string[] = [
  ASSERT_JUDGED,
  MARK,
  RAISE_GUARD,
  PATHS_OF,
  IS_WITHIN,
  RESTART,
  GRANT,
  REFRESH,
  RELEASE,
  WITHDRAW,
  UPKEEP,
];
