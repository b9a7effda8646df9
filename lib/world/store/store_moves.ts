/**
 * Moves worlds: to the trash and back, and to other names. Each move is on disk before the state in
 * memory has it, and the state changes in one tick, so that no reader sees a world twice or not at all.
 */

import {
  type ChangeResult,
  type Removal,
  type RemovalResult,
  type Rename,
  type Restore,
  StoreError,
  type World,
} from "../store.ts";
import { assertTwoNames } from "../change/move_world.ts";
import type { LockWaits } from "./lock_waits.ts";
import type { Quotas } from "./quotas.ts";
import { toWorld } from "./records.ts";
import type { StoreState } from "./store_state.ts";
import type { TrashCounter } from "./trash_counter.ts";
import type { WorldFiles } from "./world_files.ts";
import * as plans from "./write_plan.ts";

/** What {@link StoreMoves} needs of the store. */
export interface StoreMovesParts {
  readonly files: WorldFiles;
  readonly state: StoreState;
  readonly lower: ReadonlyMap<string, World>;
  readonly waits: LockWaits;
  readonly trash: TrashCounter;
  readonly quotas: Quotas;
  /** Whether only T3 can read a world. */
  readonly isRestricted: (name: string) => boolean;
  /** Waits for a change; a world that was removed outside the server is no longer listed then. */
  readonly orForget: <T>(
    change: { readonly name: string; readonly by: string },
    running: Promise<T>,
  ) => Promise<T>;
}

/** The moves of one store. */
export class StoreMoves {
  readonly #parts: StoreMovesParts;

  constructor(parts: StoreMovesParts) {
    this.#parts = parts;
  }

  async remove(change: Removal): Promise<RemovalResult> {
    return await this.#parts.waits.run(
      "change",
      [change.name],
      () => this.#parts.trash.change(() => this.#remove(change)),
    );
  }

  async #remove(change: Removal): Promise<RemovalResult> {
    const { name, by, precondition, idem } = change;
    const renaming = this.#parts.files.renaming(name);
    if (renaming !== undefined) {
      await renaming;
      return await this.#remove(change);
    }
    this.#assertUpper(name);
    const condition = precondition === undefined ? {} : { precondition };
    const removed = this.#parts.files.remove(
      {
        kind: "remove",
        name,
        by,
        lockWaitMs: 0,
        restricted: this.#parts.isRestricted(name),
        ...condition,
        ...(idem && { idem }),
      },
      (result) => {
        const trashed = { id: result.trash ?? "", name, by, bytes: result.trashBytes ?? 0 };
        this.#parts.trash.recordAdded(trashed);
        this.#parts.state.applyRemoval(name, by, result);
        return { version: result.version, trash: result.trash ?? "" };
      },
    );
    return await this.#parts.orForget(change, removed);
  }

  async rename(change: Rename): Promise<ChangeResult> {
    const { name: from, to: name, by } = change;
    assertTwoNames(from, name);
    const run = (maxBytes?: number) =>
      this.#parts.waits.run(
        "change",
        [from, name],
        () => this.#parts.trash.change(() => this.#rename(plans.within(change, maxBytes))),
      );
    return await this.#parts.quotas.run({ name, by, from }, (current) => current, run);
  }

  async #rename(change: Rename): Promise<ChangeResult> {
    const { name, to, by } = change;
    this.#assertUpper(name);
    const lower = this.#parts.lower.get(to);
    const renamed = this.#parts.files.rename(
      // The chain of a world stays with its name if the new name is in the lower layer, because
      // the first event of a world records that it covers one.
      lower === undefined ? change : { ...change, contentOnly: true },
      lower === undefined ? undefined : plans.toLowerWorld(lower),
      () => this.#parts.state.catalog.get(to) === undefined,
      ({ source, target }) => {
        // In one tick, so that no reader sees the world under both names or neither.
        const written = this.#parts.state.applyChange(to, by, target, undefined);
        const events = target.sourceEvents ?? source.events;
        if (target.trashBytes !== undefined) {
          const trashed = { id: target.trash ?? "", name, by, bytes: target.trashBytes };
          this.#parts.trash.recordAdded(trashed);
        }
        this.#parts.state.applyRemoval(name, by, { ...source, events });
        return written;
      },
      this.#parts.isRestricted(name),
    );
    return await this.#parts.orForget(change, renamed);
  }

  async restore(change: Restore): Promise<ChangeResult> {
    const { name, by, trash } = change;
    const run = (maxBytes?: number) =>
      this.#parts.waits.run("change", [name], () => this.#restore(plans.within(change, maxBytes)));
    // Its length is known when the writer has opened it.
    const growth = { name, by, leavesTrash: true };
    return await this.#parts.trash.use(trash, () => this.#parts.quotas.run(growth, () => 0, run));
  }

  async #restore(change: Restore): Promise<ChangeResult> {
    const { name, by, from } = change;
    const floor = this.#parts.state.catalog.upper(from)?.version ?? 0;
    const isTaken = this.#parts.state.catalog.upper(name) !== undefined;
    const job = plans.planRestore(change, this.#parts.lower.get(name), floor, isTaken);
    return await this.#parts.files.restore(job, (result) => {
      this.#parts.trash.recordTaken([{ id: change.trash, name: from }], result.trashBytes ?? 0);
      // With its content, so that a configuration world takes effect before the answer.
      const world = result.content && toWorld(name, { ...result, ...result.content });
      return this.#parts.state.applyChange(name, by, result, world);
    });
  }

  #assertUpper(name: string): void {
    if (this.#parts.state.catalog.upper(name) !== undefined) return;
    throw this.#parts.lower.has(name)
      ? new StoreError("lower", "Cannot change the world: it is in the read-only lower layer", name)
      : new StoreError("absent", "Cannot change the world: it does not exist", name);
  }
}
