/**
 * The part of the schema that belongs to the reading side: final deletions of worlds in the trash, and
 * the tables of the search.
 *
 * The search has two equal sets of tables, `open` and `restricted`, so that a search of callers below T3
 * never touches the texts of worlds that only T3 can read.
 */

/** Advisory lock of the node that deletes worlds whose time in the trash is over. */
export const EXPIRY_LOCK = 7025;

/** The columns of a deleted world, as columns of a table. */
const DELETED = `restricted bool, trash text, trashed_name text, version bigint, trashed_at text,
  trashed_by text, ext text, bytes bigint`;

/**
 * Deletes the worlds of an entry in the trash for good, and returns them: rows, bytes, earlier versions and
 * chains. The ledger keeps the names with their versions.
 *
 * p_batch: identity of the call, by which its node finds out whether it has deleted them if no answer came.
 *
 * Followers can be behind by some seconds. An event of the last hour keeps its place and what followers
 * need to know, without its content: its type is then ''. `expunge_rest_1` deletes it later.
 */
const EXPUNGE = `CREATE FUNCTION elastik.expunge_1(p_trash text, p_authority bigint, p_batch text)
RETURNS TABLE (${DELETED}) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE ids bigint[]; freed bigint[];
BEGIN
  PERFORM elastik.assert_judged_1(NULL, p_authority);
  -- A world that is restored at this moment is left out when its lock is free.
  ids := ARRAY(SELECT w.id FROM elastik.worlds w WHERE w.trash = p_trash ORDER BY w.id FOR UPDATE);
  IF ids = '{}' THEN RETURN; END IF;
  RETURN QUERY SELECT w.restricted, w.trash, w.trashed_name, w.version, w.trashed_at, w.trashed_by, w.ext,
    w.len + w.kept_bytes + w.event_id * 512 FROM elastik.worlds w WHERE w.id = ANY (ids) ORDER BY w.trashed_name;
  freed := ARRAY(
    SELECT w.content FROM elastik.worlds w WHERE w.id = ANY (ids) AND w.content IS NOT NULL
    UNION SELECT v.content FROM elastik.versions v WHERE v.world = ANY (ids) AND v.content IS NOT NULL);
  DELETE FROM elastik.versions v WHERE v.world = ANY (ids);
  DELETE FROM elastik.content c WHERE c.id = ANY (freed);
  DELETE FROM elastik.uploads u WHERE u.id = ANY (freed);
  DELETE FROM elastik.events e USING elastik.batches b
  WHERE e.world = ANY (ids) AND b.id = e.batch AND b.at < clock_timestamp() - interval '1 hour';
  UPDATE elastik.events e SET event_type = '', payload = '{}', hmac = '', prev_hmac = '', key = NULL
  WHERE e.world = ANY (ids);
  DELETE FROM elastik.worlds w WHERE w.id = ANY (ids);
  -- The nodes count what is in the trash.
  INSERT INTO elastik.batches (batch, size, kind, name, state) VALUES (p_batch, 1, 'expunged', '', p_trash);
END $$`;

/** Deletes what `expunge_1` has kept of events, after an hour. */
const EXPUNGE_REST = `CREATE FUNCTION elastik.expunge_rest_1() RETURNS void LANGUAGE sql AS $$
  DELETE FROM elastik.events e USING elastik.batches b
  WHERE e.event_type = '' AND b.id = e.batch AND b.at < clock_timestamp() - interval '1 hour'
$$`;

/**
 * Deletes worlds for good that were deleted before a time, and returns them: at most `p_limit` entries of
 * the trash, the oldest first. The clock of the database must agree with that of the node: all are also
 * older than `p_keep` seconds by it. Returns nothing while another node does the same.
 */
const EXPIRE = `CREATE FUNCTION elastik.expire_1(p_before text, p_keep float8, p_limit int)
RETURNS TABLE (${DELETED}) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE id text; before text;
BEGIN
  IF NOT pg_try_advisory_xact_lock(${EXPIRY_LOCK}) THEN RETURN; END IF;
  before := least(p_before COLLATE "C", to_char(
    (clock_timestamp() - make_interval(secs => p_keep)) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'));
  FOR id IN
    SELECT w.trash FROM elastik.worlds w WHERE w.trash IS NOT NULL
    GROUP BY w.trash HAVING max(w.trashed_at) < before ORDER BY max(w.trashed_at) LIMIT p_limit
  LOOP
    RETURN QUERY SELECT * FROM elastik.expunge_1(id, NULL, NULL);
  END LOOP;
END $$`;

/** Creates one of the two sets of tables. */
function createSet(set: "open" | "restricted"): string[] {
  const worlds = `elastik.search_${set}_worlds`;
  const pieces = `elastik.search_${set}_pieces`;
  return [
    // One row for each world. stamp: the version and the form that are indexed. form: for all callers (0),
    // for callers below T3 (1), for T3 (2). chars: NULL if the content is not text.
    `CREATE TABLE ${worlds} (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      name text COLLATE "C" NOT NULL UNIQUE,
      stamp text NOT NULL,
      version bigint NOT NULL,
      form int NOT NULL,
      chars bigint,
      too_long bool NOT NULL
    )`,
    `CREATE INDEX search_${set}_too_long ON ${worlds} (name) WHERE too_long`,
    // The parts of its text. folded: what is searched, without U+0000. text: the bytes of the part.
    `CREATE TABLE ${pieces} (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      world bigint NOT NULL,
      line int NOT NULL,
      col int NOT NULL,
      text bytea NOT NULL,
      folded text COLLATE "C" NOT NULL
    )`,
    `CREATE INDEX search_${set}_pieces_of ON ${pieces} (world, id)`,
  ];
}

/**
 * Creates the trigram indexes, if the server has the extension and the role may create it. Without them
 * searches read all texts that they cover.
 */
const TRIGRAMS = `DO $$
DECLARE operators text;
BEGIN
  BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA elastik;
  EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN RETURN;
  END;
  SELECT n.nspname INTO operators FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace
  WHERE o.opcname = 'gin_trgm_ops';
  IF operators IS NULL THEN RETURN; END IF;
  EXECUTE format('CREATE INDEX search_open_grams ON elastik.search_open_pieces
    USING gin (folded %I.gin_trgm_ops)', operators);
  EXECUTE format('CREATE INDEX search_restricted_grams ON elastik.search_restricted_pieces
    USING gin (folded %I.gin_trgm_ops)', operators);
END $$`;

/** The statements of this part, after those of the tables of worlds. */
export const QUERY_SCHEMA: readonly string[] = [
  `CREATE INDEX events_expunged ON elastik.events (batch) WHERE event_type = ''`,
  EXPUNGE,
  EXPUNGE_REST,
  EXPIRE,
  ...createSet("open"),
  ...createSet("restricted"),
  // How far the search has followed the changes: up to seq; of the changes up to upto, the names up to
  // done. unicode: the version with which the texts are folded.
  `CREATE TABLE elastik.search_state (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL,
    upto bigint NOT NULL,
    done text COLLATE "C" NOT NULL,
    unicode text NOT NULL
  )`,
  `INSERT INTO elastik.search_state (seq, upto, done, unicode) VALUES (0, 0, '', '')`,
  TRIGRAMS,
];
