/**
 * How bytes reach a cell and come back, whatever the cell is made of. Two rooms stand behind it: a
 * child process, which ends for sure when it is killed, and a Worker of this process, which is weaker
 * and used where the server may not start processes. Nothing here reads what the bytes say.
 */

import type { CellInit } from "../wire/cell_init.ts";
import type { CellLimits } from "../../limits.ts";

/** What a transport tells whoever started it. */
export interface TransportEvents {
  /** Bytes from the cell, in order; valid until the call returns. */
  onBytes(chunk: Uint8Array<ArrayBuffer>): void;
  /** The cell is gone, once, for whatever reason; `reason` is for the log. */
  onEnd(reason: string): void;
}

/** One started cell. */
export interface Transport {
  readonly kind: "process" | "worker";
  /** Process id, when the cell is a process of its own. */
  readonly pid?: number;
  /** Hands bytes over for good, buffer and all; after the cell's end they are dropped. */
  send(bytes: Uint8Array<ArrayBuffer>): void;
  /** Ends the cell at once (SIGKILL, or `terminate()`). Resolves when it is gone. Idempotent. */
  kill(): Promise<void>;
}

/** Starts a cell. Throws when that is not possible at all. */
export type StartCell = (init: CellInit, limits: CellLimits, events: TransportEvents) => Transport;
