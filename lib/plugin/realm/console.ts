/**
 * The console inside a cell: lines become frames, so many a second and no longer than so; the rest is
 * counted and told. A plugin has no other way to write anywhere.
 */

/** Longest line in characters. */
const LINE = 4096;

/**
 * Makes the console.
 *
 * @param send takes a line and its level: 0 log, 1 warn, 2 error
 * @param inspect writes a value that is not text
 * @param maxLogLinesPerSecond what passes; the rest is counted
 */
export function createConsole(
  send: (level: number, line: string) => void,
  inspect: (value: unknown) => string,
  maxLogLinesPerSecond: number,
): { console: Readonly<Record<string, unknown>>; print: (level: number, line: string) => void } {
  const now = Date.now;
  let second = 0;
  let sent = 0;
  let dropped = 0;
  const print = (level: number, line: string): void => {
    const current = Math.floor(now() / 1000);
    if (current !== second) {
      second = current;
      sent = 0;
      if (dropped > 0) {
        send(1, `${dropped} lines dropped: ${maxLogLinesPerSecond} a second are kept`);
      }
      dropped = 0;
    }
    if (sent >= maxLogLinesPerSecond) {
      dropped++;
      return;
    }
    sent++;
    send(level, line.length > LINE ? line.slice(0, LINE) + " …" : line);
  };
  const write = (level: number) => (...values: unknown[]): void => {
    if (sent >= maxLogLinesPerSecond && Math.floor(now() / 1000) === second) {
      dropped++;
      return;
    }
    let line = "";
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      line += (i > 0 ? " " : "") + (typeof value === "string" ? value : describe(inspect, value));
    }
    print(level, line);
  };
  const nothing = (): void => {};
  const console: Record<string, unknown> = {
    log: write(0),
    info: write(0),
    debug: write(0),
    trace: write(0),
    dir: write(0),
    table: write(0),
    warn: write(1),
    error: write(2),
    assert: (holds: unknown, ...rest: unknown[]) => {
      if (!holds) write(2)("Assertion failed:", ...rest);
    },
  };
  for (
    const name of [
      "group",
      "groupCollapsed",
      "groupEnd",
      "time",
      "timeEnd",
      "timeLog",
      "count",
      "countReset",
      "clear",
    ]
  ) console[name] = nothing;
  return { console, print };
}

function describe(inspect: (value: unknown) => string, value: unknown): string {
  try {
    return inspect(value);
  } catch {
    return "[a value that throws when it is shown]";
  }
}
