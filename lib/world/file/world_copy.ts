/**
 * A copy of a world that is being written into an empty database, row by row: by `copyWorld` from a
 * file, by other engines from their rows. The chain of the copy can be signed with another key.
 */

import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import {
  CHAIN_START,
  type ChainSigner,
  type ChainState,
  GENESIS,
  stepChain,
  toEventRow,
} from "../event_chain.ts";
import * as sql from "./sql.ts";

/** The two keys of a copy whose chain is signed with another key. */
export interface CopySigners {
  /** Signer of the world's chain. */
  readonly from: ChainSigner;
  /** Signer of the copy's chain. */
  readonly to: ChainSigner;
}

/** How a copy is written. */
export interface WorldCopyOptions {
  /** Signs the events of the copy with another key; if absent, the HMACs are copied. */
  readonly signers?: CopySigners;
  /** Called with the payload of each event. */
  readonly onPayload?: (payload: string) => void;
}

/** The columns of a row by their names in the file of a world. */
export type CopyRow = Readonly<Record<string, SQLInputValue | undefined>>;

/**
 * One copy. With `signers`, events are signed with the new key up to the first event that is not valid
 * under the world's key. That event and all later ones keep their HMACs, so that the copy is broken at
 * the same event.
 */
export class WorldCopy {
  readonly #to: DatabaseSync;
  readonly #signer: ChainReSigner | undefined;
  readonly #onPayload: ((payload: string) => void) | undefined;
  readonly #statements = new Map<string, StatementSync>();

  /**
   * Begins a copy: creates the tables and begins the transaction.
   *
   * @param to an empty database
   */
  constructor(to: DatabaseSync, { signers, onPayload }: WorldCopyOptions = {}) {
    this.#to = to;
    this.#signer = signers === undefined ? undefined : new ChainReSigner(signers);
    this.#onPayload = onPayload;
    to.exec(sql.CREATE_WORLD);
    to.exec("BEGIN");
  }

  /** Writes the current version; its bytes are in `stage_html`. */
  writeStage({ stage_html, version, updated_at, ext, headers, state }: CopyRow): void {
    this.#insert(sql.INSERT_STAGE, [stage_html, version, updated_at, ext, headers, state]);
  }

  /** Writes the next event of the chain. */
  writeEvent(row: CopyRow): void {
    if (typeof row.payload === "string") this.#onPayload?.(row.payload);
    const { hmac, prev_hmac } = this.#signer?.sign(row) ?? row;
    const { id, timestamp, event_type, payload } = row;
    this.#insert(sql.INSERT_EVENT, [id, timestamp, event_type, payload, hmac, prev_hmac]);
  }

  /** Creates the tables of earlier versions; before the first of them. */
  beginHistory(): void {
    this.#to.exec(sql.CREATE_HISTORY);
  }

  /** Writes an earlier version, without its bytes. */
  writeVersion({ version, kind, ext, headers, state, updated_at, len, sha256 }: CopyRow): void {
    this.#insert(
      sql.INSERT_VERSION,
      [version, kind, ext, headers, state, updated_at, len, sha256],
    );
  }

  /** Writes the bytes of a hash, unless they are written. */
  writeContent(sha256: SQLInputValue, bytes: SQLInputValue | undefined): void {
    this.#insert(sql.INSERT_CONTENT, [sha256, bytes]);
  }

  /** Completes the copy. */
  end(): void {
    this.#to.exec("COMMIT");
  }

  #insert(statement: string, values: readonly (SQLInputValue | undefined)[]): void {
    let prepared = this.#statements.get(statement);
    if (prepared === undefined) {
      prepared = this.#to.prepare(statement);
      this.#statements.set(statement, prepared);
    }
    prepared.run(...values.map((value) => value ?? null));
  }
}

/** Checks the events of a chain in order and signs the valid ones with the new key. */
class ChainReSigner {
  readonly #signers: CopySigners;
  #chain: ChainState = CHAIN_START;
  #head = GENESIS;

  constructor(signers: CopySigners) {
    this.#signers = signers;
  }

  /** Returns the new HMACs of the next event, or `undefined` if it keeps its own. */
  sign(row: CopyRow): { readonly hmac: string; readonly prev_hmac: string } | undefined {
    const event = toEventRow(row);
    this.#chain = stepChain(this.#chain, event, this.#signers.from);
    if (this.#chain.brokenAt !== undefined) return undefined;
    const prev_hmac = this.#head;
    const { timestamp, event_type, payload } = event;
    this.#head = this.#signers.to(prev_hmac, timestamp, event_type, payload);
    return { hmac: this.#head, prev_hmac };
  }
}
