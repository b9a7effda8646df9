/**
 * The SQLite file of the change index: opens and closes it, and holds its prepared statements. It knows
 * no table.
 */

import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { assertRegularFiles } from "../file/regular_files.ts";

/** A row of a result. */
export type IndexRow = Readonly<Record<string, unknown>>;

/** See the module. */
export class IndexDatabase {
  readonly #statements = new Map<string, StatementSync>();
  #db: DatabaseSync | undefined;

  /** Whether the file is open. */
  get isOpen(): boolean {
    return this.#db !== undefined;
  }

  /**
   * Opens the file, and creates it if it is missing.
   *
   * @param setup statements that set up the connection
   */
  open(path: string, setup: string): void {
    assertRegularFiles(path);
    this.#db = new DatabaseSync(path);
    this.#db.exec(setup);
  }

  /** Closes the file if it is open. */
  close(): void {
    const db = this.#db;
    this.#db = undefined;
    this.#statements.clear();
    db?.close();
  }

  /** Reads the first row of a result. */
  get(statement: string, ...values: SQLInputValue[]): IndexRow | undefined {
    return this.#prepared(statement).get(...values);
  }

  /** Reads all rows of a result. */
  all(statement: string, ...values: SQLInputValue[]): IndexRow[] {
    return this.#prepared(statement).all(...values);
  }

  /** Runs a statement; returns the number of changed rows. */
  run(statement: string, ...values: SQLInputValue[]): number {
    return Number(this.#prepared(statement).run(...values).changes);
  }

  /** Runs statements without values that can change the tables. */
  exec(statements: string): void {
    this.#statements.clear();
    this.#getDb().exec(statements);
  }

  /**
   * Runs a function in one transaction.
   *
   * @param beforeCommit called after the function
   */
  transact<T>(change: () => T, beforeCommit: () => void): T {
    this.run("BEGIN IMMEDIATE");
    try {
      const result = change();
      beforeCommit();
      this.run("COMMIT");
      return result;
    } catch (error) {
      if (this.#db?.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  #getDb(): DatabaseSync {
    if (this.#db === undefined) throw new Error("the change index is not open");
    return this.#db;
  }

  #prepared(statement: string): StatementSync {
    let found = this.#statements.get(statement);
    if (found === undefined) {
      found = this.#getDb().prepare(statement);
      this.#statements.set(statement, found);
    }
    return found;
  }
}
