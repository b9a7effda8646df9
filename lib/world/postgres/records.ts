/**
 * The rows that the write path of the PostgreSQL store reads, and what a committed change is for the
 * rest of a node. Rows of the database are checked here.
 */

import type { PgRow } from "./session.ts";

/** A world as the database has it. */
export interface WorldRow {
  /** Identity of this life of the name. */
  readonly id: number;
  /** Its name; `null` if it is deleted. */
  readonly name: string | null;
  readonly version: number;
  readonly ext: string;
  /** JSON text of the metadata. */
  readonly headers: string;
  readonly state: string;
  readonly updatedAt: string;
  /** Length of the bytes. */
  readonly len: number;
  readonly sha256: string;
  /** The newest event of its chain: id, HMAC and time. */
  readonly eventId: number;
  readonly eventHmac: string;
  readonly eventAt: string;
  /** The caller of the last change. */
  readonly by: string;
  /** Id of its long content; absent if the bytes are inline. */
  readonly content?: number;
  /** The bytes, if they are inline. */
  readonly body?: Uint8Array<ArrayBuffer>;
  /** Earlier versions below this one are gone. */
  readonly keptFrom: number;
  /** Number of earlier versions, and bytes of their contents. */
  readonly keptVersions: number;
  readonly keptBytes: number;
}

/** What the database knows of a name whose worlds ended; version 0 if none did. */
export interface NameRow {
  readonly version: number;
  readonly updatedAt: string;
  readonly trash: string;
}

/** A name without an earlier world. */
export const UNUSED_NAME: NameRow = { version: 0, updatedAt: "", trash: "" };

/** Columns of {@link WorldRow}, from a table `w`. */
export const WORLD_COLUMNS =
  `w.id, w.name, w.version, w.ext, w.headers, w.state, w.updated_at, w.len, w.sha256, w.event_id,
   w.event_hmac, w.event_at, w.by, w.content, w.body, w.kept_from, w.kept_versions, w.kept_bytes`;

/**
 * Reads the columns of a world.
 *
 * @throws {TypeError} if a column does not have its type
 */
export function toWorldRow(row: PgRow): WorldRow {
  const { content, body } = row;
  return {
    id: readNumber(row, "id"),
    name: row.name === null ? null : readString(row, "name"),
    version: readNumber(row, "version"),
    ext: readString(row, "ext"),
    headers: readString(row, "headers"),
    state: readString(row, "state"),
    updatedAt: readString(row, "updated_at"),
    len: readNumber(row, "len"),
    sha256: readString(row, "sha256"),
    eventId: readNumber(row, "event_id"),
    eventHmac: readString(row, "event_hmac"),
    eventAt: readString(row, "event_at"),
    by: readString(row, "by"),
    ...(content === null ? {} : { content: readNumber(row, "content") }),
    ...(body === null ? {} : { body: readBytes(row, "body") }),
    keptFrom: readNumber(row, "kept_from"),
    keptVersions: readNumber(row, "kept_versions"),
    keptBytes: readNumber(row, "kept_bytes"),
  };
}

/** Reads a column with a number. */
export function readNumber(row: PgRow, column: string): number {
  const value = row[column];
  if (typeof value === "number") return value;
  throw new TypeError(`Column ${column} is not a number`);
}

/** Reads a column with text. */
export function readString(row: PgRow, column: string): string {
  const value = row[column];
  if (typeof value === "string") return value;
  throw new TypeError(`Column ${column} is not text`);
}

/** Reads a column with bytes. */
export function readBytes(row: PgRow, column: string): Uint8Array<ArrayBuffer> {
  const value = row[column];
  if (value instanceof Uint8Array && value.buffer instanceof ArrayBuffer) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  throw new TypeError(`Column ${column} is not bytes`);
}
