/**
 * Enforces `/etc/quota`: every change that makes a world, or makes it longer, reserves what it needs
 * before it is sent to a writer. What changes that run at the same time could add together is never more
 * than a quota allows. Without a list, a change costs one comparison.
 *
 * The sums come from the catalog and are made again with every new list. A reservation names the longest
 * content that its change may leave; the writer refuses a longer one (`over-limit`), and the change is
 * reserved again with the length that it needs.
 */

import { MAX_QUOTA_ATTEMPTS } from "../../usage_limits.ts";
import type { AttachedWorlds, QuotaCounts, QuotaOwner, QuotaState } from "../quota.ts";
import {
  NO_QUOTAS,
  parseQuotaList,
  QUOTA_WORLD,
  QuotaError,
  type QuotaList,
  type QuotaRule,
  rulesFor,
} from "../quota_list.ts";
import { type CountedTrash, TrashQuotas } from "./trash_quotas.ts";
import { readAgain } from "../read_again.ts";
import { type Change, StoreError, type World, type WorldEntry } from "../store.ts";

/** A change that can need space. */
export interface Growth {
  /** Name of the world after the change. */
  readonly name: string;
  /** The caller, as its event names it. */
  readonly by: string;
  /** The old name, if the change moves a world. */
  readonly from?: string;
  /** The resource for whose quotas the world counts. */
  readonly owner?: QuotaOwner;
  /** Whether the change restores a world from the trash, which a full trash must not prevent. */
  readonly leavesTrash?: boolean;
}

/**
 * Returns the bytes of the content after a change.
 *
 * @param current bytes that the world can have before it
 */
export type LengthAfter = (current: number) => number;

/** What {@link Quotas} needs of the store. */
export interface QuotaSources {
  /** The upper-layer world of a name. */
  readonly upper: (name: string) => WorldEntry | undefined;
  /** All upper-layer worlds. */
  readonly uppers: () => Iterable<WorldEntry>;
  /** Length of the lower-layer world of a name; 0 without one. */
  readonly lowerLength: (name: string) => number;
  /** Names of the collections that are marked. */
  readonly marks: () => readonly string[];
  readonly read: (name: string) => Promise<World | undefined>;
  /** Waits until the lengths of all worlds are known; undefined if they are. */
  readonly indexed: () => Promise<unknown> | undefined;
  /** Worlds that count for the quotas of other resources. */
  readonly attached?: AttachedWorlds;
  /** Reads a deleted world, if other servers delete worlds that this one has not read. */
  readonly readDeleted?: (world: CountedTrash) => Promise<World | undefined>;
  /** Reads all of the trash, when it is known. */
  readonly readTrash: () => AsyncIterable<readonly CountedTrash[]>;
  readonly log: (line: string) => void;
}

/** A change that runs. */
interface Reservation {
  readonly name: string;
  readonly by: string;
  readonly from: string | undefined;
  readonly owner: QuotaOwner | undefined;
  readonly leavesTrash: boolean;
  /** Bytes of the longest content that it may leave; 0 for a collection. */
  readonly maxBytes: number;
}

interface Total {
  bytes: number;
  worlds: number;
}

/** What a world counts for each of its rules. */
interface Counted extends Readonly<Total> {
  readonly rules: readonly QuotaRule[];
}

/** No list could be read since the start: what it allows is not known. */
type List = QuotaList | { readonly unknown: string };

/** The quotas of one store. */
export class Quotas {
  readonly #sources: QuotaSources;
  #list: List = NO_QUOTAS;
  #loading: Promise<void> | undefined;
  #newest = 0;
  /** Why the list could not be used, as it was logged last. */
  #lastFault = "";
  #used = new Map<QuotaRule, Total>();
  #counted = new Map<string, Counted>();
  /** The owners of attached worlds, which only their content names. */
  #owners = new Map<string, QuotaOwner>();
  readonly #running = new Set<Reservation>();
  readonly #refused = { bytes: 0, worlds: 0, size: 0, trash: 0 };
  /** What counts of the trash. */
  readonly trash: TrashQuotas;

  constructor(sources: QuotaSources) {
    this.#sources = sources;
    this.trash = new TrashQuotas({ readAll: sources.readTrash, log: sources.log });
  }

  /** Figures since the start of the store. */
  get counts(): QuotaCounts {
    let full = 0;
    for (const [rule, { bytes, worlds }] of this.#used) {
      const isFull = bytes >= rule.bytes || worlds >= rule.worlds ||
        this.trash.used(rule) >= rule.trash;
      if (isFull) full++;
    }
    return { rules: this.#used.size, full, refused: { ...this.#refused } };
  }

  /** Returns the quotas that a change of a world would have to keep. */
  statesFor(name: string, by: string): QuotaState[] {
    if ("unknown" in this.#list) return [];
    return rulesFor(this.#list, name, by).map((rule) => ({
      ...rule,
      used: { ...this.#used.get(rule) ?? { bytes: 0, worlds: 0 } },
    }));
  }

  /** Reads the list at the start of the store. */
  async start(): Promise<void> {
    if (this.#sources.upper(QUOTA_WORLD) === undefined) return;
    this.#list = { unknown: "it has not been read yet" };
    await this.#load();
  }

  /** Applies a change of a world, or of its entry in the catalog; called after the catalog has it. */
  record(name: string, change?: Pick<Change, "kind" | "world">): void {
    if (name === QUOTA_WORLD && change !== undefined) this.#changeList(change);
    else if (this.#isActive) {
      const entry = this.#sources.upper(name);
      if (entry === undefined || !this.#isAttached(entry)) this.#owners.delete(name);
      else if (change?.world !== undefined) this.#learnOwner(change.world);
      else if (change !== undefined) this.#readOwner(name);
      this.#count(name, entry);
    }
  }

  /** Counts a world that moved to the trash; called before its removal is recorded. */
  recordTrash(world: CountedTrash): void {
    const owner = this.#owners.get(world.name);
    const entry = this.#sources.upper(world.name);
    const { readDeleted } = this.#sources;
    if (owner !== undefined || readDeleted === undefined || !entry || !this.#isAttached(entry)) {
      this.trash.recordAdded(world, owner);
    } else if (this.#isActive) void this.#waitFor(this.#readTrashed(world, readDeleted));
  }

  /** Counts a deleted world for the owner that its content names. */
  async #readTrashed(
    world: CountedTrash,
    readDeleted: (world: CountedTrash) => Promise<World | undefined>,
  ): Promise<void> {
    const count = this.trash.recordUnowned(world);
    // One that cannot be read counts for its own path, like those that were deleted before the start.
    const content = await readDeleted(world).catch(() => undefined);
    count((content && this.#sources.attached?.ownerOf(content)) ?? world);
  }

  /** Applies a mark of a collection. */
  recordMark(name: string, present: boolean): void {
    if (this.#isActive) this.#countMark(name, present);
  }

  /**
   * Runs a change within the quotas.
   *
   * @param work receives the longest content that it may leave, in bytes; undefined without a limit
   * @throws {QuotaError} if a quota does not have the space
   */
  run<T>(
    growth: Growth,
    lengthAfter: LengthAfter,
    work: (maxBytes: number | undefined) => Promise<T>,
  ): Promise<T> {
    // The operator can repair the list whatever it says.
    const isFree = growth.name === QUOTA_WORLD;
    return isFree || !this.#isActive && this.#loading === undefined
      ? work(undefined)
      : this.#run(growth, lengthAfter, work);
  }

  /**
   * Reserves the place of a collection while it is marked.
   *
   * @param from the old name, if the collection moves
   * @throws {QuotaError}
   */
  async mark<T>(growth: Growth, work: () => Promise<T>): Promise<T> {
    const { name, by, from } = growth;
    const moved = from === undefined ? {} : { from: `${from}/` };
    return await this.run({ name: `${name}/`, by, ...moved }, () => 0, work);
  }

  get #isActive(): boolean {
    return "unknown" in this.#list || this.#list.size > 0;
  }

  async #run<T>(
    { name, by, from, owner, leavesTrash = false }: Growth,
    lengthAfter: LengthAfter,
    work: (maxBytes: number) => Promise<T>,
  ): Promise<T> {
    while (this.#loading !== undefined) await this.#loading;
    // A promise is awaited only if there is one: the order of changes stays that of the calls.
    const indexed = this.#sources.indexed();
    if (indexed !== undefined) await indexed;
    let maxBytes = lengthAfter(this.#longest(from ?? name));
    for (let attempt = 1;; attempt++) {
      const reservation = { name, by, from, owner, leavesTrash, maxBytes };
      this.#assertSpace(reservation);
      this.#running.add(reservation);
      try {
        return await work(maxBytes);
      } catch (error) {
        const isShort = error instanceof StoreError && error.code === "over-limit";
        if (!isShort || error.bytes === undefined) throw error;
        if (attempt >= MAX_QUOTA_ATTEMPTS) {
          throw new StoreError("busy", "other callers change the world too often", name);
        }
        maxBytes = error.bytes;
      } finally {
        this.#running.delete(reservation);
      }
    }
  }

  /** Bytes that a world has at most when the changes that run now have ended. */
  #longest(name: string): number {
    let longest = this.#sources.upper(name)?.len ?? this.#sources.lowerLength(name);
    for (const running of this.#running) {
      if (running.name === name) longest = Math.max(longest, running.maxBytes);
    }
    return longest;
  }

  /** @throws {QuotaError} */
  #assertSpace(change: Reservation): void {
    if ("unknown" in this.#list) {
      throw new StoreError(
        "quota",
        `/${QUOTA_WORLD} cannot be used: ${this.#list.unknown}; replace it, or delete it`,
        QUOTA_WORLD,
      );
    }
    for (const rule of this.#rulesFor(change)) {
      const own = this.#growth(rule, [change]);
      for (const unit of ["bytes", "worlds"] as const) {
        // A change that adds nothing is possible in a quota that is exceeded.
        if (own[unit] <= 0 || rule[unit] === Infinity) continue;
        const used = this.#used.get(rule)?.[unit] ?? 0;
        const reserved = this.#reserved(rule, change)[unit];
        if (used + reserved <= rule[unit]) continue;
        const { subject, [unit]: limit } = rule;
        const [needed, length] = [own[unit], change.maxBytes];
        const fault = { subject, unit, limit, used, needed, length };
        const error = new QuotaError(fault, (change.owner ?? change).name);
        this.#refused[error.code === "quota" ? unit : "size"]++;
        throw error;
      }
      this.#assertTrash(rule, own, change);
    }
  }

  /**
   * What a caller deletes stays on the disk for a time, so one that writes and deletes again and again
   * has to wait.
   *
   * @throws {QuotaError}
   */
  #assertTrash(rule: QuotaRule, own: Total, change: Reservation): void {
    const used = this.trash.used(rule);
    const isGrowing = own.bytes > 0 || own.worlds > 0;
    if (!isGrowing || change.leavesTrash || used < rule.trash) return;
    this.#refused.trash++;
    const { subject, trash: limit } = rule;
    const fault = { subject, unit: "trash", limit, used, needed: 0, length: 0 } as const;
    throw new QuotaError(fault, (change.owner ?? change).name);
  }

  /** What all running changes and another one can add to a rule. */
  #reserved(rule: QuotaRule, change: Reservation): Total {
    const byName = new Map<string, Reservation[]>();
    for (const running of [...this.#running, change]) {
      if (!this.#rulesFor(running).includes(rule)) continue;
      const same = byName.get(running.name);
      if (same === undefined) byName.set(running.name, [running]);
      else same.push(running);
    }
    const total = { bytes: 0, worlds: 0 };
    for (const changes of byName.values()) {
      const { bytes, worlds } = this.#growth(rule, changes);
      total.bytes += Math.max(0, bytes);
      total.worlds += Math.max(0, worlds);
    }
    return total;
  }

  /** What changes of one name add to a rule at most: the one after which the world is longest. */
  #growth(rule: QuotaRule, changes: readonly Reservation[]): Total {
    const all = changes.map(({ name, from, owner, maxBytes }) => {
      const before = this.#contribution(rule, name);
      const moved = from === undefined ? NOTHING : this.#contribution(rule, from);
      return {
        bytes: maxBytes - before.bytes - moved.bytes,
        worlds: (owner === undefined ? 1 : 0) - before.worlds - moved.worlds,
      };
    });
    return {
      bytes: Math.max(...all.map(({ bytes }) => bytes)),
      worlds: Math.max(...all.map(({ worlds }) => worlds)),
    };
  }

  #contribution(rule: QuotaRule, name: string): Total {
    const counted = this.#counted.get(name);
    return counted?.rules.includes(rule) ? counted : NOTHING;
  }

  #rulesFor(
    { owner, ...change }: Pick<Reservation, "name" | "by"> & Partial<Pick<Reservation, "owner">>,
  ): readonly QuotaRule[] {
    const { name, by } = owner ?? change;
    return "unknown" in this.#list ? [] : rulesFor(this.#list, name, by);
  }

  /** Counts a world as it is in the catalog now. */
  #count(name: string, entry: WorldEntry | undefined): void {
    this.#uncount(name);
    if (entry === undefined) return;
    const owner = this.#owners.get(name);
    const rules = this.#rulesFor({ name, by: entry.by, owner });
    const worlds = owner === undefined ? 1 : 0;
    if (rules.length > 0) this.#add(name, { bytes: entry.len, worlds, rules });
  }

  /** Counts a collection that is marked as a world without content of no caller. */
  #countMark(name: string, present: boolean): void {
    const key = `${name}/`;
    this.#uncount(key);
    if (present) this.#add(key, { bytes: 0, worlds: 1, rules: this.#rulesFor({ name, by: "" }) });
  }

  #uncount(key: string): void {
    const before = this.#counted.get(key);
    if (before === undefined) return;
    this.#counted.delete(key);
    this.#change(before, -1);
  }

  #add(key: string, counted: Counted): void {
    this.#counted.set(key, counted);
    this.#change(counted, 1);
  }

  #change({ bytes, worlds, rules }: Counted, sign: 1 | -1): void {
    for (const rule of rules) {
      const total = this.#used.get(rule);
      if (total === undefined) continue;
      total.bytes += sign * bytes;
      total.worlds += sign * worlds;
    }
  }

  #changeList({ kind, world }: Pick<Change, "kind" | "world">): void {
    // A load that has not ended reads an older list.
    this.#newest++;
    if (kind === "delete") this.#setList(NO_QUOTAS);
    else if (world === undefined) void this.#load();
    else this.#apply(world);
  }

  /** Changes wait for the list; a load that fails leaves the last good list. */
  #load(): Promise<void> {
    return this.#waitFor(this.#read(++this.#newest));
  }

  /** Lets changes wait until all work that was given has ended. */
  async #waitFor(work: Promise<void>): Promise<void> {
    const before = this.#loading;
    const loading = Promise.all([before, work]).then(() => {});
    this.#loading = loading;
    await work;
    await before;
    if (this.#loading === loading) this.#loading = undefined;
  }

  async #read(current: number): Promise<void> {
    try {
      const world = await this.#sources.read(QUOTA_WORLD);
      if (current !== this.#newest) return;
      if (world === undefined) this.#setList(NO_QUOTAS);
      else this.#apply(world);
    } catch (error) {
      if (current !== this.#newest) return;
      this.#keep(error instanceof Error ? error.message : String(error));
      readAgain(error, () => void (current === this.#newest && this.#load()));
    }
  }

  #apply({ body }: World): void {
    const parsed = parseQuotaList(body);
    if ("fault" in parsed) this.#keep(parsed.fault);
    else this.#setList(parsed);
  }

  /** Keeps the last good list; without one, no change can add anything. */
  #keep(reason: string): void {
    const isUnknown = "unknown" in this.#list;
    if (isUnknown) this.#list = { unknown: reason };
    if (reason === this.#lastFault) return;
    this.#lastFault = reason;
    this.#sources.log(
      `/${QUOTA_WORLD} cannot be used: ${reason}; ` +
        (isUnknown
          ? "until it is replaced or deleted, nothing can be added"
          : "the last list is kept"),
    );
  }

  #setList(list: QuotaList): void {
    this.#lastFault = "";
    this.#list = list;
    this.#used = new Map([...list.values()].map((rule) => [rule, { bytes: 0, worlds: 0 }]));
    this.#counted = new Map();
    this.#owners = new Map();
    this.trash.setList(list);
    if (list.size === 0) return;
    const attached: string[] = [];
    for (const entry of this.#sources.uppers()) {
      this.#count(entry.name, entry);
      if (this.#isAttached(entry)) attached.push(entry.name);
    }
    if (attached.length > 0) void this.#waitFor(this.#readOwners(attached, list));
    for (const name of this.#sources.marks()) this.#countMark(name, true);
  }

  /** Reads the owner of a world that was changed elsewhere; until then it counts for its own path. */
  #readOwner(name: string): void {
    if ("unknown" in this.#list) return;
    this.#owners.delete(name);
    void this.#waitFor(this.#readOwners([name], this.#list));
  }

  /** Reads the owners of worlds. One that cannot be read counts for its own path. */
  async #readOwners(names: readonly string[], list: QuotaList): Promise<void> {
    for (let at = 0; at < names.length; at += OWNERS_PER_STEP) {
      await Promise.all(
        names.slice(at, at + OWNERS_PER_STEP).map(async (name) => {
          // A failed read is reported when a caller reads the world.
          const world = await this.#sources.read(name).catch(() => undefined);
          const entry = this.#sources.upper(name);
          // A change that was recorded since is newer.
          const isNeeded = this.#list === list && !this.#owners.has(name);
          if (world === undefined || entry === undefined || !isNeeded) return;
          if (this.#isAttached(entry)) this.#learnOwner(world);
          this.#count(name, entry);
        }),
      );
      if (this.#list !== list) return;
    }
  }

  #isAttached(entry: WorldEntry): boolean {
    return this.#sources.attached?.isAttached(entry) === true;
  }

  #learnOwner(world: World): void {
    const owner = this.#sources.attached?.ownerOf(world);
    if (owner === undefined) this.#owners.delete(world.name);
    else this.#owners.set(world.name, owner);
  }
}

/** Worlds whose owners are read at the same time. */
const OWNERS_PER_STEP = 64;
const NOTHING: Readonly<Total> = { bytes: 0, worlds: 0 };
