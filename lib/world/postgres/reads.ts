/**
 * Reads worlds of the upper layer from the database: current versions, earlier ones, and their sizes.
 * It answers what `Reader` answers for a file. A row and its long bytes are read by several statements;
 * a version that was dropped between them is read again.
 */

import { sha256Hex } from "../../base/hash.ts";
import { toVersionColumns } from "../file/version_columns.ts";
import { StoreError, type World } from "../store.ts";
import { toWorld } from "../store/records.ts";
import type { ReadResult } from "../store/worker_messages.ts";
import { bytesMissing, readStoredBody } from "./content_reader.ts";
import type { QueryRow, QuerySession, QuerySessions } from "./query_sessions.ts";

/** How often a version is read again that changed while it was being read. */
const MAX_ATTEMPTS = 8;
/** Estimated size of an event in the database, in bytes, with its row and its index entries. */
export const EVENT_BYTES = 512;
/** The estimated size of a world in the database, without reading its chain or its history. */
export const WORLD_BYTES = `(len + kept_bytes + event_id * ${EVENT_BYTES})`;

const COLUMNS = "id, version, ext, headers, state, updated_at, len, content, body";
const CURRENT = `SELECT ${COLUMNS}, event_id, event_hmac, kept_from
  FROM elastik.worlds WHERE name = $1`;
const CURRENT_OF_ID = `SELECT ${COLUMNS}, event_id, event_hmac, kept_from
  FROM elastik.worlds WHERE id = $1`;
const CURRENT_OF_TRASH = `SELECT ${COLUMNS}, event_id, event_hmac, kept_from
  FROM elastik.worlds WHERE trash = $1 AND trashed_name = $2`;
const HEAD = `SELECT id, version, kept_from FROM elastik.worlds WHERE name = $1`;
/** An earlier version, and how many newer ones are kept. */
const VERSION = `SELECT world AS id, version, ext, headers, state, updated_at, len, content, body,
  (SELECT count(*) FROM elastik.versions later
    WHERE later.world = v.world AND later.version > v.version) AS later
  FROM elastik.versions v WHERE world = $1 AND version = $2`;
/**
 * The bytes of the next version that has some; a version without bytes is the beginning of them. One
 * statement, because the current version can become an earlier one between two.
 */
const NEXT_BYTES = `(SELECT version, content, body FROM elastik.versions
    WHERE world = $1 AND version > $2 AND (body IS NOT NULL OR content IS NOT NULL)
    ORDER BY version LIMIT 1)
  UNION ALL (SELECT version, content, body FROM elastik.worlds WHERE id = $1)
  ORDER BY version LIMIT 1`;
const SIZES = `SELECT name, ${WORLD_BYTES} AS bytes FROM elastik.worlds WHERE name = ANY ($1)`;

/** A current version, with its place in the database. */
export interface StoredWorld extends ReadResult {
  /** Id of the world. */
  readonly world: number;
  /** Id and HMAC of its newest event. */
  readonly event: number;
  readonly eventHmac: string;
}

/** Options of {@link WorldReads}. */
export interface WorldReadsOptions {
  /** Maximum number of earlier versions; older ones are gone, even if they are still stored. */
  readonly keepVersions: number;
}

/** See the module. */
export class WorldReads {
  readonly #sessions: QuerySessions;
  readonly #keepVersions: number;
  #count = 0;

  constructor(sessions: QuerySessions, { keepVersions }: WorldReadsOptions) {
    this.#sessions = sessions;
    this.#keepVersions = keepVersions;
  }

  /** Reads of current versions since the start. */
  get count(): number {
    return this.#count;
  }

  /** Reads the current version; undefined if no world has the name. */
  async read(name: string): Promise<StoredWorld | undefined> {
    this.#count += 1;
    return await this.#sessions.use((session) => readCurrent(session, CURRENT, [name], name));
  }

  /** Reads a deleted world, by the id of its entry in the trash and its name; undefined if it left it. */
  async readDeleted(trash: string, name: string): Promise<World | undefined> {
    return await this.#sessions.use(async (session) => {
      const found = await readCurrent(session, CURRENT_OF_TRASH, [trash, name], name);
      return found && toWorld(name, found);
    });
  }

  /**
   * Reads a version of a world by the id of the world, also of one in the trash.
   *
   * @param version the current version if absent
   * @returns undefined if there is no such world, or the version is not kept
   */
  async readId(world: number, version?: number): Promise<ReadResult | undefined> {
    const shown = `the world with the id ${world}`;
    return await this.#sessions.use(async (session) => {
      const current = await readCurrent(session, CURRENT_OF_ID, [world], shown);
      if (version === undefined || current?.version === version) return current;
      return current && await this.#readKept(session, { world, name: shown, version });
    });
  }

  /**
   * Reads a version by number.
   *
   * @throws {StoreError} `absent` if the world does not exist or never had the version, `gone` if the
   * version is no longer kept
   */
  async readAt(name: string, version: number): Promise<ReadResult> {
    return await this.#sessions.use(async (session) => {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const [head] = await session.query(HEAD, [name]);
        if (head === undefined) {
          throw new StoreError(
            "absent",
            `Cannot read version ${version}: the world does not exist`,
            name,
          );
        }
        const newest = Number(head.version);
        if (version > newest || version < 1) {
          throw new StoreError(
            "absent",
            `there is no version ${version}; the current version is ${newest}`,
            name,
          );
        }
        if (version === newest) {
          const current = await readCurrent(session, CURRENT, [name], name);
          if (current?.version === version) return current;
          continue; // it changed at this moment
        }
        const found = version < Number(head.kept_from)
          ? undefined
          : await this.#readKept(session, { world: Number(head.id), name, version });
        if (found !== undefined) return found;
        throw new StoreError(
          "gone",
          `version ${version} is no longer kept; the current version is ${newest}`,
          name,
        );
      }
      throw new StoreError("busy", "Cannot read the version: the world changes too often", name);
    });
  }

  /** Returns the estimated bytes of worlds in the database; 0 for one that does not exist. */
  async fileSizes(names: readonly string[]): Promise<readonly number[]> {
    const rows = await this.#sessions.use((session) => session.query(SIZES, [names]));
    const sizes = new Map(rows.map(({ name, bytes }) => [String(name), Number(bytes)]));
    return names.map((name) => sizes.get(name) ?? 0);
  }

  /** Reads an earlier version; undefined if it is not kept. */
  async #readKept(
    session: QuerySession,
    { world, name, version }: { world: number; name: string; version: number },
  ): Promise<ReadResult | undefined> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const [row] = await session.query(VERSION, [world, version]);
      if (row === undefined || Number(row.later) >= this.#keepVersions) return undefined;
      const body = await readStoredBody(session, await withBytes(session, row));
      if (body !== undefined) return toReadResult(row, body);
    }
    throw bytesMissing(name, version);
  }
}

/** Returns the columns of a version with those of its bytes. */
async function withBytes(session: QuerySession, row: QueryRow): Promise<QueryRow> {
  if (row.body !== null || row.content !== null) return row;
  const [source] = await session.query(NEXT_BYTES, [Number(row.id), Number(row.version)]);
  return { ...row, content: source?.content ?? null, body: source?.body ?? null };
}

async function readCurrent(
  session: QuerySession,
  statement: string,
  keys: readonly (string | number)[],
  name: string,
): Promise<StoredWorld | undefined> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const [row] = await session.query(statement, keys);
    if (row === undefined) return undefined;
    const body = await readStoredBody(session, row);
    if (body === undefined) continue;
    return {
      ...toReadResult(row, body),
      world: Number(row.id),
      event: Number(row.event_id),
      eventHmac: String(row.event_hmac),
    };
  }
  throw bytesMissing(name);
}

function toReadResult(row: QueryRow, body: Uint8Array<ArrayBuffer>): ReadResult {
  return { ...toVersionColumns(row), body, sha256: sha256Hex(body) };
}
