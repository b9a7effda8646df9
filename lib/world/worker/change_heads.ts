/**
 * The newest indexed event of each chain, by the names of its world. Changes are written when their
 * transaction ends: once for each name, however many events it has.
 */

import type { CommittedEvent, IndexedHead, NamedHead } from "../changes.ts";
import { toHead } from "../change_values.ts";
import * as sql from "./change_sql.ts";
import type { IndexDatabase } from "./index_database.ts";

/** See the module. */
export class ChangeHeads {
  readonly #db: Pick<IndexDatabase, "get" | "all" | "run">;
  /** The heads that the open transaction changes, of the chain that each name has. */
  readonly #changed = new Map<string, IndexedHead>();

  constructor(db: Pick<IndexDatabase, "get" | "all" | "run">) {
    this.#db = db;
  }

  /** Returns the head of the chain that a name has, or had last. */
  ofName(name: string): IndexedHead | undefined {
    return this.#changed.get(name) ?? toHead(this.#db.get(sql.SELECT_HEAD, name));
  }

  /** Returns the head of a chain under one of its names. */
  ofChainUnder(name: string, chain: string): IndexedHead | undefined {
    const changed = this.#changed.get(name);
    if (changed?.chain === chain) return changed;
    return toHead(this.#db.get(sql.SELECT_HEAD_OF_CHAIN, name, chain));
  }

  /** Returns the newest head of a chain, whatever name it has. */
  ofChain(chain: string): IndexedHead | undefined {
    // The open transaction can have changed only an earlier name: an event that is indexed came again.
    const saved = toHead(this.#db.get(sql.SELECT_CHAIN, chain));
    return [...this.#changed.values()].filter((head) => head.chain === chain)
      .reduce((a, b) => a === undefined || b.event > a.event ? b : a, saved);
  }

  /** Returns the heads of a chain under all its names, newest first; called outside a transaction. */
  allOfChain(chain: string): NamedHead[] {
    return this.#db.all(sql.HEADS_OF_CHAIN, chain).flatMap((row) => {
      const head = toHead(row);
      return head === undefined ? [] : { ...head, name: String(row.name) };
    });
  }

  /** Saves an event as the head of a name when the transaction ends. */
  save(
    name: string,
    chain: string,
    { id, timestamp, hmac = "" }: CommittedEvent,
    ended: boolean,
  ): void {
    this.#set(name, { chain, event: id, at: timestamp, hmac, ended });
  }

  /**
   * Changes whether a name has a world.
   *
   * @param chain the chain of the head; by default the one that the name has, or had last
   */
  end(name: string, ended: boolean, chain?: string): void {
    const head = chain === undefined ? this.ofName(name) : this.ofChainUnder(name, chain);
    if (head !== undefined) this.#set(name, { ...head, ended });
  }

  /** Deletes the head of a chain under a name. */
  remove(name: string, chain: string): void {
    if (this.#changed.get(name)?.chain === chain) this.#changed.delete(name);
    this.#db.run(sql.DELETE_HEAD, name, chain);
  }

  /** Writes what changed; called before the transaction is committed. */
  write(): void {
    for (const [name, head] of this.#changed) this.#write(name, head);
    this.#changed.clear();
  }

  /** Forgets what changed, because the transaction failed. */
  reset(): void {
    this.#changed.clear();
  }

  #set(name: string, head: IndexedHead): void {
    const current = this.ofName(name);
    if (current === undefined || current.chain === head.chain) {
      this.#changed.set(name, head);
    } else if (head.ended && !(current.ended && isBefore(current, head))) {
      this.#write(name, head); // an earlier world of the name
    } else {
      this.#write(name, { ...current, ended: true });
      this.#changed.set(name, head);
    }
  }

  #write(name: string, { chain, event, at, hmac, ended }: IndexedHead): void {
    const flag = ended ? 1 : 0;
    const updated = this.#db.run(sql.UPDATE_HEAD, event, at, flag, hmac, name, chain);
    if (updated === 0) this.#db.run(sql.SAVE_HEAD, name, chain, event, at, flag, hmac);
  }
}

/** Whether the newest event of a chain is before that of another chain. */
function isBefore(one: IndexedHead, other: IndexedHead): boolean {
  return one.at === other.at ? one.event < other.event : one.at < other.at;
}
