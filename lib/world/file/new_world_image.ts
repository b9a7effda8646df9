/**
 * A new world is made as a finished file: its rows are written to a database in memory, and the
 * image goes to disk under a temporary folder that is renamed into place. A crash leaves either
 * the whole world or none, and a creation costs a fifth of what opening an empty file would.
 * Nothing here touches a world that exists.
 */

import { DatabaseSync } from "node:sqlite";
import { sha256Hex } from "../../base/hash.ts";
import { type ChainSigner, GENESIS } from "../event_chain.ts";
import * as sql from "./sql.ts";
import { appendedPayload, type StageRow, writtenPayload } from "./world_file.ts";

/**
 * Worlds up to this many bytes share one database in memory. None of their rows needs a page of its
 * own, which would stay in the images of all that follow.
 */
const SHARED_IMAGE_BYTES = 2048;
/** Offsets of the header's write and read format versions; 2 says write-ahead log (SQLite §1.3). */
const FORMAT_OFFSETS = [18, 19] as const;

/** The first version of a world. */
export interface NewWorld {
  readonly op: "put" | "append";
  /** All bytes of the world. */
  readonly body: Uint8Array;
  /** The bytes that were sent, where `body` has a lower world's bytes before them. */
  readonly sent: Uint8Array;
  readonly ext: string;
  readonly headers: string;
  readonly state: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** What was made. */
export interface NewWorldImage {
  readonly row: StageRow;
  readonly sha256: string;
  readonly image: Uint8Array;
}

/** Makes images of new worlds; one a Worker. */
export class ImageBuilder {
  readonly #shared = emptyWorld();

  constructor(readonly sign: ChainSigner) {}

  /** The file of a world at version 1, with its first event on the chain. */
  build(birth: NewWorld, now: string): NewWorldImage {
    const sha256 = sha256Hex(birth.body);
    const row: StageRow = {
      version: 1,
      updatedAt: now,
      ext: birth.ext,
      headers: birth.headers,
      state: birth.state,
      len: birth.body.length,
    };
    const type = birth.op === "put" ? "stage_written" : "stage_appended";
    const payload = JSON.stringify(
      birth.op === "put"
        ? writtenPayload(row, sha256, birth.facts)
        : appendedPayload(1, birth.sent, sha256, { ext: birth.ext, ...birth.facts }),
    );
    const hmac = this.sign(GENESIS, now, type, payload);
    const bytes = birth.body.length + birth.headers.length + payload.length;
    const shared = bytes <= SHARED_IMAGE_BYTES;
    const db = shared ? this.#shared : emptyWorld();
    try {
      db.exec("BEGIN");
      db.prepare(sql.INSERT_STAGE).run(
        birth.body,
        1,
        now,
        row.ext,
        row.headers,
        row.state,
      );
      db.prepare(sql.INSERT_EVENT).run(1, now, type, payload, hmac, GENESIS);
      db.exec("COMMIT");
      const image = db.serialize();
      for (const offset of FORMAT_OFFSETS) image[offset] = 2;
      return { row, sha256, image };
    } finally {
      if (shared) {
        if (db.isTransaction) db.exec("ROLLBACK");
        db.exec("DELETE FROM stage_meta; DELETE FROM events;");
      } else db.close();
    }
  }

  close(): void {
    this.#shared.close();
  }
}

function emptyWorld(): DatabaseSync {
  const db = new DatabaseSync(":memory:");
  // What is deleted must be overwritten: the image of a world would carry bytes of the one before.
  db.exec("PRAGMA secure_delete = ON");
  db.exec(sql.CREATE_WORLD);
  return db;
}
