/**
 * Decides what cells are made of: processes where the server may start them, Workers of the server
 * where it may not, and says which and why.
 */

import { createProcessStarter } from "./process_transport.ts";
import type { CellProgram } from "./process_transport.ts";
import type { StartCell } from "./transport.ts";
import { startWorkerCell } from "./worker_transport.ts";

/** See {@link chooseTransport}. */
export interface TransportChoice {
  readonly kind: "process" | "worker";
  readonly startCell: StartCell;
  /** For the start-up line and `/proc/status`, when containment is weaker than it could be. */
  readonly warning?: string;
}

/**
 * Chooses by the permission the server has.
 *
 * @param program how this program is started once more
 * @param mayRun whether the server may run `program.execPath`
 */
export function chooseTransport(program: CellProgram, mayRun: boolean): TransportChoice {
  if (mayRun) return { kind: "process", startCell: createProcessStarter(program) };
  return {
    kind: "worker",
    startCell: startWorkerCell,
    warning:
      "plugins run inside the server, which contains neither their memory nor a busy loop; " +
      "start it with --allow-run to give each a process of its own",
  };
}
