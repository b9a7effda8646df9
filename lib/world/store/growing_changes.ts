/**
 * Changes that can make a world longer, as both engines run them: planned against the lower layer, and
 * committed within the quotas. The caller commits the plan.
 */

import type { Append, ChangeResult, Patch, Put, World } from "../store.ts";
import { GrowingBodies } from "./growing_bodies.ts";
import type { LengthAfter, Quotas } from "./quotas.ts";
import { planAppend, planPatch, planPut, within, type WritePlan } from "./write_plan.ts";

/** What {@link GrowingChanges} needs of its store. */
export interface GrowingChangesParts {
  readonly quotas: Pick<Quotas, "run">;
  /** The lower-layer worlds by name. */
  readonly lower: ReadonlyMap<string, World>;
  /** Commits a plan. */
  readonly submit: (plan: WritePlan) => Promise<ChangeResult>;
}

/** See the module. */
export class GrowingChanges {
  readonly #parts: GrowingChangesParts;
  readonly #bodies = new GrowingBodies();

  constructor(parts: GrowingChangesParts) {
    this.#parts = parts;
  }

  put(change: Put): Promise<ChangeResult> {
    return this.#grow(change, () => change.body.length, planPut, change.before);
  }

  append(change: Append): Promise<ChangeResult> {
    return this.#grow(
      change,
      (current) => current + change.body.length,
      (append, lower) =>
        planAppend(append, lower, (body, added) => this.#bodies.append(body, added)),
    );
  }

  patch(change: Patch): Promise<ChangeResult> {
    // How much an edit adds is known when it has been applied.
    return this.#grow(change, (current) => current, planPatch);
  }

  #grow<C extends Put | Append | Patch>(
    change: C,
    lengthAfter: LengthAfter,
    plan: (change: C, lower: World | undefined) => WritePlan,
    before?: () => Promise<void>,
  ): Promise<ChangeResult> {
    const { quotas, lower, submit } = this.#parts;
    const run = (maxBytes?: number) =>
      submit(plan(within(change, maxBytes), lower.get(change.name)));
    return quotas.run(
      change,
      lengthAfter,
      before === undefined ? run : (maxBytes) => before().then(() => run(maxBytes)),
    );
  }
}
