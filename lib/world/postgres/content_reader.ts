/**
 * Reads the bytes of versions: from the row itself, or the first `len` bytes of the chunks of a content.
 * The bytes of a content never change except that it grows; its chunks can become longer ones at any time.
 * It disappears with the last version that needs it.
 */

import { LONG_QUERY_MS } from "../../cluster_limits.ts";
import { StoreError } from "../store.ts";
import { columnBytes, type QueryRow, type QuerySession } from "./query_sessions.ts";

/** Chunks that are read at a time: at most 4 MiB. */
const CHUNKS_PER_QUERY = 16;

/** The first chunk is the one that has the byte at `$2`. */
const CHUNKS = `SELECT at, bytes FROM elastik.content
  WHERE id = $1 AND at < $3
    AND at >= coalesce((SELECT max(at) FROM elastik.content WHERE id = $1 AND at <= $2), $2)
  ORDER BY at LIMIT ${CHUNKS_PER_QUERY}`;

/**
 * Reads the bytes of a version.
 *
 * @param row with the columns `len`, `content` and `body`
 * @returns undefined if its content is not complete: the version was dropped since the row was read
 */
export async function readStoredBody(
  session: QuerySession,
  row: QueryRow,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const length = Number(row.len);
  if (row.content === null || row.content === undefined) {
    return columnBytes(row.body).slice(0, length);
  }
  const body = new Uint8Array(length);
  let filled = 0;
  for await (const bytes of readChunks(session, Number(row.content), length)) {
    body.set(bytes, filled);
    filled += bytes.length;
  }
  return filled === length ? body : undefined;
}

/**
 * Reads the first bytes of a content, chunk by chunk; fewer if it is not complete.
 *
 * @param length number of bytes
 * @param deadlineMs of each statement
 */
export async function* readChunks(
  session: QuerySession,
  content: number,
  length: number,
  deadlineMs = LONG_QUERY_MS,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  for (let next = 0; next < length;) {
    const rows = await session.query(CHUNKS, [content, next, length], deadlineMs);
    for (const { at, bytes } of rows) {
      const stored = columnBytes(bytes);
      const from = next - Number(at);
      if (from < 0 || from >= stored.length) return;
      const chunk = stored.subarray(from, from + length - next);
      next += chunk.length;
      yield chunk;
    }
    if (rows.length < CHUNKS_PER_QUERY) return;
  }
}

/** Reports that bytes which must exist are not there. */
export function bytesMissing(name: string): StoreError {
  return new StoreError("damaged", "Cannot read the world: a part of its bytes is missing", name);
}
