/**
 * A bar for work that takes a while, in one line of the terminal that is written over and over and is gone
 * when the work is done. Only who watches sees it; nothing depends on it.
 */

/** Narrowest and widest bar, in characters. */
const NARROWEST = 10;
const WIDEST = 40;
/** What a terminal has that does not say. */
const COLUMNS = 80;
/** Least milliseconds between two pictures of it. */
const PAUSE_MS = 50;
const CLEAR = "\r\x1b[K";

/** What a bar is drawn with. */
export interface ProgressOptions {
  /** What is being done, in a word or two. */
  readonly title: string;
  /** What is counted. */
  readonly unit: string;
  /** Writes to the terminal. */
  readonly write: (text: string) => void;
  /** Its width in characters. */
  readonly columns: number;
  /** Unix milliseconds. */
  readonly now: () => number;
}

/** A bar on a terminal. */
export class Progress {
  readonly #options: ProgressOptions;
  #last = -Infinity;

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  /** Shows how far the work is; most calls draw nothing. */
  update(done: number, total: number): void {
    const now = this.#options.now();
    if (now - this.#last < PAUSE_MS) return;
    this.#last = now;
    this.#options.write(`${CLEAR}${barLine(this.#options, done, total)}`);
  }

  /** Takes the bar away. */
  end(): void {
    if (this.#last > -Infinity) this.#options.write(CLEAR);
  }
}

/** One picture: `verify [#####-----] 50/100 worlds`, never wider than the terminal. */
export function barLine(
  { title, unit, columns }: Pick<ProgressOptions, "title" | "unit" | "columns">,
  done: number,
  total: number,
): string {
  const tail = `${done}/${total} ${unit}`;
  const width = Math.min(WIDEST, columns - title.length - tail.length - 5);
  if (width < NARROWEST) return `${title} ${tail}`.slice(0, Math.max(0, columns - 1));
  const filled = total > 0 ? Math.round(width * Math.min(1, done / total)) : 0;
  return `${title} [${"#".repeat(filled)}${"-".repeat(width - filled)}] ${tail}`;
}

/** A bar on the standard error, or nothing where that is no terminal. */
export function terminalProgress(title: string, unit: string): Progress | undefined {
  if (!Deno.stderr.isTerminal()) return undefined;
  const encoder = new TextEncoder();
  return new Progress({
    title,
    unit,
    write: (text) => void Deno.stderr.writeSync(encoder.encode(text)),
    columns: columnsOf(),
    now: Date.now,
  });
}

function columnsOf(): number {
  try {
    return Deno.consoleSize().columns || COLUMNS;
  } catch {
    return COLUMNS; // a terminal that does not say has as many as any
  }
}
