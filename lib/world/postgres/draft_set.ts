/**
 * The worlds that the jobs of one transaction see: drafts by name and in the trash, and the last uses of
 * names. Jobs change it as the transaction will change the tables.
 */

import type { LastUse } from "../change/create_world.ts";
import type { WorldDraft } from "./world_draft.ts";

/** Drafts of one transaction. What was not added does not exist. */
export class DraftSet {
  readonly #worlds = new Map<string, WorldDraft>();
  readonly #trashed = new Map<string, WorldDraft>();
  readonly #uses = new Map<string, LastUse>();
  readonly #ended = new Set<string>();
  readonly #all = new Set<WorldDraft>();

  /** Adds a world under its name. */
  add(draft: WorldDraft): void {
    this.#worlds.set(draft.name, draft);
    this.#all.add(draft);
  }

  /**
   * Adds a world in the trash.
   *
   * @param trash id of its trash entry
   */
  addTrashed(trash: string, draft: WorldDraft): void {
    this.#trashed.set(trashKey(trash, draft.name), draft);
    this.#all.add(draft);
  }

  /** Adds the last use of a name, as the ledger of names has it. */
  addLastUse(name: string, use: LastUse): void {
    this.#uses.set(name, use);
  }

  /** Returns the world that has a name now. */
  find(name: string): WorldDraft | undefined {
    return this.#worlds.get(name);
  }

  /** Returns a world in the trash by the name that it had. */
  findTrashed(trash: string, name: string): WorldDraft | undefined {
    return this.#trashed.get(trashKey(trash, name));
  }

  /** Returns the last use of a name by a world that ended. */
  lastUse(name: string): LastUse | undefined {
    return this.#uses.get(name);
  }

  /** All worlds of the transaction. */
  get drafts(): Iterable<WorldDraft> {
    return this.#all;
  }

  /** Names whose world ended in this transaction; see {@link lastUse}. */
  get ended(): Iterable<string> {
    return this.#ended;
  }

  /**
   * Ends the use of a name by its world, before the change of the world. Versions and times never
   * decrease.
   *
   * @param trash id of the trash entry of the world; `""` if it moves to another name
   */
  end(draft: WorldDraft, trash: string): void {
    const { name, row: { version, updatedAt } } = draft;
    const last = this.#uses.get(name);
    this.#uses.set(name, {
      version: Math.max(version, last?.version ?? 0),
      updatedAt: last !== undefined && last.updatedAt > updatedAt ? last.updatedAt : updatedAt,
      trash,
    });
    this.#ended.add(name);
    this.#worlds.delete(name);
    if (trash !== "") this.addTrashed(trash, draft);
  }

  /** Removes a world from the trash. */
  takeTrashed(trash: string, name: string): void {
    this.#trashed.delete(trashKey(trash, name));
  }
}

function trashKey(trash: string, name: string): string {
  return `${trash} ${name}`;
}
