/**
 * Changes of worlds by a node: plans each, has it committed within the quotas, and applies it to memory
 * before it is acknowledged. If changes of other nodes come before it, the feed brings all of them. What is
 * refused because of memory is refused only after memory was brought up to date.
 */

import { assertTwoNames } from "../change/move_world.ts";
import type { WriteResult } from "../change/write_job.ts";
import {
  type Append,
  type ChangeResult,
  type EventNote,
  type Patch,
  type Put,
  type Removal,
  type RemovalResult,
  type Rename,
  type Restore,
  StoreError,
  type Transition,
} from "../store.ts";
import { GrowingChanges } from "../store/growing_changes.ts";
import type { OtherKeyReport } from "../store/other_key_report.ts";
import type { Quotas } from "../store/quotas.ts";
import { toChangeResult, toWorld } from "../store/records.ts";
import type { TrashCounter } from "../store/trash_counter.ts";
import * as plans from "../store/write_plan.ts";
import type { ChangeFeed } from "./change_feed.ts";
import type { ClusterState } from "./cluster_state.ts";
import { toOwnSteps } from "./feed_row.ts";
import type { Committed } from "./queued_job.ts";
import type { StoreJob } from "./stage_batch.ts";
import type { WriteQueue } from "./write_queue.ts";

/** What {@link ClusterWrites} needs of its store. */
export interface ClusterWritesParts {
  readonly state: ClusterState;
  readonly feed: Pick<ChangeFeed, "round">;
  readonly queue: Pick<WriteQueue, "submit">;
  readonly quotas: Pick<Quotas, "run">;
  readonly trash: Pick<TrashCounter, "use" | "recordTaken">;
  readonly otherKey: Pick<OtherKeyReport, "recordRefusal">;
  /** Whether only T3 can read a world. */
  readonly isRestricted: (name: string) => boolean;
}

/** A change that was applied to memory, or is applied with its row of the feed. */
interface Applied<T> {
  readonly result: T;
  readonly isDone: boolean;
}

/** The changes of one node. */
export class ClusterWrites {
  readonly #parts: ClusterWritesParts;
  readonly #growing: GrowingChanges;
  #notes = 0;
  #tooLarge = 0;

  constructor(parts: ClusterWritesParts) {
    this.#parts = parts;
    this.#growing = new GrowingChanges({
      quotas: parts.quotas,
      lower: parts.state.lower,
      submit: ({ job, nextWorld }) => this.#submit(job, toChangeResult, nextWorld),
    });
  }

  /** Events without a change, and changes that were refused because of their length. */
  get counts(): { readonly notes: number; readonly tooLarge: number } {
    return { notes: this.#notes, tooLarge: this.#tooLarge };
  }

  put(change: Put): Promise<ChangeResult> {
    return this.#growing.put(change);
  }

  append(change: Append): Promise<ChangeResult> {
    return this.#growing.append(change);
  }

  patch(change: Patch): Promise<ChangeResult> {
    return this.#growing.patch(change);
  }

  transition(change: Transition): Promise<ChangeResult> {
    const { name, claims } = change;
    const plan = plans.planTransition(change, this.#parts.state.lower.get(name));
    const job = claims === undefined ? plan.job : { ...plan.job, claims };
    return this.#submit(job, toChangeResult, plan.nextWorld);
  }

  note(change: EventNote): Promise<void> {
    const { name, by, type, payload, precondition } = change;
    const condition = precondition === undefined ? {} : { precondition };
    const job = { kind: "note", name, by, type, payload, ...condition } as const;
    return this.#submit(job, () => void this.#notes++);
  }

  async remove(change: Removal): Promise<RemovalResult> {
    const { name, by, precondition, idem } = change;
    await this.#assertUpper(name);
    const job = {
      kind: "remove",
      name,
      by,
      restricted: this.#parts.isRestricted(name),
      ...(precondition === undefined ? {} : { precondition }),
      ...(idem === undefined ? {} : { idem }),
    } as const;
    return await this.#submit(job, ({ version, trash = "" }) => ({ version, trash }));
  }

  rename(change: Rename): Promise<ChangeResult> {
    const { name: from, to: name, by } = change;
    const run = (maxBytes?: number) => this.#rename(plans.within(change, maxBytes));
    return this.#parts.quotas.run({ name, by, from }, (current) => current, run);
  }

  async #rename(change: Rename): Promise<ChangeResult> {
    const { name: from, to, by, ext, replace = false, state = "" } = change;
    assertTwoNames(from, to);
    await this.#assertUpper(from);
    const lower = this.#parts.state.lower.get(to);
    if (!replace && this.#parts.state.catalog.get(to) !== undefined) {
      await this.#parts.feed.round("publish");
      if (this.#parts.state.catalog.get(to) !== undefined) throw createTakenError(to);
    }
    const { precondition, idem, maxBytes } = change;
    const job = {
      kind: "rename",
      name: to,
      from,
      by,
      ext,
      replace,
      // The chain of a world stays with its name if the new name is in the lower layer, because the
      // first event of a world records that it covers one.
      contentOnly: change.contentOnly === true || lower !== undefined,
      state,
      restricted: this.#parts.isRestricted(from),
      ...(lower === undefined ? {} : { lower: plans.toLowerWorld(lower) }),
      ...(precondition === undefined ? {} : { precondition }),
      ...(idem === undefined ? {} : { idem }),
      ...(maxBytes === undefined ? {} : { maxBytes }),
    } as const;
    return await this.#submit(job, toChangeResult);
  }

  restore(change: Restore): Promise<ChangeResult> {
    const { name, by, trash } = change;
    const run = (maxBytes?: number) => this.#restore(plans.within(change, maxBytes));
    // Its length is known when it has been read.
    const growth = { name, by, leavesTrash: true };
    return this.#parts.trash.use(trash, () => this.#parts.quotas.run(growth, () => 0, run));
  }

  async #restore(change: Restore): Promise<ChangeResult> {
    const { name, from, trash } = change;
    const { catalog, lower } = this.#parts.state;
    if (catalog.upper(name) !== undefined) await this.#parts.feed.round("publish");
    const floor = catalog.upper(from)?.version ?? 0;
    const isTaken = catalog.upper(name) !== undefined;
    const { lockWaitMs: _, ...job } = plans.planRestore(change, lower.get(name), floor, isTaken);
    return await this.#submit(job, (result) => {
      this.#parts.trash.recordTaken([{ id: trash, name: from }], result.trashBytes ?? 0);
      return toChangeResult(result);
    });
  }

  /**
   * Commits a change, and applies it to memory.
   *
   * @param toResult called with its result when it is applied, or waits for the steps before it
   * @param nextWorld computes the world after the change
   */
  async #submit<T>(
    job: StoreJob,
    toResult: (result: WriteResult) => T,
    nextWorld: plans.WritePlan["nextWorld"] = restoredWorld(job),
  ): Promise<T> {
    const { name } = job;
    const known = this.#parts.state.catalog.upper(name)?.version;
    const change = known === undefined ? job : { ...job, known };
    const apply = ({ result, changes }: Committed): Applied<T> => {
      // A patch that changed nothing.
      if (changes.length === 0) return { result: toResult(result), isDone: true };
      const before = this.#parts.state.cache.peek(name);
      const isBase = before !== undefined && before.version >= result.version - 1;
      const content = nextWorld(result, isBase ? before : undefined);
      const steps = toOwnSteps(changes, content, result.trashBytes);
      // A chain that another key signed gets no event when its world is deleted; a row tells of that.
      const isWhole = changes.every(({ events }) => events.length > 0);
      return { isDone: this.#parts.state.applyOwn(steps) && isWhole, result: toResult(result) };
    };
    const { result, isDone } = await this.#parts.queue.submit(change, apply)
      .catch((error) => this.#refuse(error, name));
    if (!isDone) await this.#followOwn();
    return result;
  }

  /** Counts a change that was refused. @throws its error */
  #refuse(error: unknown, name: string): never {
    const code = error instanceof StoreError ? error.code : undefined;
    if (code === "too-large") this.#tooLarge++;
    if (code === "other-key") this.#parts.otherKey.recordRefusal(name);
    throw error;
  }

  /** Follows until an own change is in memory. It is durable, so a failure does not change the answer. */
  async #followOwn(): Promise<void> {
    try {
      await this.#parts.feed.round("publish");
    } catch {
      // Safe to ignore: the feed reports the fault and follows later.
    }
  }

  /** @throws {StoreError} `lower` or `absent` if the upper layer does not have a world */
  async #assertUpper(name: string): Promise<void> {
    const { catalog, lower } = this.#parts.state;
    if (catalog.upper(name) !== undefined) return;
    await this.#parts.feed.round("publish");
    if (catalog.upper(name) !== undefined) return;
    throw lower.has(name)
      ? new StoreError("lower", "Cannot change the world: it is in the read-only lower layer", name)
      : new StoreError("absent", "Cannot change the world: it does not exist", name);
  }
}

/** Returns what computes the world after a restore, whose content comes with its result. */
function restoredWorld({ kind, name }: StoreJob): plans.WritePlan["nextWorld"] {
  return (result) =>
    kind === "restore" && result.content !== undefined
      ? toWorld(name, { ...result, ...result.content })
      : undefined;
}

function createTakenError(name: string): StoreError {
  const message = "Cannot move the world: a world with the new name exists";
  return new StoreError("precondition", message, name);
}
