/**
 * Tables and functions with which nodes agree: leases of names, keys that are used once, and routes of
 * plugins. All times are those of the clock of the database.
 */

const TABLES: readonly string[] = [
  // A name that one node has until a time. An expired row is free.
  `CREATE TABLE elastik.leases (
    name text COLLATE "C" PRIMARY KEY,
    holder text NOT NULL,
    until timestamptz NOT NULL
  )`,
  // A key that was used. caller: the call that did, so that it can be repeated after an unknown outcome.
  `CREATE TABLE elastik.once (
    key text COLLATE "C" PRIMARY KEY,
    caller text NOT NULL,
    until timestamptz NOT NULL
  )`,
  `CREATE INDEX once_until ON elastik.once (until)`,
];

/**
 * Renews the leases of a holder, and takes those that are free. Returns the names that it has then.
 * Names in order: two nodes never wait for each other.
 */
const LEASE = `CREATE FUNCTION elastik.lease_1(p_holder text, p_names text[], p_seconds float8)
RETURNS TABLE (leased text) LANGUAGE sql AS $$
  INSERT INTO elastik.leases AS l (name, holder, until)
  SELECT x.name, p_holder, clock_timestamp() + make_interval(secs => p_seconds)
  FROM (SELECT DISTINCT n COLLATE "C" AS name FROM unnest(p_names) AS u(n) ORDER BY 1) AS x
  ON CONFLICT (name) DO UPDATE SET holder = excluded.holder,
    until = clock_timestamp() + make_interval(secs => p_seconds)
  WHERE l.holder = excluded.holder OR l.until <= clock_timestamp()
  RETURNING l.name
$$`;

/** Ends leases of a holder; without names all of them. */
const RELEASE = `CREATE FUNCTION elastik.release_1(p_holder text, p_names text[]) RETURNS void
LANGUAGE sql AS $$
  DELETE FROM elastik.leases WHERE holder = p_holder AND (p_names IS NULL OR name = ANY (p_names))
$$`;

/** Returns whether a call is the first one with a key. The same call gets the same answer again. */
const ONCE =
  `CREATE FUNCTION elastik.once_1(p_key text, p_caller text, p_seconds float8) RETURNS bool
LANGUAGE sql AS $$
  WITH i AS (
    INSERT INTO elastik.once AS o (key, caller, until)
    VALUES (p_key, p_caller, clock_timestamp() + make_interval(secs => p_seconds))
    ON CONFLICT (key) DO UPDATE SET caller = excluded.caller, until = excluded.until
    WHERE o.caller = excluded.caller OR o.until <= clock_timestamp()
    RETURNING 1)
  SELECT EXISTS (SELECT FROM i)
$$`;

/**
 * Returns a plugin other than `p_plugin` that has a route which overlaps one of the paths, or NULL. Locks
 * the routes until the end of the transaction.
 */
const OTHER_PLUGIN =
  `CREATE FUNCTION elastik.route_owner_1(p_plugin text, p_paths text[]) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(7023);
  RETURN (SELECT r.plugin FROM elastik.routes r JOIN unnest(p_paths) AS x(path)
    ON r.path = x.path OR starts_with(r.path, x.path || '/') OR starts_with(x.path, r.path || '/')
    WHERE r.plugin <> p_plugin ORDER BY r.plugin LIMIT 1);
END $$`;

/**
 * Takes the routes of an active plugin, or returns the plugin that has one which overlaps one of them. The
 * lock of the world's row comes first, as in apply_1: a plugin that is disabled at the same time takes none.
 */
const CLAIM_ROUTES = `CREATE FUNCTION elastik.claim_routes_1(p_plugin text, p_paths text[])
RETURNS text LANGUAGE plpgsql AS $$
DECLARE other text;
BEGIN
  PERFORM FROM elastik.worlds w WHERE w.name = p_plugin AND w.state = 'active' FOR SHARE;
  IF NOT FOUND THEN RETURN NULL; END IF;
  other := elastik.route_owner_1(p_plugin, p_paths);
  IF other IS NOT NULL THEN RETURN other; END IF;
  DELETE FROM elastik.routes WHERE plugin = p_plugin AND path <> ALL (p_paths);
  INSERT INTO elastik.routes (path, plugin) SELECT x.path, p_plugin FROM unnest(p_paths) AS x(path)
  ON CONFLICT (path) DO NOTHING;
  RETURN NULL;
END $$`;

/** Deletes what is over, for upkeep. */
const FORGET = `CREATE FUNCTION elastik.forget_coordination_1() RETURNS void LANGUAGE sql AS $$
  DELETE FROM elastik.once WHERE until <= clock_timestamp();
  DELETE FROM elastik.leases WHERE until <= clock_timestamp() - interval '1 minute'
$$`;

/** The statements of this part, after those of the table of routes. */
export const COORDINATION_SQL: readonly string[] = [
  ...TABLES,
  LEASE,
  RELEASE,
  ONCE,
  OTHER_PLUGIN,
  CLAIM_ROUTES,
  FORGET,
];
