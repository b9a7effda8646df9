/** Counters of the network edge, for metrics. */

import type { BodyCounts } from "../http/body_budget.ts";

/** Counters of connections and of large responses. */
export interface ConnectionCounts {
  readonly open: number;
  /** Highest number of open connections. */
  readonly limit: number;
  /** Connections that were answered with 503, or closed, because they were above a limit. */
  readonly refused: Readonly<Record<"total" | "client", number>>;
  /** Connections that the server closed, by reason. */
  readonly closed: Readonly<Record<"head" | "idle" | "evicted" | "response", number>>;
  /** Bytes of large responses that are being sent. */
  readonly responseBytes: number;
  /** Responses that were refused because too many bytes were being sent. */
  readonly responsesRefused: number;
}

/** Counters of the network edge. */
export interface EdgeCounts {
  readonly connections: ConnectionCounts;
  readonly bodies: BodyCounts;
  readonly acceptErrors: number;
  /** How late timers fire: observations per bucket, and the sum in seconds. */
  readonly eventLoopDelay: { readonly buckets: readonly number[]; readonly seconds: number };
}
