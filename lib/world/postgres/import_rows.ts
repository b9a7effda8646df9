/** Writes one imported world into the database, in one transaction. */

import type { LastUse } from "../change/create_world.ts";
import type { TrashEntry } from "../trash.ts";
import type { ImportedEvent, ImportedWorld } from "./import_world.ts";
import { type QuerySession, type QueryValue, transact } from "./query_sessions.ts";

/** Bytes up to this length are in the row of their version, longer ones in chunks. */
export const INLINE_BYTES = 8 * 1024;
const CHUNK_BYTES = 256 * 1024;
/** Chunks that one statement writes: 2 MiB. */
const CHUNKS_PER_QUERY = 8;
const IDLE_MS = 60_000;
/** A statement of an import takes at most this long, in milliseconds. */
const STATEMENT_MS = 60_000;

/** The deletion of a world that is imported into the trash. */
export type ImportedDeletion = Pick<TrashEntry, "id" | "deletedAt" | "by">;

/**
 * What became of a world: `same` if the database has it, perhaps with later events, `conflict` if it has
 * another world of the name, or had one with higher versions.
 */
export type ImportOutcome = "imported" | "same" | "conflict";

// The lock of the name's row, as every change that gives a name to a world takes it.
const LOCK_NAME = `INSERT INTO elastik.names (name) VALUES ($1)
  ON CONFLICT (name) DO UPDATE SET version = names.version RETURNING world, version`;
/** Finds a world of the name, also in the trash, whose chain has an event. */
const SAME_WORLD = `SELECT 1 AS found FROM (
    SELECT id FROM elastik.worlds WHERE name = $1
    UNION ALL SELECT id FROM elastik.worlds
      WHERE trash IS NOT NULL AND restricted IN (false, true) AND trashed_name = $1
  ) w JOIN elastik.events e ON e.world = w.id AND e.id = $2 AND e.hmac = $3 LIMIT 1`;
const NEW_WORLD = `SELECT nextval('elastik.world_id') AS id`;
const NEW_CONTENT = `SELECT nextval('elastik.content_id') AS id`;
// A large import is on disk with its last commit: a log on disk has everything before it.
const NO_SYNC = `SET LOCAL synchronous_commit = off`;
const INSERT_WORLD =
  `INSERT INTO elastik.worlds (id, name, version, ext, headers, state, updated_at,
    len, sha256, event_id, event_hmac, event_at, by, content, body, kept_from, kept_versions,
    kept_bytes, trash, trashed_name, trashed_at, trashed_by, restricted)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
    $21, $22, $23)`;
const INSERT_VERSION = `INSERT INTO elastik.versions (world, version, kind, ext, headers, state,
    updated_at, len, sha256, content, body)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`;
const INSERT_EVENTS = `INSERT INTO elastik.events (world, id, timestamp, event_type, payload, hmac,
    prev_hmac, kind, name, also, by, version, ext, state, len, key, restricted, also_restricted)
  SELECT $1, x.id, x.at, x.type, x.payload, x.hmac, x.prev,
    CASE WHEN x.id = $2 THEN $3 ELSE 'note' END, x.name, x.also, x.by, $4, $5, $6, $7, x.key,
    x.restricted, x.also_restricted
  FROM unnest($8::bigint[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
      $14::text[], $15::text[], $16::text[], $17::text[], $18::bool[], $19::bool[])
    AS x(id, at, type, payload, hmac, prev, name, also, by, key, restricted, also_restricted)`;
const INSERT_CHUNK = `INSERT INTO elastik.content (id, at, bytes) VALUES `;
/** Saves what the ledger has of a name; version and time never decrease. */
const SAVE_NAME = `INSERT INTO elastik.names (name, world, version, updated_at, trash)
  VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO UPDATE SET
  world = coalesce(excluded.world, names.world),
  version = greatest(names.version, excluded.version),
  updated_at = greatest(names.updated_at, excluded.updated_at),
  trash = CASE WHEN excluded.trash = '' THEN names.trash ELSE excluded.trash END`;

/** Saves the last use of a name; version and time never decrease. */
export async function saveName(
  session: QuerySession,
  name: string,
  last: LastUse | undefined,
  world: number | null = null,
): Promise<void> {
  const { version, updatedAt, trash } = last ?? { version: 0, updatedAt: "", trash: "" };
  await session.query(SAVE_NAME, [name, world, version, updatedAt, trash]);
}

/**
 * Writes a world with its chain and its earlier versions.
 *
 * @param deletion present if the world is in the trash
 * @param last the last use of the name by an earlier world, from the ledger of names
 * @param assertKey throws if the store has another key than the import; called before the commit
 */
export async function writeImportedWorld(
  session: QuerySession,
  world: ImportedWorld,
  deletion: ImportedDeletion | undefined,
  last: LastUse | undefined,
  assertKey: (session: QuerySession) => Promise<void>,
): Promise<ImportOutcome> {
  return await transact(session, IDLE_MS, async () => {
    const { name, row, head } = world;
    const trash = deletion?.id ?? null;
    // Statements that are sent together cost one round trip.
    const [, [known], [same], [{ id: next } = {}]] = await Promise.all([
      session.query(NO_SYNC),
      session.query(LOCK_NAME, [name]),
      session.query(SAME_WORLD, [name, head.id, head.hmac]),
      session.query(NEW_WORLD, []),
    ]);
    if (same !== undefined) return "same";
    if (deletion === undefined) {
      const isUsed = known?.world !== null || Number(known?.version) >= row.version;
      if (isUsed) return "conflict";
    }
    const id = Number(next);
    const [kept, by, place] = await Promise.all([
      writeVersions(session, id, world),
      writeEvents(session, id, world, deletion === undefined ? "update" : "note"),
      writeBytes(session, row.body),
    ]);
    const saved = saveName(session, name, last, deletion === undefined ? id : null);
    const inserted = session.query(INSERT_WORLD, [
      ...[id, deletion === undefined ? name : null, row.version, row.ext, row.headers, row.state],
      ...[row.updatedAt, row.body.length, row.sha256, head.id, head.hmac, head.timestamp, by],
      ...[place.content, place.body, kept.from, kept.versions, kept.bytes, trash],
      ...(deletion === undefined
        ? [null, null, null, false]
        : [name, deletion.deletedAt, deletion.by, world.restricted]),
    ], STATEMENT_MS);
    await Promise.all([saved, inserted]);
    await assertKey(session);
    return "imported";
  });
}

interface KeptVersions {
  /** The lowest version; 0 if there is none. */
  readonly from: number;
  readonly versions: number;
  /** Bytes of the different contents. */
  readonly bytes: number;
}

async function writeVersions(
  session: QuerySession,
  world: number,
  imported: ImportedWorld,
): Promise<KeptVersions> {
  let from = 0;
  let versions = 0;
  let bytes = 0;
  const counted = new Set<string>();
  for (const found of imported.versions()) {
    const { version, kind, ext, headers, state, updatedAt, len, sha256, body, isMissing } = found;
    const place = isMissing
      // A content without bytes, so that reads report the damage. A version without one is the beginning of
      // the next one.
      ? { content: await newContent(session), body: null }
      : body === null
      ? NOWHERE
      : await writeBytes(session, body);
    await session.query(INSERT_VERSION, [
      ...[world, version, kind, ext, headers, state, updatedAt, len, sha256],
      ...[place.content, place.body],
    ], STATEMENT_MS);
    if (versions === 0) from = version;
    versions += 1;
    if (sha256 === null || counted.has(sha256)) continue;
    counted.add(sha256);
    bytes += len;
  }
  return { from, versions, bytes };
}

/** @returns the caller of the newest event */
async function writeEvents(
  session: QuerySession,
  world: number,
  imported: ImportedWorld,
  kind: "update" | "note",
): Promise<string> {
  const { row: { version, ext, state, body }, head } = imported;
  let by = "";
  for (const events of imported.events()) {
    if (events.length === 0) continue;
    const column = <T extends QueryValue>(of: (event: ImportedEvent) => T): T[] => events.map(of);
    await session.query(INSERT_EVENTS, [
      ...[world, head.id, kind, version, ext, state, body.length],
      column(({ id }) => id),
      column(({ timestamp }) => timestamp),
      column(({ event_type }) => event_type),
      column(({ payload }) => payload),
      column(({ hmac }) => hmac),
      column(({ prev_hmac }) => prev_hmac),
      column(({ name }) => name),
      column(({ also }) => also),
      column(({ by }) => by),
      column(({ key }) => key),
      column(({ restricted }) => restricted),
      column(({ alsoRestricted }) => alsoRestricted),
    ], STATEMENT_MS);
    by = events.at(-1)?.by ?? by;
  }
  return by;
}

/** Where the bytes of a version are. */
interface BytesPlace {
  readonly content: number | null;
  readonly body: Uint8Array | null;
}

const NOWHERE: BytesPlace = { content: null, body: null };

async function newContent(session: QuerySession): Promise<number> {
  const [{ id } = {}] = await session.query(NEW_CONTENT);
  return Number(id);
}

async function writeBytes(session: QuerySession, bytes: Uint8Array): Promise<BytesPlace> {
  if (bytes.length <= INLINE_BYTES) return { content: null, body: bytes };
  const content = await newContent(session);
  for (let at = 0; at < bytes.length;) {
    const values: QueryValue[] = [content];
    const places: string[] = [];
    for (let count = 0; count < CHUNKS_PER_QUERY && at < bytes.length; count++) {
      values.push(at, bytes.subarray(at, at + CHUNK_BYTES));
      places.push(`($1, $${values.length - 1}, $${values.length})`);
      at += CHUNK_BYTES;
    }
    await session.query(INSERT_CHUNK + places.join(", "), values, STATEMENT_MS);
  }
  return { content, body: null };
}
