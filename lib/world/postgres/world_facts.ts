/**
 * What identifies the stored state of a world, so that a result that was computed from it can be kept:
 * its row and the rows of its chain, with the transactions that wrote them. A change that was made by
 * hand in the database changes it, too.
 */

import { LONG_QUERY_MS } from "../../cluster_limits.ts";
import type { FileState } from "../file/file_state.ts";
import type { QuerySession } from "./query_sessions.ts";

const STATE = `SELECT concat_ws(' ', w.id, w.xmin, w.ctid, e.count, e.newest, e.total) AS state
  FROM elastik.worlds w LEFT JOIN LATERAL (
    SELECT count(*) AS count, max(xmin::text::bigint) AS newest,
      sum(hashtext(xmin::text || ' ' || ctid::text)::bigint) AS total
    FROM elastik.events WHERE world = w.id) e ON true
  WHERE w.name = $1`;

/**
 * Reads the state of a world.
 *
 * @returns a text that is different for each state; empty if no world has the name
 */
export async function readWorldState(session: QuerySession, name: string): Promise<FileState> {
  const [row] = await session.query(STATE, [name], LONG_QUERY_MS);
  return { text: String(row?.state ?? ""), isSettled: true };
}
