/**
 * The state of a node in memory: catalog, cache, watchers and followers, kept by the acknowledgments of
 * the node and by the rows of the change feed. It starts no reads and writes; it never goes back to an
 * older state of a world.
 *
 * The steps of each world are in the order of its events. A step that the node committed is applied at
 * its acknowledgment if it is the next one; otherwise it waits for its row, because steps of other nodes
 * come before it. The row of a step that is applied only gives followers its cursor.
 */

import { MAX_CACHE_ENTRY_BYTES, MAX_INDEX_WAITING_BYTES } from "../../limits.ts";
import type { CursorCodec, CursorPosition } from "../change_cursor.ts";
import { shownAgain } from "../lower_layer.ts";
import type { Change, Published, World } from "../store.ts";
import { Catalog } from "../store/catalog.ts";
import { ChangeHub, NameListeners } from "../store/change_hub.ts";
import { bytesOf, LazyPublished, withoutBody } from "../store/published_change.ts";
import { toEntry } from "../store/records.ts";
import { WorldCache } from "../store/world_cache.ts";
import {
  type FeedNoticeRow,
  type FeedRow,
  type HeadRow,
  type OwnStep,
  restoredBy,
  type RestoredEntry,
  toStep,
  type WorldStep,
} from "./feed_row.ts";

/** The newest event of a world that memory has. */
export interface KnownHead {
  /** Id of the world. */
  readonly world: number;
  /** Id of the event. */
  readonly event: number;
  /** The first 48 bits of its HMAC: enough to compare two histories, and small for many worlds. */
  readonly proof: number;
}

/** Options of {@link ClusterState}. */
export interface ClusterStateOptions {
  /** The lower-layer worlds by name. */
  readonly lower: ReadonlyMap<string, World>;
  /** Maximum size of the cache in bytes. */
  readonly cacheBytes: number;
  /** Formats the cursors that followers get. */
  readonly codec: CursorCodec;
  /** Called before the removal of a world is applied, so that quotas can count its bytes in the trash. */
  readonly onTrashed?: (step: WorldStep) => void;
  /** Called with what other nodes and this one restored. */
  readonly onRestored?: (entry: RestoredEntry) => void;
  /** Called with the id of an entry of the trash that was deleted for good. */
  readonly onExpunged?: (id: string) => void;
  /** Called when the trash can have changed, and nothing says which worlds came to it or left it. */
  readonly onTrashUnknown?: () => void;
  /** Called after a mark of a collection was applied. */
  readonly onMark?: (name: string, present: boolean) => void;
  /** Called when the WebDAV locks changed. */
  readonly onLocks?: () => void;
  /** Writes a line for the operator. */
  readonly log: (line: string) => void;
}

/**
 * Deleted worlds whose newest events are kept, because the row of a step can come before its
 * acknowledgment.
 */
const ENDED_WORLDS = 10_000;

/** Hexadecimal digits of {@link KnownHead.proof}. */
export const PROOF_DIGITS = 12;

/** A step of this node whose row has not come yet. */
interface Unconfirmed {
  readonly step: OwnStep;
  /** What watchers were told; undefined if the step waits for its row. */
  told: readonly Change[] | undefined;
}

/** The state of one node. */
export class ClusterState {
  readonly catalog = new Catalog();
  readonly cache: WorldCache;
  readonly hub: ChangeHub;
  readonly followers: NameListeners<Published>;
  readonly lower: Map<string, World>;
  readonly #options: ClusterStateOptions;
  readonly #heads = new Map<number, KnownHead>();
  /** The newest events of the worlds that were deleted last, by their ids. */
  readonly #ended = new Map<number, number>();
  /** Ids of the worlds by name. */
  readonly #ids = new Map<string, number>();
  /** Steps of this node by world and event. */
  readonly #own = new Map<string, Unconfirmed>();
  /** Bytes of the bodies that wait for their rows. */
  #ownBytes = 0;
  #position: CursorPosition = { seq: 0, run: "00000000" };
  #authority = 0;

  constructor(options: ClusterStateOptions) {
    this.#options = options;
    this.lower = new Map(options.lower);
    this.cache = new WorldCache(options.cacheBytes, MAX_CACHE_ENTRY_BYTES);
    this.hub = new ChangeHub((error) => options.log(`a watcher failed: ${error}`));
    this.followers = new NameListeners((error) => options.log(`a follower failed: ${error}`));
    for (const world of this.lower.values()) this.catalog.set(toEntry(world));
  }

  /** Position of the newest row that was applied. */
  get position(): CursorPosition {
    return this.#position;
  }

  /** Number in the guard of the accounts and revoked capabilities that memory has at least. */
  get authority(): number {
    return this.#authority;
  }

  /** Number of own steps whose rows have not come yet. */
  get unconfirmed(): number {
    return this.#own.size;
  }

  /** The newest event of the world of a name that memory has; undefined without such a world. */
  headOf(name: string): KnownHead | undefined {
    const id = this.#ids.get(name);
    return id === undefined ? undefined : this.#heads.get(id);
  }

  /** Compares what was read of a world with memory. */
  compare(name: string, { world, event }: Pick<KnownHead, "world" | "event">): Age {
    const known = this.#heads.get(world);
    if (this.#ids.get(name) === world && known !== undefined) {
      return known.event === event ? "same" : known.event > event ? "older" : "newer";
    }
    // Another world has the name in memory, or none: the newer world of a name has the higher id,
    // except after a move or a restore, whose events memory must follow to know.
    return known !== undefined && known.event >= event ? "older" : "newer";
  }

  /** Adds a world that was read from the database, if it is the one that memory knows. */
  keep(world: World, head: Pick<KnownHead, "world" | "event">): void {
    if (this.compare(world.name, head) === "same") this.cache.set(world);
  }

  /**
   * Adds worlds at the start; watchers are not told.
   *
   * @param isFirst whether they are the first ones of a try, which drops those of an earlier try
   */
  addHeads(heads: Iterable<HeadRow>, isFirst: boolean): void {
    if (isFirst) {
      for (const { name } of [...this.catalog.uppers()]) this.catalog.remove(name);
      this.#heads.clear();
      this.#ids.clear();
    }
    for (const head of heads) this.#set(head, true);
  }

  /** Loads the state of the database at the start; watchers are not told. */
  load(
    heads: Iterable<HeadRow>,
    marks: Iterable<string>,
    position: CursorPosition,
    authority = 0,
  ): void {
    this.#authority = authority;
    for (const head of heads) this.#set(head, true);
    for (const name of marks) this.catalog.markCollection(name, true);
    this.#position = position;
  }

  /**
   * Applies what this node has committed with one unit, such as both worlds of a move.
   *
   * @returns whether it is applied; otherwise earlier steps are missing, and it is applied with its rows
   */
  applyOwn(steps: readonly OwnStep[]): boolean {
    const isNext = steps.every((step) => this.#isNext(step));
    let isDone = true;
    for (const step of steps) {
      if (this.#has(step)) {
        // The feed was faster; memory lacks the content only.
        if (step.content !== undefined) this.keep(step.content, step);
        continue;
      }
      const told = isNext ? this.#apply(step, step.content) : undefined;
      if (told === undefined) isDone = false;
      this.#remember(step, told);
    }
    return isDone;
  }

  /** Applies a row of the feed, which follows the position, and tells watchers and followers. */
  applyRow(row: FeedRow): void {
    this.#position = { seq: row.seq, run: row.run };
    if (!("event" in row)) {
      this.#applyNotice(row);
      return;
    }
    const step = toStep(row);
    const restored = restoredBy(row);
    if (restored !== undefined) this.#options.onRestored?.(restored);
    const own = this.#take(step);
    const known = this.#heads.get(step.world);
    const isApplied = known !== undefined && known.event >= step.event;
    const told = own?.told ?? (isApplied ? [] : this.#apply(step, own?.step.content));
    if (step.kind === "delete") this.#forget(step);
    this.#publish(row.name, told);
  }

  #applyNotice({ kind, name, state }: Omit<FeedNoticeRow, keyof CursorPosition>): void {
    if (kind === "locks") {
      this.#options.onLocks?.();
      return;
    }
    if (kind === "authority") {
      this.#authority = Number(state);
      return;
    }
    if (kind === "expunged") {
      this.#options.onExpunged?.(state);
      return;
    }
    if (kind === "gone") {
      const entry = this.catalog.upper(name);
      if (entry === undefined || String(this.#ids.get(name)) !== state) return;
      this.#heads.delete(Number(state));
      this.#ids.delete(name);
      this.#publish(name, [this.#remove(name, entry.by, entry, true)]);
      this.#options.onTrashUnknown?.();
      return;
    }
    const present = state === "true";
    this.catalog.markCollection(name, present);
    this.#options.onMark?.(name, present);
  }

  /** Lists the own steps whose rows have not come; see {@link ClusterState.dropLost}. */
  listUnconfirmed(): readonly OwnStep[] {
    return [...this.#own.values()].map(({ step }) => step);
  }

  /**
   * Drops own steps that the database had confirmed and has lost, which asynchronous replication makes
   * possible, and returns those of them. A client can have been told before that the outcome is unknown.
   * Their worlds must be read again and passed to {@link ClusterState.replace}.
   *
   * @param steps own steps whose rows must have come by now
   */
  dropLost(steps: readonly OwnStep[]): readonly OwnStep[] {
    return steps.filter((step) => this.#take(step) !== undefined);
  }

  /**
   * Replaces what memory has of some worlds, or of all of them, after the database has lost changes. It
   * tells watchers and followers of each difference.
   *
   * @param rows the worlds as they are now
   * @param position the position that the heads have at least
   * @param ids ids of the worlds to replace; absent for all
   * @param authority number in the guard that the heads have at least, if all are replaced
   */
  replace(
    rows: readonly HeadRow[],
    position: CursorPosition,
    ids?: ReadonlySet<number>,
    authority = this.#authority,
  ): void {
    this.#position = position;
    this.#authority = authority;
    if (ids === undefined) {
      this.#own.clear();
      this.#ownBytes = 0;
    }
    const present = new Set(rows.map(({ name }) => name));
    const heads = new Map<string, KnownHead>();
    for (const entry of [...this.catalog.uppers()]) {
      const { name, by } = entry;
      const id = this.#ids.get(name);
      if (id === undefined || ids !== undefined && !ids.has(id)) continue;
      const known = this.#heads.get(id);
      if (known !== undefined) heads.set(name, known);
      this.#ids.delete(name);
      if (!present.has(name)) this.#publish(name, [this.#remove(name, by, entry, true)]);
    }
    if (ids === undefined) {
      this.#heads.clear();
      this.#ended.clear();
    } else {
      for (const id of ids) {
        this.#heads.delete(id);
        this.#ended.delete(id);
      }
    }
    for (const row of rows) {
      const { name, by, version, event } = row;
      const before = heads.get(name);
      const isSame = before?.event === event && before.proof === proofOf(row);
      if (!isSame) this.cache.delete(name);
      this.#set(row);
      if (isSame) continue;
      const change = { kind: "update", name, version, by, isAfterGap: true } as const;
      this.#publish(name, [this.hub.publish(change)]);
    }
    this.#options.onTrashUnknown?.();
  }

  /** Replaces the marks of collections. */
  replaceMarks(names: readonly string[]): void {
    const present = new Set(names);
    for (const name of this.catalog.markedCollections()) {
      if (!present.has(name)) this.#applyNotice({ kind: "mark", name, state: "false" });
    }
    for (const name of present) this.#applyNotice({ kind: "mark", name, state: "true" });
  }

  /** Whether a step, or a later one of its world, was applied. */
  #has({ world, event }: Pick<KnownHead, "world" | "event">): boolean {
    const newest = this.#heads.get(world)?.event ?? this.#ended.get(world);
    return newest !== undefined && newest >= event;
  }

  /** Whether no step of another node is missing before an own step. */
  #isNext(step: OwnStep): boolean {
    if (this.#has(step)) return true;
    const { kind, world, first, name, version } = step;
    const known = this.#heads.get(world);
    const holder = this.#ids.get(name);
    if (known === undefined) {
      // A name that was used before can have had worlds that memory does not know.
      return first === 1 && holder === undefined && version === 1;
    }
    // The new name of a move or a restore can have had worlds that memory does not know, too.
    const isPlain = kind !== "move" && kind !== "restore";
    return isPlain && first === known.event + 1 && holder === world;
  }

  /** Applies a step that memory does not have, and tells watchers. */
  #apply(step: WorldStep, content: World | undefined): Change[] {
    const { kind, world, name, also, by, version } = step;
    const holder = this.#ids.get(name);
    if (holder !== undefined && holder !== world) {
      // A newer world has the name: the step is from before the state that was loaded.
      this.#heads.set(world, toKnownHead(step));
      return [];
    }
    if (kind === "note") {
      this.#heads.set(world, toKnownHead(step));
      const entry = holder === undefined ? undefined : this.catalog.upper(name);
      if (entry !== undefined) {
        this.catalog.setHead({ ...entry, head: step.event, headAt: step.at });
      }
      return [];
    }
    if (kind === "delete") {
      this.#heads.set(world, toKnownHead(step));
      if (holder === undefined) return [];
      this.#options.onTrashed?.(step);
      this.#ids.delete(name);
      return [this.#remove(name, by, step)];
    }
    this.#set(step);
    if (content === undefined) this.cache.delete(name);
    else this.cache.set(content);
    const changed = content === undefined ? {} : { world: content };
    const isMoved = kind === "move" && also !== undefined && this.#ids.get(also) === world;
    const before = isMoved ? this.catalog.upper(also) : undefined;
    // Both names change before a watcher is told, so that no reader sees the world under both.
    const told = [() => this.hub.publish({ kind: "update", name, version, by, ...changed })];
    if (isMoved && before !== undefined) {
      this.#ids.delete(also);
      const publish = this.#uncover(also, by, { ...before, updatedAt: step.updatedAt });
      told.push(publish);
    }
    return told.map((publish) => publish());
  }

  /** @param isStart whether it is one of the many worlds of a start, whose places in the tree can wait */
  #set(head: HeadRow, isStart = false): void {
    const { name, world, event, version, ext, len, state, updatedAt, by, at } = head;
    const stored = { layer: "upper", by, head: event, headAt: at } as const;
    const entry = { name, version, ext, len, state, updatedAt, ...stored };
    if (isStart) this.catalog.add(entry);
    else this.catalog.set(entry);
    this.#ids.set(name, world);
    this.#heads.set(world, toKnownHead(head));
  }

  #remove(
    name: string,
    by: string,
    removed: { version: number; updatedAt: string },
    isAfterGap = false,
  ): Change {
    return this.#uncover(name, by, removed, isAfterGap)();
  }

  /**
   * Removes an upper-layer world from memory; the lower-layer world of its name is visible again, with a
   * later time than the removed world had.
   *
   * @returns tells watchers
   */
  #uncover(
    name: string,
    by: string,
    { version, updatedAt }: { readonly version: number; readonly updatedAt: string },
    isAfterGap = false,
  ): () => Change {
    const gap = isAfterGap ? { isAfterGap } as const : {};
    this.cache.delete(name);
    this.catalog.remove(name);
    const before = this.lower.get(name);
    if (before === undefined) {
      return () => this.hub.publish({ kind: "delete", name, version, by, ...gap });
    }
    const lower = shownAgain(before, updatedAt);
    this.lower.set(name, lower);
    this.catalog.set(toEntry(lower));
    return () =>
      this.hub.publish({ kind: "update", name, version: lower.version, by, world: lower, ...gap });
  }

  #publish(name: string, told: readonly Change[]): void {
    if (told.length === 0) {
      this.followers.notify(this.#published(name, undefined));
      return;
    }
    for (const change of told) this.followers.notify(this.#published(change.name, change));
  }

  #published(name: string, change: Change | undefined): Published {
    return new LazyPublished(this.#options.codec, this.#position, name, change);
  }

  /** Remembers an own step until its row comes. */
  #remember(step: OwnStep, told: readonly Change[] | undefined): void {
    const bytes = step.content?.body.length ?? 0;
    const isLong = this.#ownBytes + bytes > MAX_INDEX_WAITING_BYTES;
    const { content: _, ...rest } = step;
    this.#own.set(keyOf(step), {
      step: isLong || told !== undefined ? rest : step,
      told: isLong ? told?.map(withoutBody) : told,
    });
    if (!isLong) this.#ownBytes += bytes;
  }

  #take({ world, event }: WorldStep): Unconfirmed | undefined {
    const key = keyOf({ world, event });
    const own = this.#own.get(key);
    if (own === undefined) return undefined;
    this.#own.delete(key);
    const told = own.told?.reduce((sum, change) => sum + bytesOf(change), 0) ?? 0;
    this.#ownBytes = this.#own.size === 0
      ? 0
      : Math.max(0, this.#ownBytes - told - (own.step.content?.body.length ?? 0));
    return own;
  }

  /** A deleted world has no further steps but a restore, which its node follows with its row. */
  #forget({ world, event }: WorldStep): void {
    const known = this.#heads.get(world);
    if (known === undefined || known.event > event) return;
    this.#heads.delete(world);
    this.#ended.delete(world);
    this.#ended.set(world, known.event);
    if (this.#ended.size <= ENDED_WORLDS) return;
    const [oldest] = this.#ended.keys();
    if (oldest !== undefined) this.#ended.delete(oldest);
  }
}

/** How what was read of a world relates to memory. */
export type Age = "same" | "older" | "newer";

function toKnownHead(row: HeadRow): KnownHead {
  return { world: row.world, event: row.event, proof: proofOf(row) };
}

function proofOf({ hmac }: Pick<HeadRow, "hmac">): number {
  return parseInt(hmac.slice(0, PROOF_DIGITS), 16);
}

function keyOf({ world, event }: Pick<KnownHead, "world" | "event">): string {
  return `${world} ${event}`;
}
