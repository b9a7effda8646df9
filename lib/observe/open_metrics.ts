/**
 * Metrics as text: OpenMetrics 1.0, and the Prometheus text format 0.0.4 for who asks for that. It
 * writes what it is given and measures nothing; what would not be valid is refused here, so that a
 * scraper never gets half a page.
 */

/** One number with its labels. */
export interface MetricSample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Observations by size: how many fell into each bucket, the last of which has no bound. */
export interface Histogram {
  /** Upper bounds, rising. */
  readonly bounds: readonly number[];
  /** One more than there are bounds. */
  readonly buckets: readonly number[];
  readonly sum: number;
}

interface FamilyHead {
  /** Without the suffixes that its samples get: `elastik_requests`. */
  readonly name: string;
  readonly help: string;
  /** The name must end in it: `seconds`, `bytes`. */
  readonly unit?: string;
}

/** A named thing that is measured. */
export type MetricFamily =
  & FamilyHead
  & (
    | { readonly type: "counter" | "gauge" | "info"; readonly samples: readonly MetricSample[] }
    | { readonly type: "histogram"; readonly histogram: Histogram }
  );

/** How the text is written. */
export type MetricsFormat = "openmetrics" | "prometheus";

/** The media types of the forms. */
export const METRICS_MEDIA_TYPES: Readonly<Record<MetricsFormat, string>> = {
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
};

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
/** A family of this name would clash with another's samples. */
const SUFFIX = /_(?:total|created|count|sum|bucket|info)$/;

/**
 * Writes the families.
 *
 * @throws {TypeError} a name, unit or value that the format does not allow
 */
export function formatMetrics(families: readonly MetricFamily[], form: MetricsFormat): string {
  const names = new Set<string>();
  const parts = families.map((family) => {
    const { name, unit } = family;
    if (!NAME.test(name) || SUFFIX.test(name) || names.has(name)) {
      throw new TypeError(`Cannot write the metric ${name}: its name is taken or not allowed`);
    }
    if (unit !== undefined && !name.endsWith(`_${unit}`)) {
      throw new TypeError(`Cannot write the metric ${name}: it does not end in its unit ${unit}`);
    }
    names.add(name);
    return head(family, form) + rows(family).join("");
  });
  return parts.join("") + (form === "openmetrics" ? "# EOF\n" : "");
}

function head(family: MetricFamily, form: MetricsFormat): string {
  const { name, type, unit, help } = family;
  if (form === "prometheus") {
    // There the type belongs to the samples' own name, and `info` is not known.
    const sampled = type === "counter" ? `${name}_total` : type === "info" ? `${name}_info` : name;
    const known = type === "info" ? "gauge" : type;
    return `# HELP ${sampled} ${escaped(help, false)}\n# TYPE ${sampled} ${known}\n`;
  }
  return `# TYPE ${name} ${type}\n` +
    (unit === undefined ? "" : `# UNIT ${name} ${unit}\n`) +
    `# HELP ${name} ${escaped(help, true)}\n`;
}

function rows(family: MetricFamily): string[] {
  const { name } = family;
  if (family.type === "histogram") return histogramRows(name, family.histogram);
  const suffix = family.type === "counter" ? "_total" : family.type === "info" ? "_info" : "";
  return family.samples.map(({ labels = {}, value }) => {
    const fits = family.type === "counter"
      ? Number.isFinite(value) && value >= 0
      : family.type === "gauge" || value === 1;
    if (!fits) throw new TypeError(`Cannot write the ${family.type} ${name}: it is ${value}`);
    return row(`${name}${suffix}`, labels, value);
  });
}

function histogramRows(name: string, { bounds, buckets, sum }: Histogram): string[] {
  if (buckets.length !== bounds.length + 1) {
    throw new TypeError(`Cannot write the histogram ${name}: it needs a bucket without a bound`);
  }
  let count = 0;
  const found = buckets.map((size, at) => {
    count += size;
    return row(`${name}_bucket`, { le: numeral(bounds[at] ?? Infinity) }, count);
  });
  return [...found, row(`${name}_count`, {}, count), row(`${name}_sum`, {}, sum)];
}

function row(name: string, labels: Readonly<Record<string, string>>, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => {
    if (!LABEL.test(label) || label.startsWith("__")) {
      throw new TypeError(`Cannot write the metric ${name}: no label may be called ${label}`);
    }
    return `${label}="${escaped(text, true)}"`;
  });
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${spelt(value)}\n`;
}

/** A bucket's bound in the spelling that OpenMetrics calls canonical, so that series stay the same. */
function numeral(value: number): string {
  return value === Infinity ? "+Inf" : Number.isInteger(value) ? `${value}.0` : String(value);
}

function spelt(value: number): string {
  return value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value);
}

/** Line breaks and backslashes written out; quotes too, except in the help of the older format. */
function escaped(text: string, quotes: boolean): string {
  const plain = text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return quotes ? plain.replaceAll('"', '\\"') : plain;
}
