/**
 * Interface of a transport: it starts a cell and moves bytes to and from it. There are two
 * implementations. A child process is the default and ends reliably when it is killed. A Worker of
 * the server's process isolates less and is used if the server may not start processes. A transport
 * must not interpret the bytes.
 */

import type { CellInit } from "../wire/cell_init.ts";
import type { CellLimits } from "../../cell_limits.ts";

/** Callbacks of a transport. */
export interface TransportEvents {
  /** Called with bytes from the cell, in order. They are valid until the callback returns. */
  onBytes(chunk: Uint8Array<ArrayBuffer>): void;
  /**
   * Called once, when the cell has ended; `reason` is for the log.
   *
   * @param kind `memory` if the cell ended itself because it exceeded its memory limit
   */
  onEnd(reason: string, kind?: "memory"): void;
}

/** Exit code of a process that exceeded its memory limit. */
export const MEMORY_EXIT_CODE = 81;

/** One started cell. */
export interface Transport {
  readonly kind: "process" | "worker";
  /** Process id; absent if the cell is a Worker of the server. */
  readonly pid?: number;
  /**
   * Sends bytes. The caller must not use their buffer afterwards. After the cell's end they are
   * dropped.
   */
  send(bytes: Uint8Array<ArrayBuffer>): void;
  /** Ends the cell at once, by SIGKILL or `terminate()`. Resolves when it has ended. Idempotent. */
  kill(): Promise<void>;
}

/**
 * Starts a cell.
 *
 * @throws {Error} the process or Worker cannot be started
 */
export type StartCell = (init: CellInit, limits: CellLimits, events: TransportEvents) => Transport;
