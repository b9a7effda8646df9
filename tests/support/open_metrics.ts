/**
 * A strict reader of OpenMetrics 1.0, written from the specification and independent of the writer under
 * test. It rejects faults that a lenient scraper ignores.
 */

import { assert, assertEquals } from "./assert.ts";

/** One sample line. */
export interface MetricSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric family with its samples. */
export interface MetricFamily {
  readonly name: string;
  readonly type: string;
  readonly unit?: string;
  readonly help?: string;
  readonly samples: readonly MetricSample[];
}

/** A family while its lines are read. */
type OpenFamily = {
  name: string;
  type?: string;
  unit?: string;
  help?: string;
  samples: MetricSample[];
};

const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ["_total"],
  gauge: [""],
  info: ["_info"],
  histogram: ["_bucket", "_count", "_sum"],
};
const NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABELS = '\\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\n"])*",?)*)\\}';
const SAMPLE = new RegExp(`^(${NAME})(?:${LABELS})? (\\S+)$`);
const META = new RegExp(`^# (TYPE|UNIT|HELP) (${NAME})(?: (.*))?$`);

/** Returns the families of a page by name. Fails the test at the first fault. */
export function readOpenMetrics(text: string): ReadonlyMap<string, MetricFamily> {
  assert(text.endsWith("\n# EOF\n"), "the page does not end with # EOF");
  const lines = text.slice(0, -"# EOF\n".length).split("\n");
  assertEquals(lines.pop(), "", "there is no line break before # EOF");
  const families: OpenFamily[] = [];
  for (const line of lines) {
    const meta = META.exec(line);
    if (meta) takeMeta(families, meta[1] ?? "", meta[2] ?? "", meta[3] ?? "", line);
    else takeSample(families, line);
  }
  const found = new Map<string, MetricFamily>();
  for (const family of families) {
    assert(!found.has(family.name), `the family ${family.name} occurs twice`);
    found.set(family.name, check(family));
  }
  return found;
}

function takeMeta(families: OpenFamily[], what: string, name: string, text: string, line: string) {
  let family = families.at(-1);
  if (family?.name !== name) {
    family = { name, samples: [] };
    families.push(family);
  }
  assert(family.samples.length === 0, `metadata after samples: ${line}`);
  const key = what === "TYPE" ? "type" : what === "UNIT" ? "unit" : "help";
  assert(family[key] === undefined, `repeated metadata: ${line}`);
  if (key === "help") {
    assert(!/(?<!\\)(?:\\\\)*\\(?![\\n"])/.test(text), `an invalid escape: ${line}`);
  }
  family[key] = text;
}

function takeSample(families: OpenFamily[], line: string) {
  const [, name = "", labels = "", value = ""] = SAMPLE.exec(line) ?? [];
  assert(name !== "", `not a sample: ${JSON.stringify(line)}`);
  assert(/^[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|Inf)$|^NaN$/i.test(value), `not a number: ${line}`);
  const family = families.at(-1);
  const suffixes = SUFFIXES[family?.type ?? ""] ?? [];
  assert(
    family !== undefined && suffixes.some((suffix) => name === `${family.name}${suffix}`),
    `not of the family above it: ${line}`,
  );
  const pairs = [...labels.matchAll(/([^,=]+)="((?:[^"\\]|\\.)*)"/g)]
    .map(([, key = "", text = ""]) => [key, unescaped(text)] as const);
  assertEquals(new Set(pairs.map(([key]) => key)).size, pairs.length, `a label twice: ${line}`);
  family.samples.push({ name, labels: Object.fromEntries(pairs), value: numberOf(value) });
}

function check({ name, type, unit, help, samples }: OpenFamily): MetricFamily {
  assert(type !== undefined && Object.hasOwn(SUFFIXES, type), `${name} has no known type`);
  assert(
    unit === undefined || unit === "" || name.endsWith(`_${unit}`),
    `the name ${name} does not end with the unit ${unit}`,
  );
  const keys = samples.map(({ name, labels }) => JSON.stringify([name, Object.entries(labels)]));
  assertEquals(new Set(keys).size, keys.length, `${name} has two equal samples`);
  for (const { value, labels } of samples) {
    if (type === "counter") {
      assert(value >= 0 && Number.isFinite(value), `the counter ${name} is ${value}`);
    }
    if (type === "info") assertEquals(value, 1);
    assert(!Object.hasOwn(labels, "le") || type === "histogram", `${name} has a label le`);
  }
  if (type === "histogram") checkHistogram(name, samples);
  return {
    name,
    type,
    samples,
    ...(unit === undefined ? {} : { unit }),
    ...(help === undefined ? {} : { help }),
  };
}

function checkHistogram(name: string, samples: readonly MetricSample[]) {
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
  const bounds = buckets.map(({ labels }) => numberOf(labels.le ?? ""));
  assertEquals(bounds, [...bounds].sort((a, b) => a - b), `${name}: bounds are not in order`);
  assertEquals(bounds.at(-1), Infinity, `${name} has no bucket for all`);
  for (const { labels } of buckets) {
    assert(/^(?:\d+\.\d+|\+Inf)$/.test(labels.le ?? ""), `${name}: ${labels.le} is not canonical`);
  }
  const counts = buckets.map(({ value }) => value);
  assertEquals(counts, [...counts].sort((a, b) => a - b), `${name}: bucket counts decrease`);
  const count = samples.find((sample) => sample.name === `${name}_count`);
  assertEquals(count?.value, counts.at(-1));
  assert(samples.some((sample) => sample.name === `${name}_sum`));
}

function numberOf(text: string): number {
  return /^\+?Inf$/.test(text) ? Infinity : text === "-Inf" ? -Infinity : Number(text);
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/g, (_, char) => char === "n" ? "\n" : char);
}
