/**
 * Reads the file of one world as the rows that the database gets: as they are, except that a chain with
 * events of a retired key is signed with the current one. The file is never changed.
 */

import { DatabaseSync } from "node:sqlite";
import { sha256Hex } from "../../base/hash.ts";
import { readPayload } from "../change_values.ts";
import { type EventRow, toEventRow } from "../event_chain.ts";
import { isSignedWithOtherKey } from "../file/chain_key.ts";
import { copyWorld } from "../file/copy_world.ts";
import { withOfflineFile } from "../file/offline_file.ts";
import { readChain } from "../file/read_chain.ts";
import { readStage, rowsOf, toBytes } from "../file/read_stage.ts";
import * as sql from "../file/sql.ts";
import { toVersionColumns, type VersionColumns } from "../file/version_columns.ts";
import { verifyWorld, type WorldFault } from "../file/verify_world.ts";
import type { CopySigners } from "../file/world_copy.ts";
import { readMark } from "../idempotency_mark.ts";
import { nameFault } from "../name.ts";
import { StoreError } from "../store.ts";
import { toIndexEntry } from "../store/index_entry.ts";

/** Events that are read at a time. */
const EVENTS_PER_STEP = 500;
const ALL_VERSIONS = Number.MAX_SAFE_INTEGER;

/** The current version of a world that is imported. */
export interface ImportedRow extends VersionColumns {
  readonly sha256: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** An earlier version of a world that is imported. */
export interface ImportedVersion extends VersionColumns {
  readonly kind: string;
  readonly len: number;
  readonly sha256: string | null;
  /** Its bytes; null if it is the beginning of the next version, or the file does not have them. */
  readonly body: Uint8Array<ArrayBuffer> | null;
  /** Whether the file does not have its bytes. */
  readonly isMissing: boolean;
}

/** An event of a world that is imported. */
export interface ImportedEvent extends EventRow {
  /** Name of the world after the event, and the other name of a move. */
  readonly name: string;
  readonly also: string | null;
  readonly by: string;
  /** The key of its request, if that had one. */
  readonly key: string | null;
  readonly restricted: boolean;
  readonly alsoRestricted: boolean;
}

/** How files are read. */
export interface WorldFileReaderOptions {
  readonly signers: CopySigners;
  /** Whether only T3 can read a world. */
  readonly isRestricted: (name: string) => boolean;
  /** Returns an empty folder for copies of files that have a log. */
  readonly scratchFolder: () => string;
}

/** The file of a world in memory. */
export class ImportedWorld {
  readonly #db: DatabaseSync;
  readonly #isRestricted: (name: string) => boolean;
  readonly row: ImportedRow;
  readonly head: EventRow;

  /** @param db the copy, which is closed with this object */
  private constructor(
    db: DatabaseSync,
    readonly name: string,
    readonly faults: readonly WorldFault[],
    /** Whether the file is marked as deleted. */
    readonly isDeleted: boolean,
    /** Whether another key signed the chain. */
    readonly hasOtherKey: boolean,
    isRestricted: (name: string) => boolean,
  ) {
    this.#db = db;
    this.#isRestricted = isRestricted;
    this.row = readRow(db);
    const head = db.prepare(sql.LAST_EVENT).get();
    if (head === undefined) throw damaged("it has no events");
    this.head = toEventRow(head);
  }

  /**
   * Reads a file.
   *
   * @param path path of the file, which no process changes
   * @param name the name of the world
   * @throws what SQLite throws if the file is not that of a world
   */
  static read(path: string, name: string, options: WorldFileReaderOptions): ImportedWorld {
    const { signers, isRestricted, scratchFolder } = options;
    const to = new DatabaseSync(":memory:");
    try {
      const { faults, isDeleted, hasOtherKey } = withOfflineFile(path, scratchFolder, (db) => {
        const found = verifyWorld(db, name, signers.from);
        // The rule of a server: a key that signed other events at the ends is that of the chain.
        const hasOtherKey = found.faults.some(({ check }) => check === "chain") &&
          isSignedWithOtherKey(rowsOf(db), signers.from);
        // Signing again gives the same HMACs, except for events of a retired key.
        const isSigned = signers.from.retired !== undefined;
        copyWorld(db, to, { versions: ALL_VERSIONS, ...(isSigned ? { signers } : {}) });
        return { ...found, hasOtherKey };
      });
      return new ImportedWorld(to, name, faults, isDeleted, hasOtherKey, isRestricted);
    } catch (error) {
      to.close();
      throw error;
    }
  }

  /** Time and caller of its end, if its newest event is one. */
  get end(): { readonly deletedAt: string; readonly by: string } {
    const { id, timestamp, event_type: type, payload } = this.head;
    const isEnd = type === "world_deleted" || type === "world_moved";
    const { by } = readPayload({ id, timestamp, type, payload });
    return { deletedAt: timestamp, by: isEnd ? by : "" };
  }

  /** Whether only T3 can read it. */
  get restricted(): boolean {
    return this.#isRestricted(this.name);
  }

  /** Reads the events in steps, oldest first. */
  *events(): Generator<readonly ImportedEvent[], void> {
    const page = this.#db.prepare(sql.EVENTS_AFTER);
    for (let after = Number.MIN_SAFE_INTEGER;;) {
      const rows = page.all(after, EVENTS_PER_STEP).map(toEventRow);
      const { parts, more } = readChain(this.#db, this.name, after, EVENTS_PER_STEP);
      const names = parts.flatMap(({ name, events }) => events.map(() => name));
      const namesAt = (at: number) => {
        const name = names[at] ?? this.name;
        return isName(name) ? name : this.name;
      };
      yield rows.map((row, at) => this.#toEvent(row, namesAt(at)));
      after = rows.at(-1)?.id ?? after;
      if (!more) return;
    }
  }

  /** Reads the earlier versions, oldest first. */
  *versions(): Generator<ImportedVersion, void> {
    if (this.#db.prepare(sql.HAS_HISTORY).get() === undefined) return;
    const content = this.#db.prepare(sql.CONTENT_OF);
    for (const row of this.#db.prepare(sql.VERSIONS_FROM).all(0)) {
      const sha256 = typeof row.sha256 === "string" ? row.sha256 : null;
      const found = sha256 === null ? undefined : content.get(sha256);
      yield {
        ...toVersionColumns(row),
        kind: String(row.kind),
        len: Number(row.len),
        sha256,
        body: found === undefined ? null : toBytes(found.bytes),
        isMissing: sha256 !== null && found === undefined,
      };
    }
  }

  /** Closes the copy. */
  close(): void {
    this.#db.close();
  }

  #toEvent(row: EventRow, name: string): ImportedEvent {
    const { id, timestamp, event_type: type, payload } = row;
    const event = { id, timestamp, type, payload };
    const { restricted, alsoRestricted } = toIndexEntry(name, [event], this.#isRestricted);
    const { by, from, to } = readPayload(event);
    const also = from === name ? to : from;
    return {
      ...row,
      name,
      also: also !== undefined && isName(also) ? also : null,
      by,
      key: readMark(payload)?.key ?? null,
      restricted,
      alsoRestricted: alsoRestricted ?? restricted,
    };
  }
}

type Row = Readonly<Record<string, unknown>>;

/** Whether a text of an event is a name; that of a chain that was altered can be any text. */
function isName(text: string): boolean {
  return nameFault(text) === undefined;
}

function readRow(db: DatabaseSync): ImportedRow {
  const stage = readStage(rowsOf(db));
  if (stage === undefined) throw damaged("its file has no row");
  const body = toBytes(stage.stage_html);
  return { ...toVersionColumns(stage), sha256: sha256Hex(body), body };
}

function damaged(fault: string): StoreError {
  return new StoreError("damaged", `Cannot import the world: ${fault}`);
}
