/**
 * Gives imported events their places in the order of all changes: by their times, each chain in its
 * order, as a change index that is created again orders them. Until then they are in no batch.
 */

import { type QuerySession, transact } from "./query_sessions.ts";

/** Events in one batch. */
const EVENTS_PER_BATCH = 10_000;
/** The server and the session wait this long for one statement, in milliseconds. */
const STATEMENT_MS = 3_600_000;

const ORDER = `CREATE TEMPORARY TABLE imported ON COMMIT DROP AS
  SELECT world, id, row_number() OVER (ORDER BY latest, chain, world, id) - 1 AS place, timestamp
  FROM (
    SELECT world, id, timestamp, max(timestamp) OVER chain AS latest,
      first_value(hmac || ' ' || name) OVER chain COLLATE "C" AS chain
    FROM elastik.events WHERE batch IS NULL
    WINDOW chain AS (PARTITION BY world ORDER BY id)) e`;
const NEW_BATCHES = `INSERT INTO elastik.batches (size, latest)
  SELECT count(*), max(timestamp) FROM imported
  GROUP BY place / ${EVENTS_PER_BATCH} ORDER BY place / ${EVENTS_PER_BATCH} RETURNING id`;
const ANALYZE = `ANALYZE imported`;
const PLACE = `UPDATE elastik.events e
  SET batch = ($1::bigint[])[x.place / ${EVENTS_PER_BATCH} + 1], n = x.place % ${EVENTS_PER_BATCH} + 1
  FROM imported x WHERE e.world = x.world AND e.id = x.id`;
const STATISTICS = [
  "worlds",
  "versions",
  "content",
  "events",
  "batches",
  "names",
].map((table) => `ANALYZE elastik.${table}`);
const PUBLISH = `SELECT elastik.publish_1(false) AS seq`;
const INDEX = `SELECT elastik.index_1(1) AS more`;

/**
 * Publishes all events that are in no batch.
 *
 * @returns their number
 */
export async function publishImported(session: QuerySession): Promise<number> {
  const events = await transact(session, STATEMENT_MS, async () => {
    await session.query(ORDER, [], STATEMENT_MS);
    await session.query(ANALYZE, [], STATEMENT_MS);
    const batches = await session.query(NEW_BATCHES, [], STATEMENT_MS);
    if (batches.length === 0) return 0;
    // The ids of one statement rise in its order.
    const ids = batches.map(({ id }) => Number(id)).sort((a, b) => a - b);
    await session.query(PLACE, [ids], STATEMENT_MS);
    const [count] = await session.query("SELECT count(*) AS count FROM imported", [], STATEMENT_MS);
    return Number(count?.count);
  });
  await session.query(PUBLISH, [], STATEMENT_MS);
  for (let more = true; more;) {
    const [row] = await session.query(INDEX, [], STATEMENT_MS);
    more = row?.more === true;
  }
  // The first queries must not wait for the server to collect them.
  if (events > 0) {
    for (const statement of STATISTICS) await session.query(statement, [], STATEMENT_MS);
  }
  return events;
}
