/**
 * The cost of one HMAC-SHA256 as `lib/world/event_chain.ts` computes it, and with `createHmac`.
 * Run: `deno run -A tests/bench/hmac_bench.ts`
 */

import { createHmac, createSecretKey } from "node:crypto";
import { cpuUsage } from "node:process";
import { canonicalEvent, createHmacSha256, GENESIS } from "../../lib/world/event_chain.ts";
import { median, report } from "./report.ts";

const CALLS = 20_000;
const KEY = "0123456789abcdef".repeat(4);
/** An event as a PUT writes it. */
const EVENT = canonicalEvent(
  GENESIS,
  "2026-01-01T00:00:00.000Z",
  "stage_written",
  JSON.stringify({ op: "put", version_after: 12, body_sha256_after: GENESIS, ext: "md", by: "T2" }),
);

const hmac = createHmacSha256(new TextEncoder().encode(KEY));
const secret = createSecretKey(new TextEncoder().encode(KEY));
const IMPLEMENTATIONS: readonly (readonly [what: string, run: () => string])[] = [
  ["two hashes (event_chain.ts)", () => hmac(EVENT)],
  ["createHmac, key as text", () => createHmac("sha256", KEY).update(EVENT).digest("hex")],
  ["createHmac, key object", () => createHmac("sha256", secret).update(EVENT).digest("hex")],
];

/** Microseconds of processor time of one call. */
function measure(run: () => string): number {
  const start = cpuUsage();
  for (let i = 0; i < CALLS; i++) run();
  const { user, system } = cpuUsage(start);
  return (user + system) / CALLS;
}

if (import.meta.main) {
  for (const [, run] of IMPLEMENTATIONS) measure(run); // warm up
  const rounds = Array.from({ length: 7 }, () => IMPLEMENTATIONS.map(([, run]) => measure(run)));
  for (const [at, [what]] of IMPLEMENTATIONS.entries()) {
    const found = median(rounds.map((round) => round[at] ?? 0));
    report({ what: `HMAC-SHA256: ${what}`, found, unit: "us CPU" });
  }
}
