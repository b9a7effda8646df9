/**
 * The lease: the time for which a node may answer from memory. Memory has every change that was
 * acknowledged before the newest renewal was sent, so a read from memory is at most the length of the
 * lease behind. Both clocks must agree: the monotonic one does not see that a virtual machine was
 * stopped, and the wall clock can be set. Pure; the caller supplies the clocks.
 */

import { LEASE_MS } from "../../cluster_limits.ts";

/** The clocks of a node, in milliseconds. */
export interface LeaseClocks {
  /** A clock that only moves forward. */
  readonly monotonic: () => number;
  /** Unix time. */
  readonly wall: () => number;
}

/** When a renewal was sent. */
export interface LeaseStamp {
  readonly monotonic: number;
  readonly wall: number;
}

/** The lease of one node. */
export class Lease {
  readonly #clocks: LeaseClocks;
  readonly #ms: number;
  #renewed: LeaseStamp | undefined;

  /**
   * @param clocks the clocks of the node
   * @param ms length of the lease in milliseconds
   */
  constructor(clocks: LeaseClocks, ms = LEASE_MS) {
    this.#clocks = clocks;
    this.#ms = ms;
  }

  /** Returns the stamp of a renewal that is sent now. */
  stamp(): LeaseStamp {
    return { monotonic: this.#clocks.monotonic(), wall: this.#clocks.wall() };
  }

  /** Renews the lease from the time at which a renewal was sent; call it when memory has its changes. */
  renew(sent: LeaseStamp): void {
    // Answers can overtake each other; an earlier one does not shorten the lease.
    if (this.#renewed !== undefined && sent.monotonic < this.#renewed.monotonic) return;
    this.#renewed = sent;
  }

  /** Ends the lease until the next renewal. */
  end(): void {
    this.#renewed = undefined;
  }

  /** Whether memory may answer. */
  get isHeld(): boolean {
    return this.age < this.#ms;
  }

  /** Milliseconds until it ends; 0 if it has. */
  get left(): number {
    return Math.max(0, this.#ms - this.age);
  }

  /**
   * Age of what memory has, in milliseconds: the larger one of both clocks. `Infinity` before the first
   * renewal. A wall clock that was set back counts as far as it was set.
   */
  get age(): number {
    if (this.#renewed === undefined) return Infinity;
    const { monotonic, wall } = this.stamp();
    return Math.max(monotonic - this.#renewed.monotonic, Math.abs(wall - this.#renewed.wall));
  }
}
