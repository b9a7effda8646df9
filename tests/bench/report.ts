/**
 * What a benchmark says: a figure, the limit measured beside it, their ratio and the aim. It prints
 * and judges nothing; a missed aim is a line to read, not a failed test.
 */

/** One line. */
export interface Figure {
  readonly what: string;
  readonly found: number;
  readonly unit: string;
  /** The machine's own limit in the same run. */
  readonly limit?: number;
  /** `>= 0.7` of the limit, or of the unit where there is no limit. */
  readonly aim?: string;
}

/** Prints one line as soon as it is known. */
export function report({ what, found, unit, limit, aim }: Figure): void {
  const ratio = limit === undefined ? undefined : found / limit;
  const judged = ratio ?? found;
  const met = aim === undefined ? "" : holds(judged, aim) ? "  met" : "  MISSED";
  console.log(
    what.padEnd(52) +
      `${round(found)} ${unit}`.padStart(18) +
      (limit === undefined ? "" : `  of ${round(limit)}`).padEnd(14) +
      (ratio === undefined ? "" : ratio.toFixed(2)).padStart(6) +
      (aim === undefined ? "" : `  aim ${aim}`.padEnd(16)) + met,
  );
}

/** The middle one of several values. */
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
