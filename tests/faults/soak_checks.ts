/** What the soak checks: responses, response times and memory. Pure. */

/** A response of the server, as far as it is checked. */
export interface SoakResponse {
  readonly status: number;
  readonly headers: Pick<Headers, "get">;
}

/** Growth of the resident memory that counts as flat. */
const FLAT_GROWTH = 0.1;

/**
 * Returns why a response is not allowed; undefined if it is. A 503 must have `Retry-After` and must
 * be a problem (RFC 9457). The plugin that crashes can also cause 502 and 504.
 *
 * @param kind what sent the request, such as `put`
 * @param canFail whether the request was for the plugin that crashes
 */
export function findFault(
  kind: string,
  { status, headers }: SoakResponse,
  canFail = false,
): string | undefined {
  if (status < 500) return undefined;
  const type = headers.get("content-type");
  if (status !== 503 && !(canFail && (status === 502 || status === 504))) {
    return `${kind}: status ${status}`;
  }
  if (!type?.startsWith("application/problem+json")) return `${kind}: ${status} with type ${type}`;
  if (status === 503 && !/^\d+$/.test(headers.get("retry-after") ?? "")) {
    return `${kind}: 503 without Retry-After`;
  }
  return undefined;
}

/** Returns the value below which the given share of the values is; 0 without values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/**
 * Returns why the resident memory is not flat; undefined if it is. It is flat if the median of the
 * last third is at most 10 % above the median of the first third.
 *
 * @param samples MiB at equal intervals, after the warm-up; fewer than 6 are not compared
 */
export function findGrowth(samples: readonly number[]): string | undefined {
  if (samples.length < 6) return undefined;
  const third = Math.floor(samples.length / 3);
  const first = percentile(samples.slice(0, third), 0.5);
  const last = percentile(samples.slice(-third), 0.5);
  if (last <= first * (1 + FLAT_GROWTH)) return undefined;
  return `the resident memory grew from ${first} to ${last} MiB`;
}

/**
 * Reads the histogram of the event loop delay from `/proc/metrics`: observations up to a bound in
 * seconds, by bound.
 */
export function parseDelays(metrics: string): Map<number, number> {
  const buckets = metrics.matchAll(
    /^elastik_event_loop_delay_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm,
  );
  return new Map([...buckets].map(([, bound = "", count]) => {
    return [bound === "+Inf" ? Infinity : Number(bound), Number(count)];
  }));
}

/** Returns the share of the observations since `before` that are above a bound; 0 without any. */
export function shareAbove(
  now: ReadonlyMap<number, number>,
  before: ReadonlyMap<number, number>,
  bound: number,
): number {
  const countUpTo = (at: number) => (now.get(at) ?? 0) - (before.get(at) ?? 0);
  const all = countUpTo(Infinity);
  return all === 0 ? 0 : 1 - countUpTo(bound) / all;
}
