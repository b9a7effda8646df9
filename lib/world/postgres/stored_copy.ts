/**
 * Writes a world of the database as the SQLite file that the other engine has of it: the current row,
 * the chain, and the earlier versions with their bytes. The caller reads one consistent state.
 */

import { LONG_QUERY_MS } from "../../cluster_limits.ts";
import type { CopyRow, WorldCopy } from "../file/world_copy.ts";
import { assertNotStopped, BEFORE_ALL_IDS, EVENTS_OF_WORLD, EVENTS_PER_QUERY } from "./chain.ts";
import { bytesMissing, readStoredBody } from "./content_reader.ts";
import type { QueryRow, QuerySession } from "./query_sessions.ts";

/** Earlier versions that one query reads. */
const VERSIONS_PER_QUERY = 500;

const WORLD = `SELECT id, coalesce(name, trashed_name) AS name, version, ext, headers, state,
  updated_at, len, content, body, kept_from FROM elastik.worlds WHERE id = $1`;
/** The newest version that is beyond a number of kept versions. */
const VERSION_BEYOND = `SELECT version FROM elastik.versions
  WHERE world = $1 ORDER BY version DESC LIMIT 1 OFFSET $2`;
const VERSIONS_AFTER = `SELECT version, kind, ext, headers, state, updated_at, len, sha256,
  content, body FROM elastik.versions WHERE world = $1 AND version > $2
  ORDER BY version LIMIT ${VERSIONS_PER_QUERY}`;

/** What a copy contains. */
export interface StoredCopyOptions {
  /** Number of earlier versions to copy. */
  readonly versions: number;
  /** Stops the copy between two steps. */
  readonly signal: AbortSignal;
  /** Called for each earlier version that is written without its bytes; if absent, the copy fails. */
  readonly onBytesMissing?: (version: number) => void;
}

/**
 * Writes one world.
 *
 * @param world id of the world
 * @param begin returns the copy, which is empty; not called if there is no such world
 * @returns the version that was copied; undefined if there is no such world
 * @throws {StoreError} `busy` if the signal is aborted, `damaged` if bytes are missing
 */
export async function writeStoredWorld(
  session: QuerySession,
  world: number,
  begin: () => WorldCopy,
  { versions, ...options }: StoredCopyOptions,
): Promise<number | undefined> {
  const [row] = await session.query(WORLD, [world]);
  if (row === undefined) return undefined;
  const name = String(row.name);
  const stage_html = await readStoredBody(session, row);
  if (stage_html === undefined) throw bytesMissing(name);
  const copy = begin();
  copy.writeStage({ ...toRow(row), stage_html });
  await writeEvents(session, world, copy, options.signal);
  const [beyond] = await session.query(VERSION_BEYOND, [world, Math.min(versions, ALL_ROWS)]);
  const first = Math.max(Number(beyond?.version ?? -1) + 1, Number(row.kept_from));
  await writeVersions(session, { world, name, first }, copy, options);
  copy.end();
  return Number(row.version);
}

/** A number of rows that no table has. */
const ALL_ROWS = 2 ** 53 - 1;

async function writeEvents(
  session: QuerySession,
  world: number,
  copy: WorldCopy,
  signal: AbortSignal,
): Promise<void> {
  for (let last = BEFORE_ALL_IDS;;) {
    const rows = await session.query(
      EVENTS_OF_WORLD,
      [world, last, EVENTS_PER_QUERY],
      LONG_QUERY_MS,
    );
    assertNotStopped(signal);
    for (const row of rows) {
      const { id, timestamp, event_type, payload, hmac, prev_hmac } = row;
      last = String(id);
      copy.writeEvent({
        id: BigInt(last),
        timestamp: String(timestamp),
        event_type: String(event_type),
        payload: String(payload),
        hmac: String(hmac),
        prev_hmac: String(prev_hmac),
      });
    }
    if (rows.length < EVENTS_PER_QUERY) return;
  }
}

async function writeVersions(
  session: QuerySession,
  { world, name, first }: { world: number; name: string; first: number },
  copy: WorldCopy,
  { signal, onBytesMissing }: Omit<StoredCopyOptions, "versions">,
): Promise<void> {
  let isBegun = false;
  const written = new Set<string>();
  for (let last = first - 1;;) {
    const rows = await session.query(VERSIONS_AFTER, [world, last], LONG_QUERY_MS);
    assertNotStopped(signal);
    for (const row of rows) {
      if (!isBegun) copy.beginHistory();
      isBegun = true;
      last = Number(row.version);
      const kind = String(row.kind);
      const sha256 = kind === "full" ? String(row.sha256) : null;
      copy.writeVersion({ ...toRow(row), kind, len: BigInt(String(row.len)), sha256 });
      if (sha256 === null || written.has(sha256)) continue;
      const body = await readStoredBody(session, row);
      if (body === undefined) {
        if (onBytesMissing === undefined) throw bytesMissing(name, last);
        onBytesMissing(last);
        continue;
      }
      written.add(sha256);
      copy.writeContent(sha256, body);
      assertNotStopped(signal);
    }
    if (rows.length < VERSIONS_PER_QUERY) return;
  }
}

function toRow({ version, ext, headers, state, updated_at }: QueryRow): CopyRow {
  return {
    version: BigInt(String(version)),
    ext: String(ext),
    headers: String(headers),
    state: String(state),
    updated_at: String(updated_at),
  };
}
