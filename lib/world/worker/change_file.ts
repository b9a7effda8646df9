/**
 * The change index on disk: every event of every world in the order in which the store published
 * them. The file is derived data: what is missing after a crash is read from the chains again, and a
 * lost or damaged file is created again. A cursor that was published is never used for another change:
 * rows are on disk, as far as a killed process is concerned, before their cursor is published, and
 * each run of the server has its own id in its cursors, because a power loss can lose the newest rows.
 */

import type { SQLInputValue } from "node:sqlite";
import { CHANGE_PATH_CACHE_ENTRIES, STAGED_EVENTS_PER_STEP } from "../../limits.ts";
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
  type NamedEvent,
  type NamedHead,
  toChainId,
} from "../changes.ts";
import { unpackEntry } from "../packed_entry.ts";
import { tryRemove } from "../file/durable_fs.ts";
import { indexLost } from "../index_errors.ts";
import { readMark } from "../idempotency_mark.ts";
import { StoreError } from "../store.ts";
import { collectionsOf, createFilter, parseJson, pathKey, readPayload } from "../change_values.ts";
import { deleteLaterEvents, findLastCommon, hasLeftName } from "./chain_rewind.ts";
import { ChangeHeads } from "./change_heads.ts";
import * as sql from "./change_sql.ts";
import { firstSince, listsOf, type Scan, scanStep } from "./change_pages.ts";
import { IndexDatabase, type IndexRow } from "./index_database.ts";

/** File name of the change index in the data folder. */
export const CHANGES_FILE = ".changes.db";

/** The change index of one data folder; the file is opened at first use. */
export class ChangeFile {
  readonly #path: string;
  readonly #createRun: () => string;
  #run = NO_RUN;
  /** Changes when the file is another one: a page that is being read must not continue in it. */
  #generation = 0;
  readonly #codec: CursorCodec;
  readonly #db = new IndexDatabase();
  readonly #heads = new ChangeHeads(this.#db);
  readonly #pathIds = new Map<string, number>();
  #isComplete = false;
  #last = 0;
  #latest = "";
  #isRunSaved = false;
  /** The chain that is being staged, and its latest time so far. */
  #staged = { chain: "", latest: "" };

  /**
   * @param data path of the data folder
   * @param key the signing key of the server, which hides the positions in cursors
   * @param createRun creates the id of a run of the server: 8 lower-case hexadecimal digits. An index
   * that is created again while the server runs gets another one
   * @param retiredKeys earlier keys, oldest first, whose cursors stay valid
   */
  constructor(
    data: string,
    key: string,
    createRun: () => string,
    retiredKeys: readonly string[] = [],
  ) {
    this.#codec = new CursorCodec(key, retiredKeys);
    this.#path = `${data}/${CHANGES_FILE}`;
    this.#createRun = createRun;
  }

  /** The id of this run. */
  get run(): string {
    return this.#run;
  }

  /**
   * Opens the index.
   *
   * @returns whether it is complete; if not, it is empty and {@link ChangeFile.stage} must get the
   * events of all chains
   */
  open(): boolean {
    this.close();
    this.#generation++;
    this.#run = this.#createRun();
    this.#isRunSaved = false;
    this.#isComplete = this.#openComplete();
    if (this.#isComplete) return true;
    this.drop();
    this.#last = 0;
    this.#latest = "";
    this.#db.open(this.#path, sql.SETUP);
    this.#db.exec(sql.CREATE);
    this.#db.recordState();
    return false;
  }

  /**
   * Checks that no other program has changed the file since the last job.
   *
   * @throws {StoreError} `index-lost` if the file must be created again
   */
  assertIntact(): void {
    if (!this.#db.isOpen) return; // each job fails then
    const found = this.#db.findChange();
    if (found === undefined || found === "content" && this.#openAgain()) return;
    this.drop();
    throw indexLost();
  }

  /** Remembers the file as it is after a job. */
  recordState(): void {
    this.#db.recordState();
  }

  /** Closes the file and removes it: it is created again when it is opened. */
  drop(): void {
    this.#generation++;
    this.#isComplete = false;
    try {
      this.close();
    } catch {
      // Safe to ignore: the file is damaged, and it is removed.
    }
    for (const end of ["", "-wal", "-shm"]) tryRemove(`${this.#path}${end}`);
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
   * deleted or moved during that time is read twice.
   *
   * @param isFirst whether the events are the first ones that were read of their chain
   * @returns the heads of the chain if it was read before; then nothing was added
   */
  stage(entries: readonly IndexEntry[], isFirst: boolean): readonly NamedHead[] {
    const heads = isFirst ? this.headsOfChain(entries[0]?.chain ?? "") : [];
    if (heads.length > 0) return heads;
    this.#transact(() => {
      for (const entry of entries) {
        const { name, restricted, alsoRestricted, events, chain = "", ended = false } = entry;
        const flags = [restricted ? 1 : 0, alsoRestricted ? 1 : 0];
        for (const { id, timestamp, type, payload } of events) {
          const before = this.#staged.chain === chain ? this.#staged.latest : "";
          const latest = timestamp > before ? timestamp : before;
          this.#staged = { chain, latest };
          this.#exec(
            sql.STAGE_EVENT,
            ...[name, id, timestamp, type, payload, ...flags, chain, latest],
          );
        }
        const last = events.at(-1);
        if (last === undefined) continue;
        this.#endSource(name, events[0], chain);
        this.#heads.save(name, chain, last, ended);
      }
    });
    return [];
  }

  /** Orders the staged events by time and completes the index, in steps. */
  *complete(): Generator<void, void> {
    const generation = this.#generation;
    this.#db.exec(sql.INDEX_STAGED);
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
      this.#assertSame(generation);
    }
    this.#db.exec(sql.COMPLETE);
    this.#isComplete = true;
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

  /**
   * Replaces the events of a chain after one that is kept: the folder of the world was replaced by an
   * older copy. A number that was used is not used again.
   *
   * @param head the newest indexed event of the chain under its name, as the caller knows it
   * @param keep id of the last event that is kept
   * @param since time of the last event that both have
   * @param entries the events after it, at least one
   * @returns as {@link ChangeFile.append}; undefined if the index has another head now
   */
  replace(
    { name, chain, event, at }: NamedHead,
    keep: number,
    since: string,
    entries: readonly IndexEntry[],
  ): AppendResult[] | undefined {
    return this.#transact(() => {
      const current = this.#heads.ofChainUnder(name, chain);
      if (current?.event !== event || current.at !== at) return undefined;
      for (const head of this.headsOfChain(chain)) {
        if (head.name !== name && !hasLeftName(this.#db, head)) continue;
        const later = { event: head.event, at: head.at, keep, since };
        deleteLaterEvents(this.#db, head.name, later, (key) => this.#findPathId(key));
        if (head.event > keep) this.#heads.remove(head.name, chain);
      }
      this.#exec(sql.SAVE_RUN, this.#last + 1, this.#run);
      this.#isRunSaved = true;
      return entries.map((entry) => this.#appendEntry(entry));
    });
  }

  /**
   * Returns the id before the first of some events that is not indexed.
   *
   * @param events events of one chain, oldest first, at least one
   */
  lastCommon(events: readonly NamedEvent[]): number {
    return findLastCommon(
      this.#db,
      events,
      this.#isComplete ? sql.EVENTS_OF_NAME : sql.STAGED_OF_NAME,
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
    return this.#heads.ofName(name);
  }

  /** Returns what the index knows about a chain under all its names, newest first. */
  headsOfChain(chain: string): NamedHead[] {
    return this.#heads.allOfChain(chain);
  }

  /**
   * Reads one page. Works in steps, so that other jobs can run between two of them.
   *
   * @returns a generator that returns the page
   * @throws {StoreError} `gone` if the position cannot be located, `index-lost`
   */
  *page(query: ChangeQuery): Generator<void, ChangePage> {
    const generation = this.#generation;
    const start = this.#startOf(query);
    const lists = query.within.flatMap((part) => listsOf(part, (key) => this.#findPathId(key)));
    const scan: Scan = { rows: [], at: start, isComplete: lists.length === 0 };
    const lowest = query.since === undefined ? 0 : firstSince(this.#db, query.since, this.#last);
    const matches = createFilter(query);
    let left = query.maxSteps ?? Infinity;
    while (left-- > 0 && !scan.isComplete && scan.rows.length < query.limit) {
      scanStep(this.#db, query, lists, scan, lowest, matches);
      yield;
      this.#assertSame(generation);
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
    this.#pathIds.clear();
    this.#db.close();
  }

  #assertSame(generation: number): void {
    if (generation !== this.#generation) throw indexLost();
  }

  #startOf({ order, from, isInclusive }: ChangeQuery): number {
    if (from === undefined) return order === "newest" ? this.#last + 1 : 0;
    const seq = this.#locate(from);
    if (seq === undefined) {
      throw new StoreError(
        "gone",
        "Cannot continue: the server does not know the position; it lost its newest changes",
      );
    }
    return isInclusive === true ? Math.max(0, seq - 1) : seq;
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

  #appendEntry(entry: IndexEntry): AppendResult {
    const { name, events, ended = false } = entry;
    const [first] = events;
    const last = events.at(-1);
    if (first === undefined || last === undefined) {
      this.#heads.end(name, ended, entry.chain);
      return 0;
    }
    const before = this.#headBefore(entry, first);
    if (before === undefined) return GAP;
    const next = events.find(({ id }) => id > before.event);
    if (entry.chain === undefined) {
      // Times never decrease in a chain: these are events of an earlier world of the name.
      if (next !== undefined && next.timestamp < before.at) return GAP;
      // Others that are known must be the same, unless the folder of the world was replaced.
      const known = next === undefined ? last : events.findLast(({ id }) => id <= before.event);
      if (known !== undefined && !this.#isIndexed(name, known)) return GAP;
    }
    let seq = 0;
    for (const event of events) {
      if (event.id > before.event) seq = this.#appendEvent(entry, event);
    }
    this.#endSource(name, first, before.chain);
    const isNewest = last.id === before.event && last.timestamp === before.at;
    if (next !== undefined || isNewest) this.#heads.save(name, before.chain, last, ended);
    return seq;
  }

  /** The newest indexed event before the events of an entry; undefined if some are missing. */
  #headBefore(
    { name, chain, events }: IndexEntry,
    first: CommittedEvent,
  ): Pick<IndexedHead, "chain" | "event" | "at"> | undefined {
    if (chain !== undefined) return this.#lastBefore(chain, name, events, first.id);
    if (first.chain !== undefined) {
      // A restored world: its name can have had another chain.
      const chainHead = this.#heads.ofChain(first.chain);
      return chainHead && first.id <= chainHead.event + 1 ? chainHead : undefined;
    }
    const head = this.headOf(name);
    if (first.id === 1) {
      const id = toChainId(first.hmac ?? "", name);
      return this.#heads.ofChainUnder(name, id) ?? { chain: id, event: 0, at: "" };
    }
    if (head !== undefined && !head.ended) return first.id <= head.event + 1 ? head : undefined;
    // The events of a deleted world were read from its chain before.
    const last = events.at(-1);
    const isRead = head !== undefined && last !== undefined && last.id <= head.event &&
      last.timestamp <= head.at;
    if (isRead) return head;
    // The chain moved here from another name.
    const { from } = readPayload(first);
    const source = from === undefined ? undefined : this.headOf(from);
    // A world that is not there any more can have had any chain: the events are read from it.
    if (source === undefined || source.ended || first.id !== source.event + 1) return undefined;
    // Its events under the new name can have been read from the chain before.
    return this.#lastBefore(source.chain, name, events, first.id);
  }

  /** The last of some events of a chain that is indexed, or the event before them. */
  #lastBefore(chain: string, name: string, events: readonly CommittedEvent[], first: number) {
    const highest = this.#heads.ofChain(chain);
    // Under another name the index can have other events with these ids: the world was copied.
    const event = highest === undefined || highest.event < first
      ? first - 1
      : this.lastCommon(events.map((event) => ({ ...event, name })));
    return { chain, event, at: highest?.event === event ? highest.at : "" };
  }

  #isIndexed(name: string, { id, timestamp, type, payload }: CommittedEvent): boolean {
    return this.#get(sql.IS_INDEXED, name, id, timestamp, type, payload) !== undefined;
  }

  /** Ends the name that a chain had before, if an event is the move to its new name. */
  #endSource(name: string, event: CommittedEvent | undefined, chain: string): void {
    const { from } = event?.type === "world_moved" ? readPayload(event) : {};
    if (from !== undefined && from !== name) this.#heads.end(from, true, chain);
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

  #toEvent(row: IndexRow): IndexedEvent {
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
    try {
      return this.#db.transact(change, () => this.#heads.write());
    } catch (error) {
      this.#last = before.last;
      this.#latest = before.latest;
      this.#isRunSaved = before.isRunSaved;
      this.#pathIds.clear();
      this.#heads.reset();
      throw error;
    }
  }

  /**
   * Opens the file again after another program changed it, because SQLite has parts of it in memory.
   *
   * @returns whether it is complete and still has the same newest change
   */
  #openAgain(): boolean {
    if (!this.#isComplete) return false;
    const before = this.cursor;
    try {
      this.close();
    } catch {
      return false; // the log cannot be written to the file
    }
    return this.#openComplete() && this.cursor === before;
  }

  /** Opens the file; false if it is damaged or not complete. */
  #openComplete(): boolean {
    try {
      this.#db.open(this.#path, sql.SETUP);
      if (Number(this.#get(sql.SCHEMA_VERSION)?.user_version) !== sql.INDEX_VERSION) return false;
      if (this.#get(sql.HAS_HEAD_HMAC) === undefined) this.#db.exec(sql.ADD_HEAD_HMAC);
      const last = this.#get(sql.LAST_CHANGE);
      // The newest changes can have been replaced.
      const lowest = Number(this.#get(sql.LAST_RUN)?.first ?? 1) - 1;
      this.#last = Math.max(Number(last?.seq ?? 0), lowest);
      this.#latest = String(last?.latest ?? "");
      this.#db.recordState();
      return true;
    } catch {
      return false; // damaged: it is created again from the chains
    }
  }

  #get(statement: string, ...values: SQLInputValue[]): IndexRow | undefined {
    return this.#db.get(statement, ...values);
  }

  #all(statement: string, ...values: SQLInputValue[]): IndexRow[] {
    return this.#db.all(statement, ...values);
  }

  #exec(statement: string, ...values: SQLInputValue[]): void {
    this.#db.run(statement, ...values);
  }
}
