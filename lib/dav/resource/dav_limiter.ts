/** The limits of WebDAV, with a count of the requests that each of them refused. */

import type { DavLimits } from "../../dav_limits.ts";

/** Limits that refuse requests, by their names in the metrics. */
export type DavLimitName = keyof DavLimits;

/** The limits of one server. */
export class DavLimiter {
  readonly limits: DavLimits;
  readonly #refused = new Map<DavLimitName, number>();

  constructor(limits: DavLimits) {
    this.limits = limits;
  }

  /**
   * Counts a request that a limit refuses.
   *
   * @returns the error, to be thrown
   */
  refuse<E extends Error>(limit: DavLimitName, error: E): E {
    this.#refused.set(limit, (this.#refused.get(limit) ?? 0) + 1);
    return error;
  }

  /** Refused requests by limit. */
  refused(): { readonly limit: DavLimitName; readonly count: number }[] {
    const names = Object.keys(this.limits) as DavLimitName[]; // Object.keys has no narrower type
    return names.map((limit) => ({ limit, count: this.#refused.get(limit) ?? 0 }));
  }
}
