/** The checks of the soak, and a short run of it; `deno task soak` is the long one. */

import { assertEquals } from "../support/assert.ts";
import { canCertify } from "../support/certificate.ts";
import { runSoak } from "./soak.ts";
import { findFault, findGrowth, parseDelays, percentile, shareAbove } from "./soak_checks.ts";

const PROBLEM = "application/problem+json";

function response(status: number, headers: Record<string, string> = {}) {
  return { status, headers: new Headers(headers) };
}

Deno.test("findFault() accepts a 503 only as a problem with Retry-After", () => {
  const busy = response(503, { "content-type": PROBLEM, "retry-after": "5" });
  assertEquals(findFault("put", busy), undefined);
  assertEquals(findFault("put", response(429)), undefined);
  const without = response(503, { "content-type": PROBLEM });
  assertEquals(findFault("put", without), "put: 503 without Retry-After");
  const text = response(503, { "content-type": "text/plain", "retry-after": "5" });
  assertEquals(findFault("put", text), "put: 503 with type text/plain");
});

Deno.test("findFault() accepts 502 and 504 only from the plugin that crashes", () => {
  for (const status of [502, 504]) {
    const failed = response(status, { "content-type": PROBLEM });
    assertEquals(findFault("crash", failed, true), undefined);
    assertEquals(findFault("plugin", failed), `plugin: status ${status}`);
  }
  assertEquals(findFault("crash", response(500), true), "crash: status 500");
});

Deno.test("percentile() returns the value below which a share of the values is", () => {
  const values = Array.from({ length: 100 }, (_, i) => 99 - i);
  assertEquals(percentile(values, 0.5), 50);
  assertEquals(percentile(values, 0.99), 99);
  assertEquals(percentile([], 0.99), 0);
});

Deno.test("findGrowth() compares the medians of the first and the last third", () => {
  assertEquals(findGrowth([100, 100, 100, 500, 500, 500, 110, 110, 110]), undefined);
  assertEquals(
    findGrowth([100, 100, 900, 100, 100, 100, 111, 111, 111]),
    "the resident memory grew from 100 to 111 MiB",
  );
  assertEquals(findGrowth([100, 200, 300, 400, 500]), undefined);
});

Deno.test("shareAbove() returns the share of late timers since the last report", () => {
  const page = (upTo: number, all: number) =>
    `elastik_event_loop_delay_seconds_bucket{le="0.01"} ${upTo}\n` +
    `elastik_event_loop_delay_seconds_bucket{le="+Inf"} ${all}\n`;
  const [before, now] = [parseDelays(page(10, 20)), parseDelays(page(13, 24))];
  assertEquals(shareAbove(now, before, 0.01), 0.25);
  assertEquals(shareAbove(now, now, 0.01), 0);
});

Deno.test({
  name: "a short soak finds no undocumented 5xx, and the server ends with exit code 0",
  ignore: !canCertify(),
  async fn() {
    // Memory and response times of a short run on a busy computer mean nothing.
    const report = await runSoak({ seconds: 4, seed: 1, streams: 100, maxP99Ms: Infinity });
    assertEquals(report.findings, [], JSON.stringify(report.counts));
  },
});
