import { assertEquals, assertMatch } from "../../support/assert.ts";
import { DELAY_BOUNDS_SECONDS } from "../../../lib/observe/event_loop_delay.ts";
import { formatMetrics } from "../../../lib/observe/open_metrics.ts";
import { edgeFamilies } from "../../../lib/routes/proc/edge_metrics.ts";

Deno.test("edgeFamilies() has a metric for every counter of the network edge", () => {
  const families = edgeFamilies({
    connections: {
      open: 1,
      limit: 2,
      refused: { total: 3, client: 20 },
      closed: { head: 4, idle: 5, evicted: 6, response: 7 },
      responseBytes: 8,
      responsesRefused: 9,
    },
    bodies: { bytes: 10, refused: 11, timedOut: 12, shortChunks: 16 },
    acceptErrors: 13,
    eventLoopDelay: { buckets: DELAY_BOUNDS_SECONDS.map(() => 0).concat(14), seconds: 15 },
  });
  const text = formatMetrics(families, "openmetrics");
  const values = [...text.matchAll(/^elastik_(?!event)\S+ (\d+)$/gm)].map(([, value]) => value);
  assertEquals(values, [
    "1",
    "2",
    "3",
    "20",
    "4",
    "5",
    "6",
    "7",
    "13",
    "10",
    "11",
    "12",
    "16",
    "8",
    "9",
  ]);
  assertMatch(text, /^elastik_event_loop_delay_seconds_count 14$/m);
  assertMatch(text, /^elastik_event_loop_delay_seconds_sum 15$/m);
});
