/**
 * Output of the benchmarks: one line per figure with the limit measured in the same run, their ratio
 * and the aim. A missed aim is printed and does not change the exit code.
 */

/** One line of output. */
export interface Figure {
  readonly what: string;
  readonly found: number;
  readonly unit: string;
  /** Figure of the reference in the same run, in the same unit. */
  readonly limit?: number;
  /** Such as `>= 0.7`: a bound of the ratio, or of the figure if there is no limit. */
  readonly aim?: string;
}

/** Prints one figure. */
export function report({ what, found, unit, limit, aim }: Figure): void {
  const ratio = limit === undefined ? undefined : found / limit;
  const compared = ratio ?? found;
  const met = aim === undefined ? "" : holds(compared, aim) ? "  met" : "  MISSED";
  console.log(
    what.padEnd(52) +
      `${round(found)} ${unit}`.padStart(18) +
      (limit === undefined ? "" : `  of ${round(limit)}`).padEnd(14) +
      (ratio === undefined ? "" : ratio.toFixed(2)).padStart(6) +
      (aim === undefined ? "" : `  aim ${aim}`.padEnd(16)) + met,
  );
}

/** Returns the median of values, or 0 if there are none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function holds(value: number, aim: string): boolean {
  const [sign, text] = aim.split(" ");
  const bound = Number(text);
  return sign === ">=" ? value >= bound : value <= bound;
}

function round(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}
