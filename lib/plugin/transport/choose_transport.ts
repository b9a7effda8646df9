/**
 * Decides what cells are made of: processes where the server may start them, Workers of the server
 * where it may not, and says which and why.
 */

import { launchProcess } from "./process_transport.ts";
import type { CellProgram } from "./process_transport.ts";
import type { Launch } from "./transport.ts";
import { launchWorker } from "./worker_transport.ts";

/** See {@link chooseLaunch}. */
export interface Chosen {
  readonly kind: "process" | "worker";
  readonly launch: Launch;
  /** For the start-up line and `/proc/status`, when containment is weaker than it could be. */
  readonly weaker?: string;
}

/**
 * Chooses by the permission the server has.
 *
 * @param program how this program is started once more
 * @param mayRun whether the server may run `program.execPath`
 */
export function chooseLaunch(program: CellProgram, mayRun: boolean): Chosen {
  if (mayRun) return { kind: "process", launch: launchProcess(program) };
  return {
    kind: "worker",
    launch: launchWorker,
    weaker: "plugins run inside the server, which contains neither their memory nor a busy loop; " +
      "start it with --allow-run to give each a process of its own",
  };
}
