/**
 * One world on its way into a data folder: read from a file that is not trusted, written to a fresh
 * database, signed with the key of the machine it comes to, and judged on the way. It places nothing.
 */

import { DatabaseSync } from "node:sqlite";
import { type ChainSigner, createChainSigner } from "../world/event_chain.ts";
import { fromFolderName, nameFault } from "../world/name.ts";
import { copyWorld } from "../world/file/copy_world.ts";
import * as sql from "../world/file/sql.ts";
import { verifyWorld, type WorldFault } from "../world/file/verify_world.ts";
import { toFileImage } from "./export_data.ts";
import type { V5ChainResult } from "./v5_chain.ts";
import { convertV5Name } from "./v5_name.ts";
import { copyV5World, IMPORT_ACTOR, isV5World } from "./v5_world.ts";

/** Earlier versions that come along: all that there are. */
const ALL_VERSIONS = Number.MAX_SAFE_INTEGER;

/** How worlds are read. */
export interface WorldImporterOptions {
  /** Key that the chains of our own worlds are signed with. */
  readonly sourceKey: string;
  /** Key of the machine they come to. */
  readonly targetKey: string;
  /** Key of the original's chains, if it is known. */
  readonly v5Key: string | undefined;
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
  readonly v5Chain?: V5ChainResult;
  /** Its state before, where it was a plugin that ran. */
  readonly wasActive: boolean;
  /** It still is: it starts with the machine. */
  readonly active: boolean;
}

/** Why a world stays where it is. */
export interface SkippedWorld {
  /** `name`: what it is called cannot be a world here. `empty`: nobody ever wrote to it. */
  readonly kind: "name" | "empty" | "leaving";
  readonly reason: string;
}

/** Reads worlds; the seals are made once. */
export class WorldImporter {
  readonly #options: WorldImporterOptions;
  readonly #from: ChainSigner;
  readonly #to: ChainSigner;

  constructor(options: WorldImporterOptions) {
    this.#options = options;
    this.#from = createChainSigner(options.sourceKey);
    this.#to = createChainSigner(options.targetKey);
  }

  /**
   * Reads the world of an open database.
   *
   * @param folder what its folder is called
   * @throws what SQLite throws when the file does not hold what a world's does
   */
  read(db: DatabaseSync, folder: string): IncomingWorld | SkippedWorld {
    if (Number(db.prepare(sql.SELECT_DELETED_MARK).get()?.user_version) === 1) {
      return { kind: "leaving", reason: "it was deleted, and had not reached the trash" };
    }
    const to = new DatabaseSync(":memory:");
    try {
      return isV5World(db) ? this.#original(db, to, folder) : this.#own(db, to, folder);
    } finally {
      to.close();
    }
  }

  #own(db: DatabaseSync, to: DatabaseSync, folder: string): IncomingWorld | SkippedWorld {
    const name = fromFolderName(folder);
    if (name === undefined) {
      const plain = folder.replaceAll("%2F", "/").replaceAll("%25", "%");
      return { kind: "name", reason: nameFault(plain) ?? "its folder is not spelt as a world's" };
    }
    const { faults } = verifyWorld(db, name, this.#from);
    const anew = this.#options.sourceKey !== this.#options.targetKey;
    copyWorld(db, to, {
      versions: ALL_VERSIONS,
      ...(anew ? { signers: { from: this.#from, to: this.#to } } : {}),
    });
    const wasActive = to.prepare(sql.SELECT_ROW).get()?.state === "active";
    if (wasActive && anew) this.#sink(to);
    return { name, image: toFileImage(to), faults, wasActive, active: wasActive && !anew };
  }

  #original(db: DatabaseSync, to: DatabaseSync, folder: string): IncomingWorld | SkippedWorld {
    const name = convertV5Name(folder);
    if (name.fault !== undefined) return { kind: "name", reason: name.fault };
    const wasActive = db.prepare("SELECT * FROM stage_meta WHERE id = 1").get()?.state === "active";
    const { v5Key: key, now } = this.#options;
    const original = copyV5World(db, to, { name, key, seal: this.#to, now });
    if (original === undefined) return { kind: "empty", reason: "nobody ever wrote to it" };
    return {
      name: name.name,
      image: toFileImage(to),
      faults: [],
      v5Chain: original,
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
      by: IMPORT_ACTOR,
    });
    const hmac = this.#to(previous, now, "state_transition", payload);
    db.prepare(sql.SET_STATE).run("pending", now);
    db.prepare(sql.INSERT_EVENT).run(id, now, "state_transition", payload, hmac, previous);
  }
}
