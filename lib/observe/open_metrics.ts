/**
 * Formats metrics as text: OpenMetrics 1.0, and the Prometheus text format 0.0.4. It measures
 * nothing. Invalid names and values are errors before anything is sent, so that a scraper never
 * receives a partial page.
 */

/** One value with its labels. */
export interface MetricSample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Observations by size. */
export interface Histogram {
  /** Upper bounds of the buckets, ascending. */
  readonly bounds: readonly number[];
  /** Observations per bucket, not cumulative; the last bucket has no bound. */
  readonly buckets: readonly number[];
  readonly sum: number;
}

interface FamilyHead {
  /** Name without the suffixes of its samples: `elastik_requests`. */
  readonly name: string;
  readonly help: string;
  /** The unit in which the name ends: `seconds`, `bytes`. */
  readonly unit?: string;
}

/** A metric family: one measured quantity with its samples. */
export type MetricFamily =
  & FamilyHead
  & (
    | { readonly type: "counter" | "gauge" | "info"; readonly samples: readonly MetricSample[] }
    | { readonly type: "histogram"; readonly histogram: Histogram }
  );

/** Format of the text. */
export type MetricsFormat = "openmetrics" | "prometheus";

/** Media types of the formats. */
export const METRICS_MEDIA_TYPES: Readonly<Record<MetricsFormat, string>> = {
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
};

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
/** Suffixes of samples. A family whose name ends in one would collide with another family. */
const SUFFIX = /_(?:total|created|count|sum|bucket|info)$/;

/**
 * Formats metric families.
 *
 * @throws {TypeError} if the format does not allow a name, unit or value
 */
export function formatMetrics(families: readonly MetricFamily[], format: MetricsFormat): string {
  const names = new Set<string>();
  const parts = families.map((family) => {
    const { name, unit } = family;
    if (!NAME.test(name) || SUFFIX.test(name) || names.has(name)) {
      throw new TypeError(`Cannot write the metric ${name}: the name is used twice or not allowed`);
    }
    if (unit !== undefined && !name.endsWith(`_${unit}`)) {
      throw new TypeError(`Cannot write the metric ${name}: it does not end in its unit ${unit}`);
    }
    names.add(name);
    return head(family, format) + rows(family).join("");
  });
  return parts.join("") + (format === "openmetrics" ? "# EOF\n" : "");
}

function head(family: MetricFamily, format: MetricsFormat): string {
  const { name, type, unit, help } = family;
  if (format === "prometheus") {
    // In the Prometheus format, TYPE has the name of the samples, and `info` does not exist.
    const sampled = type === "counter" ? `${name}_total` : type === "info" ? `${name}_info` : name;
    const sampledType = type === "info" ? "gauge" : type;
    return `# HELP ${sampled} ${escapeText(help, false)}\n# TYPE ${sampled} ${sampledType}\n`;
  }
  return `# TYPE ${name} ${type}\n` +
    (unit === undefined ? "" : `# UNIT ${name} ${unit}\n`) +
    `# HELP ${name} ${escapeText(help, true)}\n`;
}

function rows(family: MetricFamily): string[] {
  const { name } = family;
  if (family.type === "histogram") return histogramRows(name, family.histogram);
  const suffix = family.type === "counter" ? "_total" : family.type === "info" ? "_info" : "";
  return family.samples.map(({ labels = {}, value }) => {
    const isValid = family.type === "counter"
      ? Number.isFinite(value) && value >= 0
      : family.type === "gauge" || value === 1;
    if (!isValid) throw new TypeError(`Cannot write the ${family.type} ${name}: it is ${value}`);
    return row(`${name}${suffix}`, labels, value);
  });
}

function histogramRows(name: string, { bounds, buckets, sum }: Histogram): string[] {
  if (buckets.length !== bounds.length + 1) {
    throw new TypeError(`Cannot write the histogram ${name}: the last bucket must have no bound`);
  }
  let count = 0;
  const found = buckets.map((size, at) => {
    count += size;
    return row(`${name}_bucket`, { le: formatBound(bounds[at] ?? Infinity) }, count);
  });
  return [...found, row(`${name}_count`, {}, count), row(`${name}_sum`, {}, sum)];
}

function row(name: string, labels: Readonly<Record<string, string>>, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => {
    if (!LABEL.test(label) || label.startsWith("__")) {
      throw new TypeError(
        `Cannot write the metric ${name}: the label name ${label} is not allowed`,
      );
    }
    return `${label}="${escapeText(text, true)}"`;
  });
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${formatValue(value)}\n`;
}

/**
 * Formats the bound of a bucket in the canonical form of OpenMetrics, so that series keep their
 * identity.
 */
function formatBound(value: number): string {
  return value === Infinity ? "+Inf" : Number.isInteger(value) ? `${value}.0` : String(value);
}

function formatValue(value: number): string {
  return value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value);
}

/**
 * Escapes line breaks and backslashes; quotes too, except in the help text of the Prometheus
 * format.
 */
function escapeText(text: string, quotes: boolean): string {
  const plain = text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return quotes ? plain.replaceAll('"', '\\"') : plain;
}
