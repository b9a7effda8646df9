/** A short run of the fuzzer; `deno task fuzz` is the long one. */

import { assertEquals } from "../support/assert.ts";
import { runFuzz } from "./fuzz.ts";

Deno.test("2,000 random requests find no undocumented 5xx, no stack, no secret and no hang", async () => {
  const { findings, statuses } = await runFuzz({ seed: 1, requests: 2_000 });
  assertEquals(findings, [], `${findings.join("\n")}\n${JSON.stringify(statuses)}`);
});
