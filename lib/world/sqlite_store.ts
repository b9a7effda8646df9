/**
 * The store of SQLite files: one `universe.db` a world, written by Workers, read from memory where
 * it can be. This file joins catalog, cache, Workers and watchers so that a change is on disk before
 * anyone hears of it. It knows no SQL and no HTTP.
 */

import {
  CACHE_BYTES,
  CACHE_ENTRY_BYTES,
  HISTORY_BYTES,
  HISTORY_VERSIONS,
  MAX_WORLD_BYTES,
  OPEN_WORLDS_PER_WORKER,
} from "../limits.ts";
import { Catalog } from "./catalog.ts";
import { CatalogKeeper } from "./catalog_keeper.ts";
import { ChangeHub } from "./change_hub.ts";
import type { DataFolder } from "./data_folder.ts";
import { COLLECTIONS_FILE } from "./disk.ts";
import { isExt } from "./media_type.ts";
import { parseMeta } from "./metadata.ts";
import { nameFault } from "./name.ts";
import { CHAIN_START } from "./event_chain.ts";
import type { Below, CatalogRow, ReadResult, WriteJob, WriteResult } from "./protocol.ts";
import {
  type Append,
  type ChainEvent,
  type Change,
  type Child,
  type Entry,
  type Note,
  type Put,
  type Removal,
  type Store,
  StoreError,
  type Transition,
  type Verdict,
  type World,
  type Written,
} from "./store.ts";
import { type WithoutId, WorkerClient } from "./worker_client.ts";
import { WorldCache } from "./world_cache.ts";

/** Names the background start-up check looks into at a time. */
const FILL_STEP = 16;
/** Times a cold read is repeated when a write overtakes it. */
const READ_TRIES = 5;

/** How a store is opened. */
export interface SqliteStoreOptions {
  readonly folder: DataFolder;
  /** The signing key of the event chain. */
  readonly key: string;
  /** The worlds of the read-only layer below. */
  readonly lower: ReadonlyMap<string, World>;
  /** URL of the store Worker's module. */
  readonly workerUrl: string;
  readonly writers?: number;
  readonly sync?: "full" | "normal";
  readonly history?: { readonly versions: number; readonly bytes: number };
  readonly maxWorldBytes?: number;
  readonly cacheBytes?: number;
  readonly handles?: number;
  /** Called once if a Worker dies; the store answers `closed` from then on. */
  readonly onDeath?: (reason: string) => void;
  /** Writes a line for the operator. */
  readonly log?: (line: string) => void;
}

/** Opens the store and learns which worlds there are. */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<Store> {
  const store = new SqliteStore(options);
  await store.scan();
  return store;
}

class SqliteStore implements Store {
  readonly #folder: DataFolder;
  readonly #lower: ReadonlyMap<string, World>;
  readonly #writers: readonly WorkerClient[];
  readonly #reader: WorkerClient;
  readonly #catalog = new Catalog();
  readonly #keeper: CatalogKeeper;
  readonly #cache: WorldCache;
  readonly #hub: ChangeHub;
  readonly #reading = new Map<string, Reading>();
  /** Looks at a world's file under way; a removal waits for them, because they hold it open. */
  readonly #looks = new Map<string, Set<Promise<unknown>>>();
  readonly #leaving = new Map<string, Promise<unknown>>();
  /** Worlds that exist on disk and whose rows have not been read yet. */
  readonly #unknown = new Set<string>();
  readonly #pending = new Set<Promise<unknown>>();
  #marking: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(options: SqliteStoreOptions) {
    this.#folder = options.folder;
    this.#lower = options.lower;
    this.#cache = new WorldCache(options.cacheBytes ?? CACHE_BYTES, CACHE_ENTRY_BYTES);
    this.#hub = new ChangeHub((error) => options.log?.(`a watcher failed: ${error}`));
    const setup = {
      data: options.folder.path,
      key: options.key,
      sync: options.sync ?? "full",
      history: options.history ?? { versions: HISTORY_VERSIONS, bytes: HISTORY_BYTES },
      maxWorldBytes: options.maxWorldBytes ?? MAX_WORLD_BYTES,
      handles: options.handles ?? OPEN_WORLDS_PER_WORKER,
    };
    const events = {
      settled: (worlds: readonly { name: string; mtime: number; size: number }[]) =>
        this.#settled(worlds),
      died: (reason: string) => options.onDeath?.(reason),
    };
    this.#reader = new WorkerClient(
      options.workerUrl,
      { ...setup, role: "reader", shard: 0 },
      events,
    );
    this.#writers = Array.from(
      { length: options.writers ?? 2 },
      (_, shard) =>
        new WorkerClient(options.workerUrl, { ...setup, role: "writer", shard }, events),
    );
    this.#keeper = new CatalogKeeper((rows, gone) =>
      this.#reader.ask<"save">({ kind: "save", rows, gone })
    );
    for (const world of this.#lower.values()) this.#catalog.set(entryOf(world));
  }

  get seq(): number {
    return this.#hub.seq;
  }

  /** Learns the worlds on disk; those whose rows are stale are looked into in the background. */
  async scan(): Promise<void> {
    const { rows, unknown } = await this.#reader.ask<"scan">({ kind: "scan" });
    for (const row of rows) this.#catalog.set(upperEntry(row));
    for (const name of unknown) {
      this.#unknown.add(name);
      this.#catalog.set(upperEntry({ ...BLANK, name }));
    }
    for (const name of readMarks(this.#folder.path)) this.#catalog.mark(name, true);
    this.#track(this.#fill());
  }

  peek(name: string): World | undefined {
    return this.#cache.get(name);
  }

  async read(name: string): Promise<World | undefined> {
    const hot = this.#cache.get(name);
    if (hot !== undefined) return hot;
    const entry = this.#catalog.upper(name);
    if (entry === undefined) return this.#lower.get(name);
    const shared = this.#reading.get(name);
    // A reading from before the last change would hide that change from whoever made it.
    if (shared !== undefined && shared.entry === entry) return await shared.world;
    const reading: Reading = { entry, world: this.#readCold(name) };
    this.#reading.set(name, reading);
    try {
      return await reading.world;
    } finally {
      if (this.#reading.get(name) === reading) this.#reading.delete(name);
    }
  }

  async readAt(name: string, version: number): Promise<World> {
    const lower = this.#lower.get(name);
    if (version === 0 && lower !== undefined) return lower;
    if (this.#catalog.upper(name) === undefined) {
      throw new StoreError("absent", `Cannot read version ${version}: nothing is here`, name);
    }
    const found = await this.#look(
      [name],
      () => this.#reader.ask<"readAt">({ kind: "readAt", name, version }),
    );
    return worldOf(name, found);
  }

  put(change: Put): Promise<Written> {
    const { name, by, body, ext, meta, precondition } = change;
    return this.#change({
      kind: "put",
      name,
      by,
      body,
      ext,
      meta,
      state: change.state ?? "",
      facts: change.facts ?? {},
      ...this.#conditions(name, precondition),
    }, (result) => worldOf(name, { ...result, body, headers: "" }, meta));
  }

  append(change: Append): Promise<Written> {
    const { name, by, body, ext, precondition } = change;
    const state = change.state ?? "";
    const conditions = this.#conditions(name, precondition);
    return this.#change(
      { kind: "append", name, by, body, ext, state, ...conditions },
      (result, before) => {
        const base = result.version === 1 ? conditions.below : before;
        if (result.version > 1 && before?.version !== result.version - 1) return undefined;
        if (result.len > CACHE_ENTRY_BYTES) return undefined;
        const whole = base === undefined ? body : joined(base.body, body);
        return worldOf(name, { ...result, body: whole, headers: "" }, base?.meta ?? []);
      },
    );
  }

  transition(change: Transition): Promise<Written> {
    const { name, by, to, reason, facts, precondition } = change;
    return this.#change(
      {
        kind: "transition",
        name,
        by,
        to,
        facts: { ...(reason === undefined ? {} : { reason }), ...facts },
        ...this.#conditions(name, precondition),
      },
      (result, before) =>
        before === undefined
          ? undefined
          : { ...before, state: result.state, updatedAt: result.updatedAt },
    );
  }

  async note(change: Note): Promise<void> {
    const { name, by, type, payload, precondition } = change;
    await this.#ask({
      kind: "note",
      name,
      by,
      type,
      payload,
      ...(precondition === undefined ? {} : { precondition }),
    }, () => {});
  }

  async remove(change: Removal): Promise<{ readonly version: number }> {
    const { name, by, precondition } = change;
    if (this.#catalog.upper(name) === undefined) {
      const lower = this.#lower.has(name);
      throw lower
        ? new StoreError("lower", "the world belongs to the read-only lower layer", name)
        : new StoreError("absent", "nothing is here", name);
    }
    this.#mustBeOpen();
    // New looks wait for the removal, and the removal for the looks under way: a reader that closes
    // a moved file late could take a newer file's log with it.
    const removal = this.#track(
      this.#settledLooks(name).then(() =>
        this.#send({
          kind: "remove",
          name,
          by,
          ...(precondition === undefined ? {} : { precondition }),
        }, (result) => this.#removed(name, by, result))
      ),
    );
    const gate = removal.then(() => {}, () => {});
    this.#leaving.set(name, gate);
    try {
      return await removal;
    } finally {
      if (this.#leaving.get(name) === gate) this.#leaving.delete(name);
    }
  }

  stat(name: string): Entry | undefined {
    return this.#catalog.get(name);
  }

  isCollection(name: string): boolean {
    return this.#catalog.isCollection(name);
  }

  async list(name: string): Promise<readonly Child[]> {
    const found = this.#catalog.list(name);
    if (this.#unknown.size === 0) return found;
    await this.#learn(found.flatMap(({ entry }) => entry === undefined ? [] : [entry.name]));
    return this.#catalog.list(name);
  }

  async walk(name: string): Promise<readonly Entry[]> {
    const found = this.#catalog.walk(name);
    if (this.#unknown.size === 0) return found;
    await this.#learn(found.map((entry) => entry.name));
    return this.#catalog.walk(name);
  }

  count(): number {
    return this.#catalog.size;
  }

  mark(name: string, present: boolean): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(closed());
    // One at a time: each writes all marks, and one that fails must leave them as they were.
    const turn = this.#marking.then(() => this.#mark(name, present));
    this.#marking = turn.then(() => {}, () => {});
    return this.#track(turn);
  }

  watch(name: string, listener: (change: Change) => void): () => void {
    return this.#hub.watch(name, listener);
  }

  async audit(name: string): Promise<Verdict> {
    if (this.#catalog.upper(name) !== undefined) {
      const verdict = await this.#look(
        [name],
        () => this.#reader.ask<"audit">({ kind: "audit", name }),
      );
      if (verdict !== undefined) return verdict;
    }
    const lower = this.#lower.get(name);
    if (lower === undefined) throw new StoreError("absent", "nothing is here", name);
    // A birth world came with the program and never changed: no events, and nothing to contradict.
    const sha256 = lower.sha256;
    return {
      name,
      ok: true,
      events: CHAIN_START.events,
      version: 0,
      chain: { ok: true },
      body: { ok: true, sha256 },
    };
  }

  async log(
    name: string,
    page: { before?: number; limit: number },
  ): Promise<readonly ChainEvent[]> {
    const before = page.before ?? Number.MAX_SAFE_INTEGER;
    if (this.#catalog.upper(name) !== undefined) {
      const found = await this.#look(
        [name],
        () => this.#reader.ask<"log">({ kind: "log", name, before, limit: page.limit }),
      );
      if (found !== undefined) return found;
    }
    if (this.#lower.has(name)) return [];
    throw new StoreError("absent", "nothing is here", name);
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#pending);
    const writers = this.#writers.filter((writer) => writer.started);
    await Promise.allSettled(writers.map((writer) => writer.ask<"close">({ kind: "close" })));
    await this.#keeper.flush();
    await Promise.allSettled([this.#reader.ask<"close">({ kind: "close" })]);
    for (const worker of [...this.#writers, this.#reader]) worker.terminate();
    this.#folder.release();
  }

  /** One change: to disk, then into memory, then to the watchers, then to whoever asked. */
  #change(
    job:
      | Omit<Extract<WriteJob, { kind: "put" }>, "id">
      | Omit<Extract<WriteJob, { kind: "append" }>, "id">
      | Omit<Extract<WriteJob, { kind: "transition" }>, "id">,
    after: (result: WriteResult, before: World | undefined) => World | undefined,
  ): Promise<Written> {
    const { name, by } = job;
    return this.#ask(job, (result) => {
      const world = after(result, this.#cache.peek(name));
      if (world === undefined) this.#cache.delete(name);
      else this.#cache.set(world);
      const { version, ext, sha256, state, updatedAt, len, created, settled } = result;
      const entry: Entry = { name, version, ext, len, state, updatedAt, layer: "upper" };
      this.#unknown.delete(name);
      this.#catalog.set(entry);
      this.#keeper.changed(entry, settled);
      this.#hub.tell({
        kind: "update",
        name,
        version,
        by,
        ...(world === undefined ? {} : { world }),
      });
      return { version, ext, sha256, state, updatedAt, created };
    });
  }

  /** A removal that is on disk: out of memory, then to the watchers. */
  #removed(name: string, by: string, { version }: WriteResult): { readonly version: number } {
    this.#cache.delete(name);
    this.#unknown.delete(name);
    this.#catalog.remove(name);
    this.#keeper.gone(name);
    const lower = this.#lower.get(name);
    if (lower === undefined) this.#hub.tell({ kind: "delete", name, version, by });
    else this.#hub.tell({ kind: "update", name, version: lower.version, by, world: lower });
    return { version };
  }

  /**
   * Has a writer do one job. What its answer means to memory happens in `settle`, which hangs on the
   * answer itself: answers come in the order of the commits, and nothing may overtake there.
   */
  #ask<T>(job: WithoutId<WriteJob>, settle: (result: WriteResult) => T): Promise<T> {
    if (this.#closing !== undefined) return Promise.reject(closed());
    return this.#track(this.#send(job, settle));
  }

  #send<T>(job: WithoutId<WriteJob>, settle: (result: WriteResult) => T): Promise<T> {
    return this.#writerOf(job.name).ask<WriteJob["kind"]>(job).then(settle);
  }

  async #mark(name: string, present: boolean): Promise<void> {
    const marks = new Set(this.#catalog.marks());
    if (marks.has(name) === present) return;
    if (present) marks.add(name);
    else marks.delete(name);
    await this.#reader.ask<"mark">({ kind: "mark", collections: [...marks] });
    this.#catalog.mark(name, present);
  }

  #conditions(name: string, precondition: Put["precondition"]): {
    precondition?: NonNullable<Put["precondition"]>;
    below?: Below;
  } {
    const lower = this.#lower.size === 0 ? undefined : this.#lower.get(name);
    if (lower === undefined) return precondition === undefined ? {} : { precondition };
    const { sha256, ext, meta, body, updatedAt } = lower;
    return {
      ...(precondition === undefined ? {} : { precondition }),
      below: { sha256, ext, meta, body, updatedAt },
    };
  }

  #writerOf(name: string): WorkerClient {
    let hash = 0;
    for (let i = 0; i < name.length; i++) hash = (hash * 31 + name.charCodeAt(i)) >>> 0;
    const writer = this.#writers[hash % this.#writers.length];
    if (writer === undefined) throw closed();
    return writer;
  }

  async #readCold(name: string): Promise<World | undefined> {
    for (let tries = 0; tries < READ_TRIES; tries++) {
      const before = this.#catalog.upper(name);
      if (before === undefined) return this.#lower.get(name);
      const found = await this.#look(
        [name],
        () => this.#reader.ask<"read">({ kind: "read", name }),
      );
      // A write may have been acknowledged meanwhile; its world is newer than what was read.
      const hot = this.#cache.get(name);
      if (hot !== undefined) return hot;
      const unchanged = this.#catalog.upper(name) === before;
      if (found === undefined) {
        // The row of a world that a crash caught on its way to the trash has not been read yet.
        if (this.#unknown.delete(name)) this.#catalog.remove(name);
        else if (unchanged) break;
        continue;
      }
      if (found.version < before.version) continue;
      const world = worldOf(name, found);
      if (unchanged && found.version === before.version) this.#cache.set(world);
      return world;
    }
    throw new StoreError(
      "damaged",
      "Cannot read the world: its file is gone, or older than its row",
      name,
    );
  }

  /** Runs a look at worlds' files, not while one of them is being moved. */
  async #look<T>(names: readonly string[], look: () => Promise<T>): Promise<T> {
    this.#mustBeOpen();
    for (;;) {
      const leaving = names.flatMap((name) => this.#leaving.get(name) ?? []);
      if (leaving.length === 0) break;
      await Promise.all(leaving);
    }
    const looking = look();
    for (const name of names) {
      this.#looks.set(name, (this.#looks.get(name) ?? new Set()).add(looking));
    }
    try {
      return await this.#track(looking);
    } finally {
      for (const name of names) {
        const looks = this.#looks.get(name);
        looks?.delete(looking);
        if (looks?.size === 0) this.#looks.delete(name);
      }
    }
  }

  async #settledLooks(name: string): Promise<void> {
    await Promise.allSettled([...this.#looks.get(name) ?? []]);
  }

  /** Reads the rows of worlds the catalog on disk did not know; others get their turn in between. */
  async #learn(names: readonly string[]): Promise<void> {
    const asked = names.filter((name) => this.#unknown.has(name));
    for (let at = 0; at < asked.length && this.#closing === undefined; at += FILL_STEP) {
      await this.#learnSome(asked.slice(at, at + FILL_STEP));
    }
  }

  async #learnSome(names: readonly string[]): Promise<void> {
    const asked = names.filter((name) => this.#unknown.has(name));
    if (asked.length === 0) return;
    const rows = await this.#look(
      asked,
      () => this.#reader.ask<"stat">({ kind: "stat", names: asked }),
    );
    rows.forEach((row, i) => {
      const name = asked[i];
      // Whatever was written meanwhile is newer than what was read.
      if (name === undefined || !this.#unknown.delete(name)) return;
      if (row === undefined) this.#catalog.remove(name);
      else {
        this.#catalog.set(upperEntry(row));
        this.#keeper.changed(upperEntry(row), row);
      }
    });
  }

  async #fill(): Promise<void> {
    while (this.#unknown.size > 0 && this.#closing === undefined) {
      await this.#learnSome(this.#unknown.values().take(FILL_STEP).toArray());
    }
  }

  #settled(worlds: readonly { name: string; mtime: number; size: number }[]): void {
    for (const { name, mtime, size } of worlds) {
      const entry = this.#catalog.upper(name);
      if (entry !== undefined) this.#keeper.changed(entry, { mtime, size });
    }
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw closed();
  }

  /** Remembers what a clean shutdown waits for. */
  #track<T>(promise: Promise<T>): Promise<T> {
    this.#pending.add(promise);
    const done = () => void this.#pending.delete(promise);
    promise.then(done, done);
    return promise;
  }
}

/** A cold read under way, and the row it began with. */
interface Reading {
  readonly entry: Entry;
  readonly world: Promise<World | undefined>;
}

const BLANK: CatalogRow = {
  name: "",
  version: 0,
  ext: "bin",
  len: 0,
  state: "",
  updatedAt: "",
  mtime: 0,
  size: 0,
};

function closed(): StoreError {
  return new StoreError("closed", "Cannot use the store: it is shutting down");
}

function entryOf(world: World): Entry {
  const { name, version, ext, state, updatedAt, layer, body } = world;
  return { name, version, ext, len: body.length, state, updatedAt, layer };
}

function upperEntry({ name, version, ext, len, state, updatedAt }: Omit<Entry, "layer">): Entry {
  return { name, version, ext, len, state, updatedAt, layer: "upper" };
}

function worldOf(name: string, found: ReadResult, meta = parseMeta(found.headers)): World {
  const { version, ext, state, updatedAt, body, sha256 } = found;
  // The file may have been edited by hand; what is no extension must not reach a header.
  const safeExt = isExt(ext) ? ext : "bin";
  return {
    name,
    version,
    ext: safeExt,
    meta,
    state,
    updatedAt,
    body,
    sha256,
    layer: "upper",
  };
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}

/** Collections that were marked; a damaged list costs empty collections, and never the start. */
function readMarks(data: string): string[] {
  try {
    return Deno.readTextFileSync(`${data}/${COLLECTIONS_FILE}`).split("\n")
      .filter((name) => name !== "" && nameFault(name) === undefined);
  } catch {
    return []; // no list, or what lies there is none: the next mark writes it anew
  }
}
