/**
 * Builds the file of a new world as bytes: the rows are written to a database in memory, which is
 * then serialized. The caller writes the bytes to a temporary folder and renames it, so that a
 * crash leaves either the complete world or none. This takes a fifth of the time of creating the
 * database on disk. Existing worlds are never changed here.
 */

import { setJournalFormat } from "../sqlite_header.ts";
import { DatabaseSync } from "node:sqlite";
import { sha256Hex } from "../../base/hash.ts";
import { type ChainSigner, GENESIS } from "../event_chain.ts";
import * as sql from "./sql.ts";
import type { CommittedEvent } from "../changes.ts";
import { appendedPayload, type StageRow, writtenPayload } from "./world_file.ts";

/**
 * Worlds up to this many bytes share one database in memory. Larger rows need overflow pages, which
 * would remain in the images of all later worlds.
 */
const SHARED_IMAGE_BYTES = 2048;

/** Content of the first version of a world. */
export interface NewWorld {
  /** Canonical name, which the first event records. */
  readonly name: string;
  /** Number of the version; more than 1 if the name has had a world before. */
  readonly version: number;
  readonly op: "put" | "append";
  /** The bytes of the world. */
  readonly body: Uint8Array;
  /** The bytes of the request; `body` can have the bytes of a lower-layer world before them. */
  readonly sent: Uint8Array;
  readonly ext: string;
  readonly headers: string;
  readonly state: string;
  readonly eventFields: Readonly<Record<string, unknown>>;
}

/** The file of a new world. */
export interface NewWorldImage {
  readonly row: StageRow;
  readonly sha256: string;
  readonly image: Uint8Array;
  /** The first event of the chain. */
  readonly event: CommittedEvent;
}

/** Builds the files of new worlds; each writer Worker has one. */
export class ImageBuilder {
  readonly #shared = emptyWorld();

  constructor(readonly sign: ChainSigner) {}

  /**
   * Builds the file of a world with its first version and the first event of its chain.
   *
   * @param now RFC 3339 time of the creation
   */
  build(world: NewWorld, now: string): NewWorldImage {
    const sha256 = sha256Hex(world.body);
    const row: StageRow = {
      version: world.version,
      updatedAt: now,
      ext: world.ext,
      headers: world.headers,
      state: world.state,
      len: world.body.length,
    };
    const type = world.op === "put" ? "stage_written" : "stage_appended";
    const eventFields = { ...world.eventFields, name: world.name };
    const payload = JSON.stringify(
      world.op === "put"
        ? writtenPayload(row, sha256, eventFields)
        : appendedPayload(row.version, world.sent, sha256, { ext: world.ext, ...eventFields }),
    );
    const hmac = this.sign(GENESIS, now, type, payload);
    const bytes = world.body.length + world.headers.length + payload.length;
    const shared = bytes <= SHARED_IMAGE_BYTES;
    const db = shared ? this.#shared : emptyWorld();
    try {
      db.exec("BEGIN");
      db.prepare(sql.INSERT_STAGE).run(
        world.body,
        row.version,
        now,
        row.ext,
        row.headers,
        row.state,
      );
      db.prepare(sql.INSERT_EVENT).run(1, now, type, payload, hmac, GENESIS);
      db.exec("COMMIT");
      const image = db.serialize();
      setJournalFormat(image, "wal");
      return { row, sha256, image, event: { id: 1, timestamp: now, type, payload, hmac } };
    } finally {
      if (shared) {
        if (db.isTransaction) db.exec("ROLLBACK");
        db.exec("DELETE FROM stage_meta; DELETE FROM events;");
      } else db.close();
    }
  }

  /** Closes the shared database. */
  close(): void {
    this.#shared.close();
  }
}

function emptyWorld(): DatabaseSync {
  const db = new DatabaseSync(":memory:");
  // Deleted rows must be overwritten; otherwise the next image would contain their bytes.
  db.exec("PRAGMA secure_delete = ON");
  db.exec(sql.CREATE_WORLD);
  return db;
}
