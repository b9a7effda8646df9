/**
 * Watches whether the store still has the key of this node, and was not restored. `elastik store rekey` and
 * `store check --restored` refuse while nodes run, but a node that was suspended or cut off for a long time is
 * not seen. These commands raise the number of what gives authority, so every change that was judged before is
 * refused. A node that follows a raised number, or has lost its sessions, reads the facts of the store again,
 * and judges no change by a number that it has not compared.
 */

import { SESSION_QUERY_MS } from "../../cluster_limits.ts";
import { StoreError } from "../store.ts";
import type { Link } from "./link.ts";
import { explainMachine, readMachineAt } from "./machine.ts";

/** What a {@link MachineWatch} needs of its node. */
export interface MachineWatchOptions {
  readonly link: Pick<Link, "ask" | "searches">;
  /** Signing key of the node. */
  readonly key: string;
  /** Called once if the node must not use the store any more, with the end of a sentence. */
  readonly onUnusable?: ((reason: string) => void) | undefined;
}

/** The facts of the store, as a node that runs knows them. */
export class MachineWatch {
  readonly #options: MachineWatchOptions;
  /** The greatest number of the guard at which the store had the key of the node. */
  #authority = -1;
  /** Searches for the primary before the facts were read: afterwards it can be another server, or a restored one. */
  #searches = 0;
  #epoch: string | undefined;
  #reading: Promise<void> | undefined;
  #fault: StoreError | undefined;

  constructor(options: MachineWatchOptions) {
    this.#options = options;
  }

  /** Whether the node may use the store, as far as it knows. */
  get isUsable(): boolean {
    return this.#fault === undefined;
  }

  /**
   * Returns the number by which a change is judged: that of memory, or a lower one if the facts of the store
   * were not read since.
   *
   * @throws {StoreError} `unusable` if the node must not use the store any more
   */
  judgedBy(authority: number): number {
    if (this.#fault !== undefined) throw this.#fault;
    return Math.min(authority, this.#compared);
  }

  get #compared(): number {
    return this.#searches === this.#options.link.searches ? this.#authority : -1;
  }

  /**
   * Reads the facts, unless they were read at this number or a greater one.
   *
   * @throws {StoreError} `unusable` if the node must not use the store any more; as {@link Link.ask}
   */
  async follow(authority: number): Promise<void> {
    // A reading that is under way can have begun before the number was raised.
    if (this.#compared < authority && this.#reading !== undefined) {
      await this.#reading.catch(() => {}); // safe to ignore: the next one fails for the same reason
    }
    if (this.#compared < authority && this.isUsable) {
      await (this.#reading ??= this.#read().finally(() => this.#reading = undefined));
    }
    if (this.#fault !== undefined) throw this.#fault;
  }

  /** Follows a number that no caller waits for. */
  wake(authority: number): void {
    // Safe to ignore: no change is judged by a number at which the facts were not read.
    this.follow(authority).catch(() => {});
  }

  async #read(): Promise<void> {
    const { link, key, onUnusable } = this.#options;
    let searches: number;
    let found: Awaited<ReturnType<typeof readMachineAt>>;
    do {
      searches = link.searches;
      found = await link.ask("read", readMachineAt, SESSION_QUERY_MS);
    } while (searches !== link.searches);
    // The owner may upgrade the schema while nodes run.
    const fault = explainMachine(found?.machine, key, found?.machine.schemaVersion ?? 0);
    const isRestored = found?.machine.epoch !== (this.#epoch ??= found?.machine.epoch);
    const reason = fault ?? (isRestored ? "the database was restored while it ran" : undefined);
    if (reason === undefined) {
      this.#searches = searches;
      this.#authority = found?.authority ?? -1;
      return;
    }
    if (!this.isUsable) return;
    const state = found === undefined
      ? "the database has no store now"
      : fault === undefined
      ? "the database was restored"
      : "the store has another key now";
    this.#fault = new StoreError(
      "unusable",
      `Cannot use the store: ${state}, and the server stops; nothing was changed`,
    );
    onUnusable?.(reason);
  }
}
