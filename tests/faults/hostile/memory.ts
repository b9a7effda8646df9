/** Plugins that allocate memory without end. Not a test itself. */

import { type Attack, attack } from "./attack.ts";

const BURST = { status: [502, 504], cellEnds: true, isLate: true };
const PAUSE = "await new Promise((r) => setTimeout(r, 1));";

/** The attacks. */
export const MEMORY_ATTACKS: readonly Attack[] = [
  attack(
    "heap",
    "const all = []; for (;;) all.push({ a: new Array(100).fill(all.length) });",
    BURST,
  ),
  attack(
    "buffers",
    `const all = []; for (;;) { all.push(new Uint8Array(16 << 20).fill(1)); ${PAUSE} }`,
    BURST,
  ),
  attack(
    "blobs",
    `const all = []; for (;;) { all.push(new Blob([new Uint8Array(8 << 20).fill(1)])); ${PAUSE} }`,
    BURST,
  ),
  // Log lines beyond the limit are dropped; they must not accumulate before that.
  attack("logs", "for (;;) { console.log('x'.repeat(1 << 20)); await null; }", BURST),
];
