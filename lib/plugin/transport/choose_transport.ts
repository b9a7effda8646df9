/**
 * Chooses the transport of all cells: child processes if the server may start them, otherwise
 * Workers of the server's own process. It must not start a cell.
 */

import { createProcessStarter } from "./process_transport.ts";
import type { CellProgram } from "./process_transport.ts";
import type { StartCell } from "./transport.ts";
import { startWorkerCell } from "./worker_transport.ts";

/** The chosen transport. */
export interface TransportChoice {
  readonly kind: "process" | "worker";
  readonly startCell: StartCell;
  /**
   * Warning for the start-up log if the transport isolates less than a process; otherwise absent.
   */
  readonly warning?: string;
}

/**
 * Chooses the transport by the server's permissions.
 *
 * @param program how to start this program as a cell
 * @param mayRun whether the server has the permission to run `program.execPath`
 */
export function chooseTransport(program: CellProgram, mayRun: boolean): TransportChoice {
  if (mayRun) return { kind: "process", startCell: createProcessStarter(program) };
  return {
    kind: "worker",
    startCell: startWorkerCell,
    warning: "plugins run in Workers of the server: their memory and busy loops are not limited; " +
      "start the server with --allow-run to run each plugin in a separate process",
  };
}
