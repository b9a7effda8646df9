/**
 * One world on its way into a data folder: read from a file that is not trusted, written to a fresh
 * database, signed with the key of the machine it comes to, and judged on the way. It places nothing.
 */

import { DatabaseSync } from "node:sqlite";
import { createSeal, type Seal } from "../world/event_chain.ts";
import { nameFault, nameOf } from "../world/name.ts";
import { copyWorld } from "../world/file/copy_world.ts";
import * as sql from "../world/file/sql.ts";
import { checkWorld, type WorldFault } from "../world/file/verify_world.ts";
import { fileImage } from "./export_data.ts";
import type { OriginalVerdict } from "./v5_chain.ts";
import { originalName } from "./v5_name.ts";
import { copyOriginal, IMPORTER, isOriginal } from "./v5_world.ts";

/** Earlier versions that come along: all that there are. */
const ALL_VERSIONS = Number.MAX_SAFE_INTEGER;

/** How worlds are read. */
export interface IncomingOptions {
  /** Key that the chains of our own worlds are signed with. */
  readonly from: string;
  /** Key of the machine they come to. */
  readonly to: string;
  /** Key of the original's chains, if it is known. */
  readonly original: string | undefined;
  /** RFC 3339 time in UTC with milliseconds. */
  readonly now: string;
}

/** A world that can be placed. */
export interface IncomingWorld {
  readonly name: string;
  /** Its `universe.db`. */
  readonly image: Uint8Array<ArrayBuffer>;
  /** What of it did not hold where it comes from; empty for one of the original. */
  readonly faults: readonly WorldFault[];
  /** The verdict on one of the original. */
  readonly original?: OriginalVerdict;
  /** Its state before, where it was a plugin that ran. */
  readonly wasActive: boolean;
  /** It still is: it starts with the machine. */
  readonly active: boolean;
}

/** Why a world stays where it is. */
export interface NotIncoming {
  /** `name`: what it is called cannot be a world here. `empty`: nobody ever wrote to it. */
  readonly why: "name" | "empty" | "leaving";
  readonly reason: string;
}

/** Reads worlds; the seals are made once. */
export class IncomingWorlds {
  readonly #options: IncomingOptions;
  readonly #from: Seal;
  readonly #to: Seal;

  constructor(options: IncomingOptions) {
    this.#options = options;
    this.#from = createSeal(options.from);
    this.#to = createSeal(options.to);
  }

  /**
   * Reads the world of an open database.
   *
   * @param folder what its folder is called
   * @throws what SQLite throws when the file does not hold what a world's does
   */
  read(db: DatabaseSync, folder: string): IncomingWorld | NotIncoming {
    if (Number(db.prepare(sql.IS_LEAVING).get()?.user_version) === 1) {
      return { why: "leaving", reason: "it was deleted, and had not reached the trash" };
    }
    const to = new DatabaseSync(":memory:");
    try {
      return isOriginal(db) ? this.#original(db, to, folder) : this.#own(db, to, folder);
    } finally {
      to.close();
    }
  }

  #own(db: DatabaseSync, to: DatabaseSync, folder: string): IncomingWorld | NotIncoming {
    const name = nameOf(folder);
    if (name === undefined) {
      const plain = folder.replaceAll("%2F", "/").replaceAll("%25", "%");
      return { why: "name", reason: nameFault(plain) ?? "its folder is not spelt as a world's" };
    }
    const { faults } = checkWorld(db, name, this.#from);
    const anew = this.#options.from !== this.#options.to;
    copyWorld(db, to, {
      versions: ALL_VERSIONS,
      ...(anew ? { resign: { from: this.#from, to: this.#to } } : {}),
    });
    const wasActive = to.prepare(sql.SELECT_ROW).get()?.state === "active";
    if (wasActive && anew) this.#sink(to);
    return { name, image: fileImage(to), faults, wasActive, active: wasActive && !anew };
  }

  #original(db: DatabaseSync, to: DatabaseSync, folder: string): IncomingWorld | NotIncoming {
    const name = originalName(folder);
    if (name.fault !== undefined) return { why: "name", reason: name.fault };
    const wasActive = db.prepare("SELECT * FROM stage_meta WHERE id = 1").get()?.state === "active";
    const { original: key, now } = this.#options;
    const original = copyOriginal(db, to, { name, key, seal: this.#to, now });
    if (original === undefined) return { why: "empty", reason: "nobody ever wrote to it" };
    return {
      name: name.name,
      image: fileImage(to),
      faults: [],
      original,
      wasActive,
      active: false,
    };
  }

  /** Whoever runs this machine has not approved what ran on another. */
  #sink(db: DatabaseSync): void {
    const { now } = this.#options;
    const version = Number(db.prepare(sql.SELECT_ROW).get()?.version);
    const head = db.prepare(sql.LAST_EVENT).get();
    const [id, previous] = [Number(head?.id) + 1, String(head?.hmac)];
    const payload = JSON.stringify({
      from: "active",
      to: "pending",
      version,
      reason: "imported from another machine",
      by: IMPORTER,
    });
    const hmac = this.#to(previous, now, "state_transition", payload);
    db.prepare(sql.SET_STATE).run("pending", now);
    db.prepare(sql.INSERT_EVENT).run(id, now, "state_transition", payload, hmac, previous);
  }
}
