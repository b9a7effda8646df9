/**
 * How much of the trash counts for each quota with `trash:`. Worlds in the trash count for the path that
 * they had and for the caller that deleted them; attached worlds for their owner, as long as the server
 * knows it, which is until it stops. After the start, and after a new list, the sums are
 * complete when the trash has been read; until then they are too low, and no change waits for them.
 */

import { type QuotaList, type QuotaRule, rulesFor } from "../quota_list.ts";
import type { QuotaOwner } from "../quota.ts";
import type { TrashEntry } from "../trash.ts";

/** What is known of a deleted world. */
export type CountedTrash = Pick<TrashEntry, "id" | "name" | "by" | "bytes">;

/** What {@link TrashQuotas} needs of the store. */
export interface TrashQuotaSources {
  /** Reads all of the trash, when it is known. */
  readonly readAll: () => AsyncIterable<readonly CountedTrash[]>;
  readonly log: (line: string) => void;
}

interface CountedWorld {
  readonly bytes: number;
  readonly rules: readonly QuotaRule[];
}

/** The sums of one store. */
export class TrashQuotas {
  readonly #sources: TrashQuotaSources;
  /** The rules that limit the trash, and how many bytes count for each. */
  #used = new Map<QuotaRule, number>();
  #list: QuotaList = new Map();
  /** The worlds that count, by entry and name. */
  #counted = new Map<string, Map<string, CountedWorld>>();
  /** Worlds, and ids of entries, that left the trash while it was being read; another set for each read. */
  #taken: Set<string> | undefined;
  /** Whether the trash must be read once more when it has been read. */
  #isOutdated = false;

  constructor(sources: TrashQuotaSources) {
    this.#sources = sources;
  }

  /** Bytes that count for a rule. */
  used(rule: QuotaRule): number {
    return this.#used.get(rule) ?? 0;
  }

  /** Applies a list; reads the trash if a rule limits it. */
  setList(list: QuotaList): void {
    this.#list = list;
    this.#counted = new Map();
    this.#taken = undefined;
    this.#isOutdated = false;
    this.#used = new Map(
      [...list.values()].flatMap((rule) => rule.trash === Infinity ? [] : [[rule, 0] as const]),
    );
    if (this.#used.size > 0) void this.#load();
  }

  /** Reads the trash again: worlds came to it or left it, and nothing says which. */
  readAgain(): void {
    if (this.#taken === undefined) this.setList(this.#list);
    else this.#isOutdated = true;
  }

  /**
   * Counts a world that moved to the trash.
   *
   * @param owner the resource for whose quotas it counts, if that is not its own path
   */
  recordAdded(world: CountedTrash, owner: QuotaOwner = world): void {
    if (this.#used.size === 0) return;
    const entry = this.#counted.get(world.id);
    if (entry?.has(world.name)) return;
    const rules = rulesFor(this.#list, owner.name, owner.by).filter((rule) => this.#used.has(rule));
    if (rules.length === 0) return;
    const counted = { bytes: world.bytes, rules };
    if (entry === undefined) this.#counted.set(world.id, new Map([[world.name, counted]]));
    else entry.set(world.name, counted);
    for (const rule of rules) this.#used.set(rule, this.used(rule) + world.bytes);
  }

  /**
   * Counts a world that moved to the trash, whose owner is not known yet.
   *
   * @returns counts it for its owner, if it is still in the trash
   */
  recordUnowned({ id, name, bytes, by }: CountedTrash): (owner: QuotaOwner) => void {
    const entry = this.#counted.get(id) ?? new Map<string, CountedWorld>();
    if (this.#used.size === 0 || entry.has(name)) return () => {};
    const unowned = { bytes, rules: [] };
    this.#counted.set(id, entry.set(name, unowned));
    return (owner) => {
      if (this.#counted.get(id)?.get(name) !== unowned) return;
      entry.delete(name);
      this.recordAdded({ id, name, bytes, by }, owner);
    };
  }

  /** Counts a world that left the trash. */
  recordTaken(world: Pick<CountedTrash, "id" | "name">): void {
    this.#taken?.add(keyOf(world));
    const entry = this.#counted.get(world.id);
    const counted = entry?.get(world.name);
    if (entry === undefined || counted === undefined) return;
    entry.delete(world.name);
    if (entry.size === 0) this.#counted.delete(world.id);
    this.#uncount(counted);
  }

  /** Counts that all worlds of an entry left the trash. */
  recordExpunged(id: string): void {
    this.#taken?.add(id);
    const entry = this.#counted.get(id);
    if (entry === undefined) return;
    this.#counted.delete(id);
    for (const counted of entry.values()) this.#uncount(counted);
  }

  #uncount({ bytes, rules }: CountedWorld): void {
    for (const rule of rules) this.#used.set(rule, this.used(rule) - bytes);
  }

  async #load(): Promise<void> {
    const taken = this.#taken = new Set<string>();
    try {
      for await (const worlds of this.#sources.readAll()) {
        if (this.#taken !== taken) return;
        for (const world of worlds) {
          if (!taken.has(keyOf(world)) && !taken.has(world.id)) this.recordAdded(world);
        }
      }
    } catch (error) {
      this.#sources.log(`cannot add up the trash for quotas: ${error}`);
    }
    if (this.#taken !== taken) return;
    this.#taken = undefined;
    if (this.#isOutdated) this.setList(this.#list);
  }
}

function keyOf({ id, name }: Pick<CountedTrash, "id" | "name">): string {
  return `${id} ${name}`;
}
