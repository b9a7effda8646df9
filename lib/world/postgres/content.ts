/**
 * Long bytes of worlds: chunks in the table `content`. Bytes that fit in one chunk travel with their
 * batch. Longer ones are uploaded before it, in a transaction that is not synced: what follows in the
 * write-ahead log syncs them too. Until a batch uses an upload, it is in the table `uploads`, so that it
 * does not stay when the batch is never made.
 */

import { CHUNK_DEADLINE_MS, CHUNKS_PER_STATEMENT, MAX_CHUNK_BYTES } from "../../cluster_limits.ts";
import { StoreError } from "../store.ts";
import { readChunks } from "./content_reader.ts";
import { CONTENT_ID_BLOCK } from "./schema.ts";
import { readNumber } from "./records.ts";
import type { PgValue, Session } from "./session.ts";
import type { SessionPool } from "./session_pool.ts";

const NEXT_BLOCK = `SELECT nextval('elastik.content_id') AS id`;
const INSERT_UPLOAD = `INSERT INTO elastik.uploads (id) VALUES ($1)`;
const INSERT_CHUNK = `INSERT INTO elastik.content (id, at, bytes) VALUES ($1, $2, $3)`;

/** Ids for new contents, which are taken from the database in blocks, so that a batch waits for none. */
export class ContentIds {
  /** The ids that are left: from the first to before the second number of each block. */
  readonly #blocks: [next: number, end: number][] = [];
  #left = 0;

  /** Makes sure that a number of ids can be taken. */
  async reserve(count: number, pool: SessionPool): Promise<void> {
    while (this.#left < count) {
      const [row] = await pool.use((session) => session.query(NEXT_BLOCK, []));
      const first = readNumber(row ?? {}, "id");
      this.#blocks.push([first, first + CONTENT_ID_BLOCK]);
      this.#left += CONTENT_ID_BLOCK;
    }
  }

  /**
   * Takes an id that no other content has.
   *
   * @throws {Error} if none was reserved
   */
  take(): number {
    const block = this.#blocks[0];
    if (block === undefined) throw new Error("no content id was reserved");
    const id = block[0]++;
    this.#left -= 1;
    if (block[0] === block[1]) this.#blocks.shift();
    return id;
  }
}

/**
 * Uploads bytes as a content of their own.
 *
 * @param id its id, which no content has
 * @throws {SessionError} the upload may exist; use another id for the next try
 */
export async function uploadContent(
  session: Session,
  id: number,
  bytes: Uint8Array,
): Promise<void> {
  const pending = [
    session.query("BEGIN; SET LOCAL synchronous_commit = off"),
    session.query(INSERT_UPLOAD, [id]),
  ];
  try {
    for (let at = 0; at < bytes.length; at += MAX_CHUNK_BYTES) {
      const values: PgValue[] = [id, at, bytes.subarray(at, at + MAX_CHUNK_BYTES)];
      pending.push(session.query(INSERT_CHUNK, values, CHUNK_DEADLINE_MS));
      if (pending.length > CHUNKS_PER_STATEMENT) await pending.shift();
    }
    // Before the end: the server would answer it without an error after a failed statement.
    await Promise.all(pending);
  } catch (error) {
    await Promise.allSettled(pending);
    throw error;
  }
  await session.query("COMMIT");
}

/**
 * Reads the first bytes of a content.
 *
 * @param name name of its world, for the error
 * @throws {StoreError} `gone` if it has fewer bytes, because its version was dropped in the meantime
 */
export async function readContent(
  session: Session,
  id: number,
  len: number,
  name: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(len);
  let at = 0;
  for await (const chunk of readChunks(session, id, len, CHUNK_DEADLINE_MS)) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  if (at >= len) return bytes;
  throw new StoreError("gone", "Cannot read the world: the version is no longer kept", name);
}
