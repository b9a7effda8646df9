/**
 * The SQLite file of the change index: opens and closes it, holds its prepared statements, and notices
 * when another program has changed it. It knows no table.
 */

import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { assertRegularFiles } from "../file/regular_files.ts";
import { indexLost } from "../index_errors.ts";

/** A row of a result. */
export type IndexRow = Readonly<Record<string, unknown>>;

/** See the module. */
export class IndexDatabase {
  readonly #statements = new Map<string, StatementSync>();
  #db: DatabaseSync | undefined;
  #path = "";
  /** The files after the last change by this connection. */
  #state: FileState = { place: "", content: "" };

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
    this.#path = path;
    this.#db = new DatabaseSync(path);
    this.#db.exec(setup);
  }

  /** Remembers the files as they are; called after each job that can change them. */
  recordState(): void {
    if (this.isOpen) this.#state = readState(this.#path);
  }

  /**
   * Looks whether another program has changed the files since then. SQLite would not: it reads from
   * its memory, and it writes to a file that was deleted.
   *
   * @returns `place` if the path is another file now or none, `content` if the file was changed
   */
  findChange(): "place" | "content" | undefined {
    const { place, content } = readState(this.#path);
    if (place !== this.#state.place) return "place";
    return content === this.#state.content ? undefined : "content";
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
    if (this.#db === undefined) throw indexLost();
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

/** What identifies a file, and what changes with its content and with that of its log. */
interface FileState {
  /** Empty if the path is not a regular file. */
  readonly place: string;
  readonly content: string;
}

/** Two calls of `lstat`, about 5 µs in total (2 cores, Deno 2.9.6). */
function readState(path: string): FileState {
  const file = readFacts(path);
  const log = readFacts(`${path}-wal`);
  return { place: file?.place ?? "", content: `${file?.content} ${log?.place} ${log?.content}` };
}

function readFacts(path: string): FileState | undefined {
  try {
    const { isFile, dev, ino, size, mtime } = Deno.lstatSync(path);
    if (!isFile) return undefined;
    return { place: `${dev} ${ino}`, content: `${size} ${mtime?.getTime()}` };
  } catch {
    return undefined; // it does not exist, or it cannot be used
  }
}
