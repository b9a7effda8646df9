/**
 * The change index on disk: every event of every world in the order in which the store published
 * them. The file is derived data: what is missing after a crash is read from the chains again, and a
 * lost or damaged file is created again. A cursor that was published is never used for another change:
 * rows are on disk, as far as a killed process is concerned, before their cursor is published, and
 * each run of the server has its own id in its cursors, because a power loss can lose the newest rows.
 */

import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import {
  CHANGE_PATH_CACHE_ENTRIES,
  CHANGE_SCAN_STEP,
  STAGED_EVENTS_PER_STEP,
} from "../../limits.ts";
import { CursorCodec, type CursorPosition, NO_RUN } from "../change_cursor.ts";
import {
  type AppendResult,
  type ChainHead,
  type ChangePage,
  type ChangeQuery,
  type CommittedEvent,
  GAP,
  type IndexedEvent,
  type IndexedHead,
  type IndexEntry,
  type KeyedEvent,
  toChainId,
  type Within,
} from "../changes.ts";
import { unpackEntry } from "../packed_entry.ts";
import { tryRemove } from "../file/durable_fs.ts";
import { assertRegularFiles } from "../file/regular_files.ts";
import { readMark } from "../idempotency_mark.ts";
import { StoreError } from "../store.ts";
import {
  collectionsOf,
  createFilter,
  parseJson,
  pathKey,
  readPayload,
  toHead,
} from "./change_values.ts";
import * as sql from "./change_sql.ts";

/** File name of the change index in the data folder. */
export const CHANGES_FILE = ".changes.db";

type Row = Record<string, unknown>;

/** A page that is being collected. */
interface Scan {
  readonly rows: Row[];
  /** Position of the last row that was looked at. */
  at: number;
  isComplete: boolean;
}

/** The change index of one data folder; the file is opened at first use. */
export class ChangeFile {
  readonly #path: string;
  readonly #run: string;
  readonly #codec: CursorCodec;
  readonly #statements = new Map<string, StatementSync>();
  readonly #pathIds = new Map<string, number>();
  /** The heads that the open transaction changes, of the chain that each name has. */
  readonly #heads = new Map<string, IndexedHead>();
  #db: DatabaseSync | undefined;
  #last = 0;
  #latest = "";
  #isRunSaved = false;
  /** The chain that is being staged, and its latest time so far. */
  #staged = { chain: "", latest: "" };

  /**
   * @param data path of the data folder
   * @param key the signing key of the server, which hides the positions in cursors
   * @param run id of this run of the server: 8 lower-case hexadecimal digits
   */
  constructor(data: string, key: string, run: string) {
    this.#codec = new CursorCodec(key);
    this.#path = `${data}/${CHANGES_FILE}`;
    this.#run = run;
  }

  /**
   * Opens the index.
   *
   * @returns whether it is complete; if not, it is empty and {@link ChangeFile.stage} must get the
   * events of all chains
   */
  open(): boolean {
    this.close();
    if (this.#openComplete()) return true;
    this.close();
    for (const end of ["", "-wal", "-shm"]) tryRemove(`${this.#path}${end}`);
    this.#openFile().exec(sql.CREATE);
    return false;
  }

  /** The position of the newest change. */
  get position(): CursorPosition {
    const found = this.#last === 0 ? undefined : this.#get(sql.RUN_OF, this.#last);
    return { seq: this.#last, run: String(found?.run ?? NO_RUN) };
  }

  /** The position of the newest change as a cursor. */
  get cursor(): string {
    return this.#codec.format(this.position);
  }

  /**
   * Adds events to an index that is not complete: one chain after the other, in any order. A world that is
   * deleted or moved during that time can be read twice; each event is added once.
   */
  stage(entries: readonly IndexEntry[]): void {
    this.#transact(() => {
      for (const entry of entries) {
        const { name, restricted, alsoRestricted, events, chain = "", ended = false } = entry;
        const flags = [restricted ? 1 : 0, alsoRestricted ? 1 : 0];
        const known = this.headOfChain(chain)?.event ?? 0;
        for (const { id, timestamp, type, payload } of events) {
          if (id <= known) continue;
          const before = this.#staged.chain === chain ? this.#staged.latest : "";
          const latest = timestamp > before ? timestamp : before;
          this.#staged = { chain, latest };
          this.#exec(
            sql.STAGE_EVENT,
            ...[name, id, timestamp, type, payload, ...flags, chain, latest],
          );
        }
        const last = events.at(-1);
        if (last !== undefined && last.id >= known) this.#saveHead(name, chain, last, ended);
      }
    });
  }

  /** Orders the staged events by time and completes the index, in steps. */
  *complete(): Generator<void, void> {
    this.#getDb().exec(sql.INDEX_STAGED);
    let position: [string, string, number] = ["", "", 0];
    for (;;) {
      const rows = this.#all(sql.STAGED_AFTER, ...position, STAGED_EVENTS_PER_STEP);
      this.#transact(() => {
        for (const row of rows) {
          const { name, event, at, type, payload, restricted, also_restricted } = row;
          const found = {
            id: Number(event),
            timestamp: String(at),
            type: String(type),
            payload: String(payload),
          };
          const flags = {
            restricted: Number(restricted) === 1,
            alsoRestricted: Number(also_restricted) === 1,
          };
          this.#appendEvent({ name: String(name), ...flags }, found);
          position = [String(row.latest), String(row.chain), found.id];
        }
      });
      if (rows.length < STAGED_EVENTS_PER_STEP) break;
      yield;
    }
    this.#statements.clear();
    this.#getDb().exec(sql.COMPLETE);
  }

  /**
   * Appends events in one transaction. An entry is refused if events of its chain before it are not
   * indexed, and so are all later entries: they must be sent again after the missing ones.
   *
   * @param entries entries, or packed ones (`packEntry`)
   */
  append(entries: readonly (IndexEntry | string)[]): AppendResult[] {
    let isRefused = false;
    return this.#transact(() =>
      entries.map((entry) => {
        if (isRefused) return GAP;
        const result = this.#appendEntry(typeof entry === "string" ? unpackEntry(entry) : entry);
        isRefused = result === GAP;
        return result;
      })
    );
  }

  /** Returns the names whose newest event is not indexed. */
  behind(heads: readonly ChainHead[]): string[] {
    return heads.filter(({ name, event, at }) => {
      const known = this.headOf(name);
      return known === undefined || known.ended || known.event !== event || known.at !== at;
    }).map(({ name }) => name);
  }

  /**
   * Returns the names that have a world in the index and are not in the given names.
   *
   * @param names the names of all worlds in the upper layer
   */
  vanished(names: readonly string[]): string[] {
    const present = new Set(names);
    return this.#all(sql.OPEN_HEADS).map(({ name }) => String(name))
      .filter((name) => !present.has(name));
  }

  /**
   * Returns the entries of the trash whose worlds are not indexed.
   *
   * @param ids ids of all entries
   */
  unknownBins(ids: readonly string[]): string[] {
    return ids.filter((id) => this.#get(sql.SELECT_BIN, id) === undefined);
  }

  /** Records that the worlds of an entry of the trash are indexed. */
  saveBin(id: string): void {
    this.#exec(sql.SAVE_BIN, id);
  }

  /** Returns what the index knows about the chain that a name has, or had last. */
  headOf(name: string): IndexedHead | undefined {
    return this.#heads.get(name) ?? toHead(this.#get(sql.SELECT_HEAD, name));
  }

  /** Returns what the index knows about a chain, whatever name it has. */
  headOfChain(chain: string): IndexedHead | undefined {
    const changed = [...this.#heads.values()].filter((head) => head.chain === chain);
    if (changed.length > 0) return changed.reduce((a, b) => b.event > a.event ? b : a);
    return toHead(this.#get(sql.SELECT_CHAIN, chain));
  }

  /**
   * Reads one page. Works in steps, so that other jobs can run between two of them.
   *
   * @returns a generator that returns the page
   * @throws {StoreError} `gone` if the position cannot be located
   */
  *page(query: ChangeQuery): Generator<void, ChangePage> {
    const start = this.#startOf(query);
    const lists = query.within.flatMap((part) => this.#listsOf(part));
    const scan: Scan = { rows: [], at: start, isComplete: lists.length === 0 };
    const lowest = query.since === undefined ? 0 : this.#firstSince(query.since);
    const matches = createFilter(query);
    let left = query.maxSteps ?? Infinity;
    while (left-- > 0 && !scan.isComplete && scan.rows.length < query.limit) {
      this.#scanStep(query, lists, scan, lowest, matches);
      yield;
    }
    const events = scan.rows.map((row) => this.#toEvent(row));
    // Only a position that the query covers, so that it tells nothing about other changes.
    const position = scan.at === start && query.from === undefined ? 0 : scan.at;
    return { events, cursor: this.#cursorOf(position), more: !scan.isComplete };
  }

  /** Returns the events of changes with an idempotency key, oldest first. */
  keyed(key: string): KeyedEvent[] {
    return this.#all(sql.CHANGES_OF_KEY, key).map(({ name, event, at, type, payload }) => ({
      name: String(name),
      id: Number(event),
      timestamp: String(at),
      type: String(type),
      payload: parseJson(String(payload)),
    }));
  }

  /** Closes the file if it is open. */
  close(): void {
    this.#statements.clear();
    this.#pathIds.clear();
    this.#db?.close();
    this.#db = undefined;
  }

  #scanStep(
    { order, limit }: ChangeQuery,
    lists: readonly List[],
    scan: Scan,
    lowest: number,
    matches: (row: Row) => boolean,
  ): void {
    const isNewest = order === "newest";
    const step = Math.min(CHANGE_SCAN_STEP, Math.max(limit - scan.rows.length, 64));
    const found = new Set<number>();
    let isShort = true;
    let bound = isNewest ? -Infinity : Infinity;
    for (const list of lists) {
      const rows = this.#all(isNewest ? list.newest : list.oldest, list.key, scan.at, step);
      for (const { seq } of rows) found.add(Number(seq));
      if (rows.length < step) continue;
      isShort = false;
      // Beyond the end of a list that was cut, other lists must not be used in this step.
      const end = Number(rows.at(-1)?.seq);
      bound = isNewest ? Math.max(bound, end) : Math.min(bound, end);
    }
    const seqs = [...found].sort((a, b) => isNewest ? b - a : a - b);
    for (const seq of seqs) {
      if (isNewest ? seq < bound : seq > bound) break;
      if (isNewest && seq < lowest) {
        scan.isComplete = true;
        return;
      }
      scan.at = seq;
      if (seq < lowest) continue;
      const row = this.#get(sql.SELECT_CHANGE, seq);
      if (row !== undefined && matches(row)) scan.rows.push(row);
      if (scan.rows.length === limit) {
        // Whether more follow is known only if a later one was found.
        scan.isComplete = isShort && seq === seqs.at(-1);
        return;
      }
    }
    scan.isComplete = isShort;
  }

  #startOf({ order, from }: ChangeQuery): number {
    if (from === undefined) return order === "newest" ? this.#last + 1 : 0;
    const seq = this.#locate(from);
    if (seq === undefined) {
      throw new StoreError(
        "gone",
        "Cannot continue: the server does not know the position; it lost its newest changes",
      );
    }
    return seq;
  }

  /** Returns the number of a position if this index contains the change that was published with it. */
  #locate(cursor: string): number | undefined {
    const position = this.#codec.parse(cursor);
    if (position === undefined) return undefined;
    const { seq, run } = position;
    if (seq > this.#last) return undefined;
    if (seq === 0) return 0;
    const found = this.#get(sql.RUN_OF, seq);
    return String(found?.run) === run ? seq : undefined;
  }

  #cursorOf(seq: number): string {
    if (seq === 0) return this.#codec.format({ seq, run: NO_RUN });
    const found = this.#get(sql.RUN_OF, seq);
    return this.#codec.format({ seq, run: String(found?.run ?? this.#run) });
  }

  /** The number of the first change from which on a change of this time or later can be found. */
  #firstSince(since: string): number {
    let low = 1;
    let high = this.#last + 1;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const found = this.#get(sql.LATEST_AT_OR_AFTER, middle);
      if (found === undefined || String(found.latest) >= since) high = middle;
      else low = Number(found.seq) + 1;
    }
    return low;
  }

  #appendEntry(entry: IndexEntry): AppendResult {
    const { name, events, ended = false } = entry;
    const [first] = events;
    const last = events.at(-1);
    if (first === undefined || last === undefined) {
      this.#endHead(name, ended, entry.chain);
      return 0;
    }
    const before = this.#headBefore(entry, first, last);
    if (before === undefined) return GAP;
    const next = events.find(({ id }) => id > before.event);
    // Times never decrease in a chain: these are events of an earlier world of the name.
    if (next !== undefined && entry.chain === undefined && next.timestamp < before.at) return GAP;
    let seq = 0;
    for (const event of events) {
      if (event.id > before.event) seq = this.#appendEvent(entry, event);
    }
    const { from } = first.type === "world_moved" ? readPayload(first) : {};
    if (from !== undefined && from !== name) this.#endHead(from, true, before.chain);
    const isNewest = last.id === before.event && last.timestamp === before.at;
    if (next !== undefined || isNewest) this.#saveHead(name, before.chain, last, ended);
    return seq;
  }

  /** The newest indexed event before the events of an entry; undefined if some are missing. */
  #headBefore(
    { name, chain }: IndexEntry,
    first: CommittedEvent,
    last: CommittedEvent,
  ): Pick<IndexedHead, "chain" | "event" | "at"> | undefined {
    if (chain !== undefined) return this.headOfChain(chain) ?? { chain, event: 0, at: "" };
    if (first.id > 1 && first.hmac !== undefined) {
      // A restored world: its name can have had another chain.
      const chainHead = this.headOfChain(first.hmac);
      return chainHead && first.id <= chainHead.event + 1 ? chainHead : undefined;
    }
    const head = this.headOf(name);
    if (first.id === 1) {
      const id = toChainId(first.hmac ?? "", name);
      return this.#headOfChainUnder(name, id) ?? { chain: id, event: 0, at: "" };
    }
    if (head !== undefined && !head.ended) return first.id <= head.event + 1 ? head : undefined;
    // The events of a deleted world were read from its chain before.
    if (head !== undefined && last.id <= head.event && last.timestamp <= head.at) return head;
    // The chain moved here from another name.
    const { from } = readPayload(first);
    const source = from === undefined ? undefined : this.headOf(from);
    // A world that is not there any more can have had any chain: the events are read from it.
    const isSource = source !== undefined && !source.ended && first.id === source.event + 1;
    return isSource ? source : undefined;
  }

  /** Saves the head of a name when the transaction commits: once, however many events it has. */
  #saveHead(name: string, chain: string, { id, timestamp }: CommittedEvent, ended: boolean): void {
    this.#setHead(name, { chain, event: id, at: timestamp, ended });
  }

  /** Changes the head of a name that keeps its chain. */
  #endHead(name: string, ended: boolean, chain?: string): void {
    const head = chain === undefined ? this.headOf(name) : this.#headOfChainUnder(name, chain);
    if (head !== undefined) this.#setHead(name, { ...head, ended });
  }

  #setHead(name: string, head: IndexedHead): void {
    const current = this.headOf(name);
    if (current === undefined || current.chain === head.chain) {
      this.#heads.set(name, head);
    } else if (head.ended && !current.ended) {
      this.#writeHead(name, head); // an earlier world of the name
    } else {
      this.#writeHead(name, { ...current, ended: true });
      this.#heads.set(name, head);
    }
  }

  #headOfChainUnder(name: string, chain: string): IndexedHead | undefined {
    const changed = this.#heads.get(name);
    if (changed?.chain === chain) return changed;
    return toHead(this.#get(sql.SELECT_HEAD_OF_CHAIN, name, chain));
  }

  #writeHeads(): void {
    for (const [name, head] of this.#heads) this.#writeHead(name, head);
    this.#heads.clear();
  }

  #writeHead(name: string, { chain, event, at, ended }: IndexedHead): void {
    const flag = ended ? 1 : 0;
    const updated = this.#prepared(sql.UPDATE_HEAD).run(event, at, flag, name, chain);
    if (updated.changes === 0) this.#exec(sql.SAVE_HEAD, name, chain, event, at, flag);
  }

  #appendEvent(
    { name, restricted, alsoRestricted = restricted, by: known }: Omit<IndexEntry, "events">,
    event: CommittedEvent,
  ): number {
    const { id, timestamp, type, payload } = event;
    const isParsed = known === undefined || type === "world_moved" || type === "world_deleted";
    const { by, from, to, trash } = isParsed ? readPayload(event) : { by: known };
    const also = from === name ? to : from;
    if (!this.#isRunSaved) {
      this.#exec(sql.SAVE_RUN, this.#last + 1, this.#run);
      this.#isRunSaved = true;
    }
    const seq = ++this.#last;
    if (timestamp > this.#latest) this.#latest = timestamp;
    const other = also ?? null;
    this.#exec(
      sql.INSERT_CHANGE,
      ...[seq, name, id, timestamp, this.#latest, type, payload, by, other],
    );
    const mark = readMark(payload);
    if (mark !== undefined) this.#exec(sql.INSERT_KEY, mark.key, seq);
    const paths = new Set(collectionsOf(name).map((path) => pathKey(path, restricted)));
    if (also !== undefined) {
      for (const path of collectionsOf(also)) paths.add(pathKey(path, alsoRestricted));
    }
    for (const path of paths) this.#exec(sql.INSERT_BELOW, this.#pathId(path), seq);
    if (trash !== undefined) this.saveBin(trash);
    return seq;
  }

  /** The lists of changes that a part covers. */
  #listsOf({ name, part, restricted }: Within): List[] {
    const lists: List[] = [];
    if (part !== "below") {
      lists.push({ key: name, newest: sql.NAME_BEFORE, oldest: sql.NAME_AFTER });
      lists.push({ key: name, newest: sql.ALSO_BEFORE, oldest: sql.ALSO_AFTER });
    }
    if (part === "exact") return lists;
    for (const isRestricted of restricted ? [false, true] : [false]) {
      const id = this.#findPathId(pathKey(name, isRestricted));
      if (id !== undefined) {
        lists.push({ key: id, newest: sql.BELOW_BEFORE, oldest: sql.BELOW_AFTER });
      }
    }
    return lists;
  }

  #pathId(key: string): number {
    const found = this.#findPathId(key);
    if (found !== undefined) return found;
    const id = Number(this.#get(sql.INSERT_PATH, key)?.id);
    this.#pathIds.set(key, id);
    return id;
  }

  #findPathId(key: string): number | undefined {
    const cached = this.#pathIds.get(key);
    if (cached !== undefined) return cached;
    const found = this.#get(sql.SELECT_PATH, key)?.id;
    if (found === undefined) return undefined;
    if (this.#pathIds.size >= CHANGE_PATH_CACHE_ENTRIES) this.#pathIds.clear();
    this.#pathIds.set(key, Number(found));
    return Number(found);
  }

  #toEvent(row: Row): IndexedEvent {
    const also = row.also === null ? {} : { also: String(row.also) };
    return {
      cursor: this.#cursorOf(Number(row.seq)),
      name: String(row.name),
      ...also,
      id: Number(row.event),
      timestamp: String(row.at),
      type: String(row.type),
      payload: parseJson(String(row.payload)),
    };
  }

  /** Runs a function in one transaction; if it throws, nothing has changed. */
  #transact<T>(change: () => T): T {
    const before = { last: this.#last, latest: this.#latest, isRunSaved: this.#isRunSaved };
    this.#exec("BEGIN IMMEDIATE");
    try {
      const result = change();
      this.#writeHeads();
      this.#exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#db?.isTransaction) this.#db.exec("ROLLBACK");
      this.#last = before.last;
      this.#latest = before.latest;
      this.#isRunSaved = before.isRunSaved;
      this.#pathIds.clear();
      this.#heads.clear();
      throw error;
    }
  }

  #openFile(): DatabaseSync {
    assertRegularFiles(this.#path);
    const db = this.#db = new DatabaseSync(this.#path);
    db.exec(sql.SETUP);
    return db;
  }

  /** Opens the file; false if it is damaged or not complete. */
  #openComplete(): boolean {
    try {
      this.#openFile();
      if (Number(this.#get(sql.SCHEMA_VERSION)?.user_version) !== sql.INDEX_VERSION) return false;
      const last = this.#get(sql.LAST_CHANGE);
      this.#last = Number(last?.seq ?? 0);
      this.#latest = String(last?.latest ?? "");
      return true;
    } catch {
      return false; // damaged: it is created again from the chains
    }
  }

  #getDb(): DatabaseSync {
    if (this.#db === undefined) throw new Error("the change index is not open");
    return this.#db;
  }

  #get(statement: string, ...values: SQLInputValue[]): Row | undefined {
    return this.#prepared(statement).get(...values);
  }

  #all(statement: string, ...values: SQLInputValue[]): Row[] {
    return this.#prepared(statement).all(...values);
  }

  #exec(statement: string, ...values: SQLInputValue[]): void {
    this.#prepared(statement).run(...values);
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

/** A sorted list of changes in the index: of a collection, or of a name. */
interface List {
  readonly key: SQLInputValue;
  /** Statements that read at most a number of entries before or after a position. */
  readonly newest: string;
  readonly oldest: string;
}
