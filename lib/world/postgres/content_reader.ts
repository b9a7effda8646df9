/**
 * Reads the bytes of versions: from the row itself, or the first `len` bytes of the chunks of a content.
 * The bytes of a content never change except that it grows; its chunks can become longer ones at any time.
 * It disappears with the last version that needs it.
 */

import { LONG_QUERY_MS, MAX_CHUNK_BYTES } from "../../cluster_limits.ts";
import { DamagedRows } from "../damaged_rows.ts";
import { columnBytes, type QueryRow, type QuerySession } from "./query_sessions.ts";

/** Chunks that are read at a time: at most 4 MiB. */
const CHUNKS_PER_QUERY = 16;
/** Bytes of several contents that are read at a time. */
const BYTES_PER_QUERY = CHUNKS_PER_QUERY * MAX_CHUNK_BYTES;

/** The first chunk is the one that has the byte at `$2`. */
const CHUNKS = `SELECT at, bytes FROM elastik.content
  WHERE id = $1 AND at < $3
    AND at >= coalesce((SELECT max(at) FROM elastik.content WHERE id = $1 AND at <= $2), $2)
  ORDER BY at LIMIT ${CHUNKS_PER_QUERY}`;
/** All chunks of several contents, without the bytes after the length. The last chunk can be longer. */
const CHUNKS_OF_ALL = `SELECT x.n, c.at, c.bytes
  FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS x (id, len, n) CROSS JOIN LATERAL (
    SELECT c.at, substr(c.bytes, 1, least(x.len - c.at, ${MAX_CHUNK_BYTES})::int) AS bytes
    FROM elastik.content c WHERE c.id = x.id AND c.at < x.len OFFSET 0) c`;

/**
 * Reads the bytes of a version.
 *
 * @param row with the columns `len`, `content` and `body`
 * @returns undefined if its bytes are not complete: the version was dropped since the row was read, or the
 * database is damaged
 */
export async function readStoredBody(
  session: QuerySession,
  row: QueryRow,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const length = Number(row.len);
  if (row.content === null || row.content === undefined) {
    const inline = columnBytes(row.body).slice(0, length);
    return inline.length === length ? inline : undefined;
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
 * Reads the bytes of several versions, the chunks of about 4 MiB of them with one statement.
 *
 * @param rows see {@link readStoredBody}
 * @returns undefined for each version that was dropped since its row was read
 */
export async function readStoredBodies(
  session: QuerySession,
  rows: readonly QueryRow[],
): Promise<(Uint8Array<ArrayBuffer> | undefined)[]> {
  const bodies = new Map<QueryRow, Uint8Array<ArrayBuffer> | undefined>();
  let group: QueryRow[] = [];
  let size = 0;
  const readGroup = async () => {
    for (const [row, body] of await readChunked(session, group)) bodies.set(row, body);
    group = [];
    size = 0;
  };
  for (const row of rows) {
    const length = Number(row.len);
    if (row.content === null || row.content === undefined || length > BYTES_PER_QUERY) {
      bodies.set(row, await readStoredBody(session, row));
      continue;
    }
    if (size + length > BYTES_PER_QUERY) await readGroup();
    group.push(row);
    size += length;
  }
  await readGroup();
  return rows.map((row) => bodies.get(row));
}

async function readChunked(
  session: QuerySession,
  rows: readonly QueryRow[],
): Promise<Map<QueryRow, Uint8Array<ArrayBuffer>>> {
  const whole = new Map<QueryRow, Uint8Array<ArrayBuffer>>();
  if (rows.length === 0) return whole;
  const values = [rows.map(({ content }) => Number(content)), rows.map(({ len }) => Number(len))];
  const chunks = new Map<number, QueryRow[]>();
  for (const chunk of await session.query(CHUNKS_OF_ALL, values, LONG_QUERY_MS)) {
    const at = Number(chunk.n) - 1;
    const known = chunks.get(at);
    if (known === undefined) chunks.set(at, [chunk]);
    else known.push(chunk);
  }
  for (const [n, row] of rows.entries()) {
    const body = new Uint8Array(Number(row.len));
    let filled = 0;
    for (const chunk of (chunks.get(n) ?? []).sort((a, b) => Number(a.at) - Number(b.at))) {
      const bytes = columnBytes(chunk.bytes);
      if (Number(chunk.at) !== filled || filled + bytes.length > body.length) break;
      body.set(bytes, filled);
      filled += bytes.length;
    }
    if (filled === body.length) whole.set(row, body);
  }
  return whole;
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

/**
 * Reports that bytes which must exist are not there.
 *
 * @param name name of the world
 * @param version the earlier version that lacks them; absent for the current one
 */
export function bytesMissing(name: string, version?: number): DamagedRows {
  return version === undefined
    ? new DamagedRows(`read ${name}`, "a part of its bytes is missing", name)
    : new DamagedRows(
      `read version ${version} of ${name}`,
      `a part of the bytes of version ${version} is missing`,
      name,
    );
}
