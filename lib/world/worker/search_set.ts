/**
 * One of the two sets of tables of the search index, see search_sql.ts: adds, replaces and removes the
 * texts of worlds, and adds texts that wait to the full-text index.
 */

import type { DatabaseSync, SQLInputValue, StatementSync } from "node:sqlite";
import { foldText } from "../../base/fold_text.ts";
import { splitText, type TextPiece, toIndexedText } from "../search_text.ts";
import type { SetSql } from "./search_sql.ts";

/** A world in a set. */
export interface SearchedWorld {
  readonly name: string;
  readonly stamp: string;
  readonly version: number;
  readonly form: number;
  /** Absent if the content is not text, or too long. */
  readonly text?: string;
  readonly isTooLong: boolean;
}

/** A row of a statement. */
export type Row = Record<string, unknown>;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** See the module. All changes must be in a transaction of the caller. */
export class SearchSet {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #worlds = 0;
  #waitingChars = 0;

  constructor(db: DatabaseSync, readonly sql: SetSql) {
    this.#db = db;
  }

  /** Worlds with a text. */
  get worlds(): number {
    return this.#worlds;
  }

  /** Characters of the texts that are not in the full-text index. */
  get waitingChars(): number {
    return this.#waitingChars;
  }

  /** Reads the figures again: at the start, and after a transaction that was undone. */
  recount(): void {
    this.#worlds = Number(this.get(this.sql.countWorlds)?.count);
    this.#waitingChars = Number(this.get(this.sql.countWaiting)?.chars);
  }

  /** The names of all worlds, with and without a text. */
  names(): string[] {
    return this.all(this.sql.selectNames).map(({ name }) => String(name));
  }

  /** Whether the set has a world with this stamp and form. */
  has(name: string, stamp: string, form: number): boolean {
    const found = this.get(this.sql.selectWorld, name);
    return found !== undefined && found.stamp === stamp && Number(found.form) === form;
  }

  /** Adds or replaces a world. The beginning of the text that is unchanged stays indexed. */
  put(world: SearchedWorld): void {
    const { name, stamp, version, form, text, isTooLong } = world;
    const known = this.get(this.sql.selectWorld, name);
    const chars = text === undefined ? null : text.length;
    const fields = [stamp, version, form, chars, isTooLong ? 1 : 0] as const;
    let id = Number(known?.id);
    if (known === undefined) id = this.#insert(this.sql.insertWorld, name, ...fields);
    else this.#run(this.sql.updateWorld, ...fields, id);
    this.#worlds += (chars === null ? 0 : 1) - countOf(known);
    this.#replacePieces(id, text === undefined ? [] : splitText(withoutMark(text)));
  }

  /** Removes a world, if it is present. */
  remove(name: string): void {
    const known = this.get(this.sql.selectWorld, name);
    if (known === undefined) return;
    const id = Number(known.id);
    this.#replacePieces(id, []);
    this.#run(this.sql.deleteWorld, id);
    this.#worlds -= countOf(known);
  }

  /**
   * Adds the text that waits for the longest time to the full-text index.
   *
   * @returns whether there was one
   */
  indexOne(): boolean {
    const id = this.get(this.sql.selectWaiting)?.id;
    if (id === undefined) return false;
    const text = this.readText(Number(id));
    this.#run(this.sql.insertGrams, Number(id), toIndexedText(foldText(text)));
    this.#waitingChars -= Number(this.get(this.sql.deleteWaiting, Number(id))?.chars);
    return true;
  }

  /** Reads the text of a piece. */
  readText(id: number): string {
    const text = this.get(this.sql.selectText, id)?.text;
    return text instanceof Uint8Array ? decoder.decode(text) : "";
  }

  /** Runs a statement of this set and returns its first row. */
  get(statement: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepare(statement).get(...values);
  }

  /** Runs a statement of this set and returns its rows. */
  all(statement: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepare(statement).all(...values);
  }

  #replacePieces(world: number, pieces: Iterable<TextPiece>): void {
    const known = this.all(this.sql.selectPieces, world);
    let kept = 0;
    let isSame = true;
    for (const { line, column, text } of pieces) {
      const before = known[kept];
      isSame &&= before !== undefined && this.readText(Number(before.id)) === text;
      if (isSame) {
        kept += 1;
        continue;
      }
      const id = this.#insert(this.sql.insertPiece, world, line, column);
      this.#run(this.sql.insertText, id, encoder.encode(text));
      this.#run(this.sql.insertWaiting, id, text.length);
      this.#waitingChars += text.length;
    }
    for (const { id } of known.slice(kept)) this.#deletePiece(Number(id));
  }

  #deletePiece(id: number): void {
    const waiting = this.get(this.sql.deleteWaiting, id);
    if (waiting === undefined) this.#run(this.sql.deleteGrams, id);
    else this.#waitingChars -= Number(waiting.chars);
    this.#run(this.sql.deleteText, id);
    this.#run(this.sql.deletePiece, id);
  }

  #insert(statement: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepare(statement).run(...values).lastInsertRowid);
  }

  #run(statement: string, ...values: SQLInputValue[]): void {
    this.#prepare(statement).run(...values);
  }

  #prepare(statement: string): StatementSync {
    let prepared = this.#statements.get(statement);
    if (prepared === undefined) {
      prepared = this.#db.prepare(statement);
      this.#statements.set(statement, prepared);
    }
    return prepared;
  }
}

/** 1 for the row of a world with a text, else 0. */
function countOf(row: Row | undefined): number {
  return row === undefined || row.chars === null ? 0 : 1;
}

/** A byte order mark is not part of the first line. */
function withoutMark(text: string): string {
  return text.startsWith("\ufeff") ? text.slice(1) : text;
}
