/**
 * A progress bar for long commands: one line of the terminal, overwritten at each update and
 * cleared at the end. It is only shown; no result depends on it.
 */

/** Width of the bar in characters. */
const MIN_BAR_CHARS = 10;
const MAX_BAR_CHARS = 40;
/** Width of a terminal that does not report it. */
const COLUMNS = 80;
/** Shortest time between two updates of the line. */
const MIN_REDRAW_MS = 50;
const CLEAR = "\r\x1b[K";

/** How a bar is drawn. */
export interface ProgressBarOptions {
  /** What the command does, in a word or two. */
  readonly title: string;
  /** What is counted. */
  readonly unit: string;
  /** Writes to the terminal. */
  readonly write: (text: string) => void;
  /** Width of the terminal in characters. */
  readonly columns: number;
  /** Milliseconds of a monotonic clock. */
  readonly now: () => number;
}

/** A progress bar on a terminal. */
export class ProgressBar {
  readonly #options: ProgressBarOptions;
  #last = -Infinity;

  constructor(options: ProgressBarOptions) {
    this.#options = options;
  }

  /** Reports progress. Most calls draw nothing. */
  update(done: number, total: number): void {
    const now = this.#options.now();
    if (now - this.#last < MIN_REDRAW_MS) return;
    this.#last = now;
    this.#options.write(`${CLEAR}${formatBar(this.#options, done, total)}`);
  }

  /** Clears the line. */
  end(): void {
    if (this.#last > -Infinity) this.#options.write(CLEAR);
  }
}

/** Formats the line: `verify [#####-----] 50/100 worlds`, never wider than the terminal. */
export function formatBar(
  { title, unit, columns }: Pick<ProgressBarOptions, "title" | "unit" | "columns">,
  done: number,
  total: number,
): string {
  const tail = `${done}/${total} ${unit}`;
  const width = Math.min(MAX_BAR_CHARS, columns - title.length - tail.length - 5);
  if (width < MIN_BAR_CHARS) return `${title} ${tail}`.slice(0, Math.max(0, columns - 1));
  const filled = total > 0 ? Math.round(width * Math.min(1, done / total)) : 0;
  return `${title} [${"#".repeat(filled)}${"-".repeat(width - filled)}] ${tail}`;
}

/** Creates a bar on the standard error, or returns undefined if that is not a terminal. */
export function createTerminalProgress(title: string, unit: string): ProgressBar | undefined {
  if (!Deno.stderr.isTerminal()) return undefined;
  const encoder = new TextEncoder();
  return new ProgressBar({
    title,
    unit,
    write: (text) => void Deno.stderr.writeSync(encoder.encode(text)),
    columns: columnsOf(),
    now: () => performance.now(),
  });
}

function columnsOf(): number {
  try {
    return Deno.consoleSize().columns || COLUMNS;
  } catch {
    return COLUMNS; // a terminal that does not report its width
  }
}
