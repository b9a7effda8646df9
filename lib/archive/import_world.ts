/**
 * Reads one world of an import: from an untrusted file into a fresh database in memory, signed with
 * the key of the target, and checked. It places nothing on disk.
 */

import { DatabaseSync } from "node:sqlite";
import { type ChainSigner, createChainSigner } from "../world/event_chain.ts";
import { fromFolderName, nameFault } from "../world/name.ts";
import { copyWorld } from "../world/file/copy_world.ts";
import { readStage, readStageRow, rowsOf } from "../world/file/read_stage.ts";
import * as sql from "../world/file/sql.ts";
import { verifyWorld, type WorldFault } from "../world/file/verify_world.ts";
import { REVOKED_WORLD, revokedListFault } from "../world/revoked_list.ts";
import { toFileImage } from "./export_data.ts";
import type { V5ChainResult } from "./v5_chain.ts";
import { convertV5Name } from "./v5_name.ts";
import { copyV5World, IMPORT_ACTOR, isV5World } from "./v5_world.ts";

/** All earlier versions are imported. */
const ALL_VERSIONS = Number.MAX_SAFE_INTEGER;

/** How worlds are read. */
export interface WorldImporterOptions {
  /** Key that signed the chains of the source. */
  readonly sourceKey: string;
  /** Keys that signed earlier events of the source, oldest first; default none. */
  readonly retiredKeys?: readonly string[];
  /** Key of the server that receives the worlds. */
  readonly targetKey: string;
  /** Key of elastik v5 chains, if known. */
  readonly v5Key: string | undefined;
  /** Active plugins stay active. Otherwise they become `pending`, because this server did not approve them. */
  readonly keepActive: boolean;
  /** Current time, RFC 3339 in UTC with milliseconds. */
  readonly now: string;
}

/** A world that can be placed. */
export interface IncomingWorld {
  readonly name: string;
  /** Content of its `universe.db`. */
  readonly image: Uint8Array<ArrayBuffer>;
  /** Failed checks of the source file; empty for a world of elastik v5. */
  readonly faults: readonly WorldFault[];
  /** The check of the chain of an elastik v5 world. */
  readonly v5Chain?: V5ChainResult;
  /** It was an active plugin in the source. */
  readonly wasActive: boolean;
  /** It is still an active plugin and starts with the server. */
  readonly active: boolean;
}

/** A world that is not imported. */
export interface SkippedWorld {
  /**
   * `name`: the name is invalid here. `content`: the server would not accept its content. `empty`: it
   * was never written. `deleted`: it is marked as deleted.
   */
  readonly kind: "name" | "content" | "empty" | "deleted";
  readonly reason: string;
}

/** Reads worlds with the same keys. */
export class WorldImporter {
  readonly #options: WorldImporterOptions;
  readonly #from: ChainSigner;
  readonly #to: ChainSigner;

  constructor(options: WorldImporterOptions) {
    this.#options = options;
    this.#from = createChainSigner(options.sourceKey, options.retiredKeys);
    this.#to = createChainSigner(options.targetKey);
  }

  /**
   * Reads the world of an open database.
   *
   * @param db the source, opened as untrusted
   * @param folder name of its folder
   * @throws the error of SQLite if the file does not have the tables and values of a world
   */
  read(db: DatabaseSync, folder: string): IncomingWorld | SkippedWorld {
    if (Number(db.prepare(sql.SELECT_DELETED_MARK).get()?.user_version) === 1) {
      return { kind: "deleted", reason: "it was deleted and is not in the trash yet" };
    }
    const to = new DatabaseSync(":memory:");
    try {
      const read = isV5World(db) ? this.#readV5(db, to, folder) : this.#readOwn(db, to, folder);
      return "kind" in read ? read : skipIfMalformed(read, to);
    } finally {
      to.close();
    }
  }

  #readOwn(db: DatabaseSync, to: DatabaseSync, folder: string): IncomingWorld | SkippedWorld {
    const name = fromFolderName(folder);
    if (name === undefined) {
      const plain = folder.replaceAll("%2F", "/").replaceAll("%25", "%");
      return {
        kind: "name",
        reason: nameFault(plain) ?? "its folder name is not the encoding of a world name",
      };
    }
    const { faults } = verifyWorld(db, name, this.#from);
    // Every event is signed with the key of the target, which then needs no retired key of the source.
    const isResigned = this.#options.sourceKey !== this.#options.targetKey ||
      this.#from.retired !== undefined;
    copyWorld(db, to, {
      versions: ALL_VERSIONS,
      ...(isResigned ? { signers: { from: this.#from, to: this.#to } } : {}),
    });
    const state = String(readStageRow(rowsOf(to))?.state ?? "");
    // Any state but these two could start the plugin.
    const wasActive = state !== "" && state !== "pending" && state !== "disabled";
    const active = wasActive && this.#options.keepActive;
    if (wasActive && !active) this.#demote(to, state);
    return { name, image: toFileImage(to), faults, wasActive, active };
  }

  #readV5(db: DatabaseSync, to: DatabaseSync, folder: string): IncomingWorld | SkippedWorld {
    const name = convertV5Name(folder);
    if (name.fault !== undefined) return { kind: "name", reason: name.fault };
    const wasActive = db.prepare("SELECT * FROM stage_meta WHERE id = 1").get()?.state === "active";
    const { v5Key: key, now } = this.#options;
    const v5Chain = copyV5World(db, to, { name, key, signer: this.#to, now });
    if (v5Chain === undefined) return { kind: "empty", reason: "it was never written" };
    return {
      name: name.name,
      image: toFileImage(to),
      faults: [],
      v5Chain,
      wasActive,
      active: false,
    };
  }

  /** The operator of this server has not approved a plugin that was approved on another server. */
  #demote(db: DatabaseSync, from: string): void {
    const { now } = this.#options;
    const version = Number(readStageRow(rowsOf(db))?.version);
    const head = db.prepare(sql.LAST_EVENT).get();
    const [id, previous] = [Number(head?.id) + 1, String(head?.hmac)];
    const payload = JSON.stringify({
      from,
      to: "pending",
      version,
      reason: "imported from another server",
      by: IMPORT_ACTOR,
    });
    const hmac = this.#to(previous, now, "state_transition", payload);
    db.prepare(sql.SET_STATE).run("pending", now);
    db.prepare(sql.INSERT_EVENT).run(id, now, "state_transition", payload, hmac, previous);
  }
}

/** The writer of the server would refuse a malformed list, and every capability with it. */
function skipIfMalformed(world: IncomingWorld, db: DatabaseSync): IncomingWorld | SkippedWorld {
  if (world.name !== REVOKED_WORLD) return world;
  const body = readStage(rowsOf(db))?.stage_html;
  const fault = body instanceof Uint8Array ? revokedListFault(new Uint8Array(body)) : undefined;
  return fault === undefined ? world : {
    kind: "content",
    reason: `${fault}; no capability is revoked by it until /${REVOKED_WORLD} is written again`,
  };
}
