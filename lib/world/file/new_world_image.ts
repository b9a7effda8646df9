/**
 * Builds the file of a new world as bytes: the rows are written to a database in memory, which is
 * then serialized. The caller writes the bytes to a temporary folder and renames it, so that a
 * crash leaves either the complete world or none. This takes a fifth of the time of creating the
 * database on disk. Existing worlds are never changed here.
 */

import { setJournalFormat } from "../sqlite_header.ts";
import { DatabaseSync } from "node:sqlite";
import { firstVersion, type NewWorld } from "../change/create_world.ts";
import type { StageRow } from "../change/editable_world.ts";
import { type ChainSigner, GENESIS } from "../event_chain.ts";
import * as sql from "./sql.ts";
import type { CommittedEvent } from "../changes.ts";

/**
 * Worlds up to this many bytes share one database in memory. Larger rows need overflow pages, which
 * would remain in the images of all later worlds.
 */
const SHARED_IMAGE_BYTES = 2048;

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
    const { row, sha256, event: [type, fields] } = firstVersion(world, now);
    const payload = JSON.stringify(fields);
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
