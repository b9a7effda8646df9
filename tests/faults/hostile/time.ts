/** Plugins that loop or wait without end. Not a test itself. */

import { assert } from "../../support/assert.ts";
import { type Attack, attack } from "./attack.ts";
import { NOT_READY } from "./attacked_server.ts";

const TIMED_OUT = { status: [504], cellEnds: true, isLate: true };

/** Plugins that use a CPU until their process is killed. */
export const LOOPS: readonly Attack[] = [
  attack("loop", "for (;;);", TIMED_OUT),
  attack("microtask", "for (;;) await null;", { status: [502, 504], cellEnds: true, isLate: true }),
  attack(
    "loop-later",
    "setTimeout(() => { for (;;); }, 5); return new Response('soon');",
    {
      status: [200],
      cellEnds: true,
      isLate: true,
      // Without a request, only the heartbeat can detect the loop.
      check: async (server) => {
        for (const end = performance.now() + 60_000; performance.now() < end;) {
          if ((await server.state("loop-later")).health.crashes > 0) return;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        assert(false, "the heartbeat did not detect the loop");
      },
    },
  ),
  attack(
    "loop-regexp",
    "/^(a+)+$/.test('a'.repeat(40) + 'b'); return new Response('?');",
    TIMED_OUT,
  ),
  attack("loop-import", "", {
    top: "for (;;);",
    refused: NOT_READY,
    isLate: true,
  }),
  attack("loop-permissions", "", {
    top: "export const permissions = () => { for (;;); };",
    refused: /`permissions`|heartbeat/,
    isLate: true,
  }),
];

/** Plugins that wait without end. */
export const WAITS: readonly Attack[] = [
  attack("never", "await new Promise(() => {});", { status: [504], isLate: true }),
  attack("never-import", "", {
    top: "await new Promise(() => {});",
    refused: NOT_READY,
    isLate: true,
  }),
  attack("never-permissions", "", {
    top: "export const permissions = () => new Promise(() => {});",
    refused: /`permissions`/,
    isLate: true,
  }),
];
