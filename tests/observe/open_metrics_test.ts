import { assertEquals, assertMatch, assertThrows } from "../support/assert.ts";
import { formatMetrics, type MetricFamily } from "../../lib/observe/open_metrics.ts";
import { readOpenMetrics } from "../support/open_metrics.ts";

const FAMILIES: readonly MetricFamily[] = [
  { name: "a_build", type: "info", help: "What.", samples: [{ labels: { v: "1" }, value: 1 }] },
  {
    name: "a_requests",
    type: "counter",
    help: 'Back\\slash, "quote" and\nbreak.',
    samples: [{ labels: { method: 'G"E\\T\n' }, value: 3 }, { labels: { method: "b" }, value: 0 }],
  },
  {
    name: "a_memory_bytes",
    type: "gauge",
    unit: "bytes",
    help: "m",
    samples: [{ value: 1.5e21 }],
  },
  {
    name: "a_wait_seconds",
    type: "histogram",
    unit: "seconds",
    help: "w",
    histogram: { bounds: [0.001, 1, 2.5], buckets: [1, 0, 2, 4], sum: 12.5 },
  },
  { name: "a_nothing", type: "gauge", help: "n", samples: [] },
];

Deno.test("formatMetrics() writes OpenMetrics that a strict parser accepts", () => {
  const found = readOpenMetrics(formatMetrics(FAMILIES, "openmetrics"));
  assertEquals([...found.keys()], FAMILIES.map(({ name }) => name));
  assertEquals(found.get("a_requests")?.samples, [
    { name: "a_requests_total", labels: { method: 'G"E\\T\n' }, value: 3 },
    { name: "a_requests_total", labels: { method: "b" }, value: 0 },
  ]);
  assertEquals(found.get("a_memory_bytes")?.samples[0]?.value, 1.5e21);
  const wait = found.get("a_wait_seconds");
  assertEquals(wait?.samples.map(({ labels, value }) => [labels.le, value]), [
    ["0.001", 1],
    ["1.0", 1],
    ["2.5", 3],
    ["+Inf", 7],
    [undefined, 7],
    [undefined, 12.5],
  ]);
});

Deno.test("formatMetrics() writes the Prometheus format with its names and types", () => {
  const text = formatMetrics(FAMILIES, "prometheus");
  assertMatch(
    text,
    /^# HELP a_build_info What\.\n# TYPE a_build_info gauge\na_build_info\{v="1"\} 1\n/,
  );
  assertMatch(text, /^# TYPE a_requests_total counter\n/m);
  assertMatch(text, /^# HELP a_requests_total Back\\\\slash, "quote" and\\nbreak\.$/m);
  assertMatch(text, /^# TYPE a_wait_seconds histogram\na_wait_seconds_bucket\{le="0\.001"\} 1\n/m);
  assertEquals(/^# (?:EOF|UNIT)/m.test(text), false);
});

Deno.test("formatMetrics() throws for invalid names, units and values", () => {
  const one = (family: Partial<MetricFamily>): MetricFamily[] => [
    { name: "x", type: "gauge", help: "", samples: [{ value: 1 }], ...family } as MetricFamily,
  ];
  const bad: readonly MetricFamily[][] = [
    one({ name: "1x" }),
    one({ name: "x_total" }),
    one({ name: "x-y" }),
    one({ unit: "seconds" }),
    one({ type: "counter", samples: [{ value: -1 }] }),
    one({ type: "counter", samples: [{ value: Infinity }] }),
    one({ type: "info", samples: [{ value: 2 }] }),
    one({ samples: [{ labels: { "a-b": "" }, value: 1 }] }),
    one({ samples: [{ labels: { "__a": "" }, value: 1 }] }),
    one({ type: "histogram", histogram: { bounds: [1], buckets: [1], sum: 0 } }),
    [...one({}), ...one({})],
  ];
  for (const families of bad) assertThrows(() => formatMetrics(families, "openmetrics"), TypeError);
});
