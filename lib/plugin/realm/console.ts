/**
 * The console of a plugin. Each line becomes a LOG frame. Lines per second and their length are
 * limited; dropped lines are counted and the count is reported. A plugin must not have another way
 * to write to the server's log.
 */

import { DROPPED_LINES_LEVEL } from "../wire/frames.ts";

/** Longest console line in characters; the rest is cut off. */
const MAX_LINE_CHARS = 4096;

/**
 * Creates the console of a cell.
 *
 * @param send receives the level (0 log, 1 warn, 2 error, or {@link DROPPED_LINES_LEVEL}) and the line
 * @param inspect formats a value that is not a string
 * @param maxLogLinesPerSecond lines that are sent per second; more are dropped and counted
 * @param toLine changes a line of the plugin before it is cut
 * @returns the object that replaces `globalThis.console`, and `print`, which sends one line under
 * the same limits
 */
export function createConsole(
  send: (level: number, line: string) => void,
  inspect: (value: unknown) => string,
  maxLogLinesPerSecond: number,
  toLine: (text: string) => string = (text) => text,
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
        send(
          DROPPED_LINES_LEVEL,
          `dropped ${dropped} lines: at most ${maxLogLinesPerSecond} per second are kept`,
        );
      }
      dropped = 0;
    }
    if (sent >= maxLogLinesPerSecond) {
      dropped++;
      return;
    }
    sent++;
    send(level, line.length > MAX_LINE_CHARS ? line.slice(0, MAX_LINE_CHARS) + " …" : line);
  };
  const isFull = (): boolean => {
    if (sent < maxLogLinesPerSecond || Math.floor(now() / 1000) !== second) return false;
    dropped++;
    return true;
  };
  const format = (values: readonly unknown[]): string => {
    let line = "";
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      line += (i > 0 ? " " : "") + (typeof value === "string" ? value : describe(inspect, value));
    }
    return line;
  };
  const write = (level: number) => (...values: unknown[]): void => {
    if (!isFull()) print(level, toLine(format(values)));
  };
  // Console Standard §1.1.10: the values, then the stack.
  const trace = (...values: unknown[]): void => {
    if (isFull()) return;
    // A plugin can replace how a stack is made.
    const frames = /\n[^]*/.exec(String(new Error().stack))?.[0] ?? "";
    const head = values.length === 0 ? "Trace" : `Trace: ${format(values)}`;
    print(0, toLine(head + frames));
  };
  const nothing = (): void => {};
  const console: Record<string, unknown> = {
    log: write(0),
    info: write(0),
    debug: write(0),
    trace,
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
    return "[a value that cannot be inspected]";
  }
}
