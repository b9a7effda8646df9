/**
 * Completes the change index from the chains: adds the events that it lacks, creates it, and replaces the
 * events of a chain whose world was replaced by an older copy while the server was stopped. A copy of a
 * world has the chain of the original up to an event; both then continue with events of their own.
 */

import { MAX_INDEX_BATCH } from "../../limits.ts";
import {
  type ChainEvents,
  type CommittedEvent,
  GAP,
  type IndexedHead,
  type IndexEntry,
  type NamedEvent,
  type NamedHead,
} from "../changes.ts";
import { StoreError } from "../store.ts";
import { toIndexEntry } from "./index_entry.ts";
import type { WithoutId } from "./worker_client.ts";
import type { IndexJob, JobResults, TrashedWorld } from "./worker_messages.ts";

/** Runs a job in the Worker of the index. */
export type RunIndexJob = <K extends IndexJob["kind"]>(
  job: WithoutId<Extract<IndexJob, { kind: K }>>,
) => Promise<JobResults[K]>;

/** What a {@link ChainCompletion} needs. */
export interface ChainCompletionOptions {
  readonly run: RunIndexJob;
  /** Reads events of a world after an id; undefined if the world has no file. */
  readonly readChain: ReadChain;
  /** Whether only T3 can read a world. */
  readonly isRestricted: (name: string) => boolean;
  /** Called for each entry that was added, with the number of its last event. */
  readonly onAppended: (name: string, seq: number) => void;
  /** Whether the store is closing: the rest is added at the next start. */
  readonly isStopping: () => boolean;
  /** Writes a line for the operator. */
  readonly log: (line: string) => void;
}

type ReadChain = (name: string, after: number) => Promise<ChainEvents | undefined>;
type ReadAfter = (after: number) => Promise<ChainEvents | undefined>;

/** What the index has of a chain. */
interface KnownPart {
  /** Id and time of the last event that both have; 0 if the index does not have the chain. */
  readonly event: number;
  readonly at: string;
  /** The events after it, if they were read. */
  readonly page?: ChainEvents;
  /** Whether the index has other events after it, which the chain does not have. */
  readonly isOther?: true;
}

/** See the module. */
export class ChainCompletion {
  readonly #options: ChainCompletionOptions;

  constructor(options: ChainCompletionOptions) {
    this.#options = options;
  }

  /** Adds the events of a name that the index lacks, of a deleted world and of the current one. */
  async completeName(name: string): Promise<void> {
    const head = await this.#options.run<"headOfName">({ kind: "headOfName", name });
    const read: ReadAfter = (after) => this.#options.readChain(name, after);
    const current = await read(Number.MAX_SAFE_INTEGER);
    if (head !== undefined && !head.ended && head.chain !== current?.chain) {
      await this.#completeEnded(name, head);
    }
    if (current === undefined) return;
    const { chain, ended = false } = current;
    await this.#completeChain(name, chain, read, ended ? "ended" : "present");
  }

  /** Adds the events of worlds that were deleted and are not indexed to their end. */
  async completeTrashed(): Promise<void> {
    const { run, isStopping } = this.#options;
    for (const world of await run<"unknownTrash">({ kind: "unknownTrash" })) {
      if (isStopping()) return;
      const { name, bin } = world;
      const read: ReadAfter = (after) => this.#readTrashed(world, after);
      const { chain } = await this.#readTrashed(world, Number.MAX_SAFE_INTEGER);
      await this.#completeChain(name, chain, read, "trashed");
      // One that cannot be read is tried again at the next start.
      if (chain !== "" && !isStopping()) await run<"saveBin">({ kind: "saveBin", bin });
    }
  }

  /**
   * Adds the events of all chains to an index that is not complete. The caller then completes it.
   *
   * @param onUnreadable called with worlds that cannot be read; the index continues without them
   */
  async stageAll(
    names: readonly string[],
    onUnreadable: (name: string, error: StoreError) => void,
  ): Promise<void> {
    const { run, readChain, isStopping } = this.#options;
    for (const name of names) {
      const read: ReadAfter = async (after) => {
        try {
          return await readChain(name, after);
        } catch (error) {
          if (!(error instanceof StoreError) || isEnd(error)) throw error;
          onUnreadable(name, error);
          return undefined;
        }
      };
      await this.#stage(name, read, false);
      if (isStopping()) return;
    }
    for (const world of await run<"trashed">({ kind: "trashed" })) {
      await this.#stage(world.name, (after) => this.#readTrashed(world, after), true);
      if (isStopping()) return;
    }
  }

  async #stage(name: string, read: ReadAfter, isTrashed: boolean): Promise<void> {
    let known: KnownPart | undefined;
    let chain = "";
    for (let after = 0;;) {
      const found = await read(after);
      if (found === undefined) return;
      if (after > 0 && found.chain !== chain) {
        // The name has had another world since the page before.
        known = undefined;
        after = 0;
        continue;
      }
      chain = found.chain;
      const entries = this.#entriesOf(name, found, isTrashed ? "trashed" : "present", after > 0);
      if (entries.length > 0) {
        const isFirst = known === undefined && after === 0;
        const heads = await this.#options.run<"stage">({ kind: "stage", entries, isFirst });
        if (heads.length > 0) {
          // A copy of a world, or one that was moved or deleted in the meantime.
          known = await this.#findKnown(name, chain, heads, read);
          const own = known?.isOther ? heads.find((head) => head.name === name) : undefined;
          if (known === undefined || isTrashed && own?.ended === false) return;
          after = known.event;
          continue;
        }
      }
      after = entries.at(-1)?.events.at(-1)?.id ?? after;
      if (entries.length === 0 || !found.more || this.#options.isStopping()) return;
    }
  }

  /** Adds the last events of a world that was deleted or moved. */
  async #completeEnded(name: string, head: IndexedHead): Promise<void> {
    const { run, isRestricted } = this.#options;
    for (const world of await run<"trashed">({ kind: "trashed", name })) {
      const { chain } = await this.#readTrashed(world, Number.MAX_SAFE_INTEGER);
      if (chain !== head.chain) continue;
      await this.#completeChain(name, chain, (after) => this.#readTrashed(world, after), "ended");
      return;
    }
    const end = { ...toIndexEntry(name, [], isRestricted), chain: head.chain, ended: true };
    await this.#append([end]);
  }

  #readTrashed(world: TrashedWorld, after: number): Promise<ChainEvents> {
    return this.#options.run<"trashedChain">({
      kind: "trashedChain",
      world,
      after,
      limit: MAX_INDEX_BATCH,
    });
  }

  /** Makes the index have the events of a chain that has this name now. */
  async #completeChain(
    name: string,
    chain: string,
    read: ReadAfter,
    state: ChainState,
  ): Promise<void> {
    const { run, isStopping } = this.#options;
    const heads = await run<"headsOfChain">({ kind: "headsOfChain", chain });
    const known = await this.#findKnown(name, chain, heads, read);
    if (known === undefined) return;
    const own = heads.find((head) => head.name === name);
    // The trash has an earlier copy of a world that is present.
    if (state === "trashed" && known.isOther && own?.ended === false) return;
    const other = known.isOther && state !== "trashed" ? own : undefined;
    let page = known.page ?? await read(known.event);
    if (other !== undefined) {
      const replaced = await this.#replace(name, other, known, page, read, state);
      if (replaced === undefined) return;
      page = await read(replaced);
    }
    for (let isFirst = other === undefined;; isFirst = false) {
      if (page === undefined || page.chain !== chain) return;
      const entries = this.#entriesOf(name, page, state, known.event > 0);
      const last = entries.at(-1)?.events.at(-1);
      if (last === undefined) {
        // The folder of a deleted world was moved back.
        if (isFirst && state === "present" && own?.ended === true) {
          await this.#append([{ ...toIndexEntry(name, [], this.#options.isRestricted), chain }]);
        }
        return;
      }
      await this.#append(entries);
      if (!page.more || isStopping()) return;
      page = await read(last.id);
    }
  }

  /**
   * Replaces the events that the index has of a chain and that its world does not have any more.
   * Followers must hear of a world that is an earlier one again: its last event gets a new place if it
   * has no later ones.
   *
   * @returns the id of the last event that was added
   */
  async #replace(
    name: string,
    head: NamedHead,
    known: KnownPart,
    page: ChainEvents | undefined,
    read: ReadAfter,
    state: ChainState,
  ): Promise<number | undefined> {
    const hasLater = (page?.parts.length ?? 0) > 0;
    const keep = hasLater ? known.event : Math.max(0, known.event - 1);
    const added = hasLater ? page : await read(keep);
    if (added === undefined || added.chain !== head.chain) return undefined;
    const entries = this.#entriesOf(name, added, state, keep > 0);
    const last = entries.at(-1)?.events.at(-1);
    if (last === undefined) return undefined;
    const results = await this.#options.run<"replaceEvents">({
      kind: "replaceEvents",
      head,
      keep,
      since: known.at,
      entries,
    });
    if (results === undefined) return undefined;
    this.#options.log(
      `/${name} was replaced by an older copy: the index of changes has its events after number ` +
        `${keep} anew`,
    );
    this.#report(entries, results);
    return last.id;
  }

  /**
   * Finds the last event of a chain that the index has.
   *
   * @param heads what the index knows about the chain, newest first
   * @returns undefined if the chain is not there any more
   */
  async #findKnown(
    name: string,
    chain: string,
    heads: readonly NamedHead[],
    read: ReadAfter,
  ): Promise<KnownPart | undefined> {
    const [newest] = heads;
    if (newest === undefined) return { event: 0, at: "" };
    for (const head of heads) {
      const found = await read(head.event - 1);
      if (found === undefined || found.chain !== chain) return undefined;
      const [event] = eventsOf(found);
      if (event !== undefined && isHead(event, head)) {
        const page = withoutFirst(found);
        return { event: event.id, at: event.timestamp, page };
      }
      // The name has other events. Earlier heads, under other names, tell nothing about them.
      if (head.name === name) break;
    }
    return { ...await this.#findCommon(newest.event, read), isOther: true };
  }

  /** Finds the last event that a chain and the index have in common. */
  async #findCommon(last: number, read: ReadAfter): Promise<{ event: number; at: string }> {
    for (let to = last; to > 0; to -= MAX_INDEX_BATCH) {
      const after = Math.max(0, to - MAX_INDEX_BATCH);
      const found = await read(after);
      const events = found === undefined ? [] : eventsOf(found).filter(({ id }) => id <= to);
      if (events.length === 0) continue;
      const common = await this.#options.run<"lastCommon">({ kind: "lastCommon", events });
      const event = events.find(({ id }) => id === common);
      if (event !== undefined) return { event: common, at: event.timestamp };
    }
    return { event: 0, at: "" };
  }

  async #append(entries: readonly IndexEntry[]): Promise<void> {
    this.#report(
      entries,
      await this.#options.run<"appendIndex">({ kind: "appendIndex", entries }),
    );
  }

  #report(entries: readonly IndexEntry[], results: JobResults["appendIndex"]): void {
    for (const [at, { name }] of entries.entries()) {
      const result = results[at];
      if (result !== undefined && result !== GAP) this.#options.onAppended(name, result);
    }
  }

  /**
   * Returns the entries of events.
   *
   * @param isContinued whether the index has the events before them
   */
  #entriesOf(
    name: string,
    { chain, parts, more, ended }: ChainEvents,
    state: ChainState,
    isContinued: boolean,
  ): IndexEntry[] {
    return parts.map((part, at) => {
      const isLast = at === parts.length - 1;
      // The chain of a folder that was copied under another name has the name of the original.
      const isCopy = isLast && !more && isContinued && state === "present";
      return {
        ...toIndexEntry(isCopy ? name : part.name, part.events, this.#options.isRestricted),
        chain,
        // Only the last part has the name that the world has now.
        ended: !isLast || (state !== "present" || ended === true) && !more,
      };
    });
  }
}

/** `present` in its place, `ended` in its place or in the trash and known, `trashed` in the trash. */
type ChainState = "present" | "ended" | "trashed";

/** Whether the store ends: it is closed, or it has lost its data folder, which the server reports. */
export function isEnd(error: unknown): boolean {
  return error instanceof StoreError && (error.code === "closed" || error.code === "detached");
}

/** Whether an event is the one of a head. Earlier versions did not save the HMAC. */
function isHead({ id, timestamp, hmac }: CommittedEvent, head: IndexedHead): boolean {
  return id === head.event && (head.hmac === "" ? timestamp === head.at : hmac === head.hmac);
}

function eventsOf({ parts }: ChainEvents): NamedEvent[] {
  return parts.flatMap(({ name, events }) => events.map((event) => ({ ...event, name })));
}

function withoutFirst(found: ChainEvents): ChainEvents {
  const [first, ...rest] = found.parts;
  if (first === undefined) return found;
  const events = first.events.slice(1);
  return { ...found, parts: events.length === 0 ? rest : [{ ...first, events }, ...rest] };
}
