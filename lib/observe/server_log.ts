/**
 * The server's log: lines for the operator, on the standard error. Writing a line never waits and
 * never fails: an output that is not read costs a bounded amount of memory, and a closed one is
 * ignored. Lines that clients cause are limited per kind. All output of a running server goes
 * through this module or the access log; `console` blocks the event loop if a pipe is full.
 */

import { LineRate } from "./line_rate.ts";
import { LineWriter } from "./line_writer.ts";

/** The output and the clocks of a {@link ServerLog}. */
export interface ServerLogOptions {
  /** Writes some of the bytes and returns how many. */
  readonly write: (bytes: Uint8Array) => Promise<number>;
  /** Lines per second of each kind that clients can cause; 0 means no limit. */
  readonly clientLinesPerSecond: number;
  /** Characters that can wait to be written. */
  readonly limit?: number;
  /** Current time in Unix milliseconds, for the time of a line. */
  readonly now: () => number;
  /** Milliseconds of a monotonic clock, for the limit. */
  readonly monotonic: () => number;
}

/** Writes the lines of one server. */
export class ServerLog {
  readonly #options: ServerLogOptions;
  readonly #lines: LineWriter;
  readonly #rate: LineRate;

  constructor(options: ServerLogOptions) {
    this.#options = options;
    this.#rate = new LineRate(options.clientLinesPerSecond, options.monotonic);
    this.#lines = new LineWriter({
      write: options.write,
      ...(options.limit === undefined ? {} : { limit: options.limit }),
      delayMs: 0,
      formatDropped: (count) => this.#format(`dropped ${count} log lines: the reader is too slow`),
      // There is no other output to report it to; `dropped` counts the lines.
      onError: ignoreFailure,
    });
  }

  /** Lines that were not written since the start: too slow a reader, or too many of one kind. */
  get dropped(): number {
    return this.#lines.dropped + this.#rate.suppressed;
  }

  /**
   * Replaces the limits.
   *
   * @param clientLinesPerSecond lines per second of each kind; 0 means no limit
   * @param chars characters that can wait to be written
   */
  setLimits(clientLinesPerSecond: number, chars: number): void {
    this.#rate.setLimit(clientLinesPerSecond);
    this.#lines.setLimit(chars);
  }

  /**
   * Writes a line with the current time.
   *
   * @param line the text without a line break
   * @param kind what caused the line, if clients decide how often it is due; such lines are limited
   */
  write(line: string, kind?: string): void {
    if (kind === undefined) return this.#lines.write(this.#format(line));
    const suppressed = this.#rate.take(kind);
    if (suppressed === undefined) return;
    this.#lines.write(
      this.#format(suppressed === 0 ? line : `${line} (${suppressed} similar lines before it)`),
    );
  }

  /** Writes a line as it is, without a time. */
  print(line: string): void {
    this.#lines.write(`${line}\n`);
  }

  /** Writes the queued lines; see {@link LineWriter.close}. */
  close(): Promise<void> {
    return this.#lines.close();
  }

  #format(line: string): string {
    return `${new Date(this.#options.now()).toISOString()} ${line}\n`;
  }
}

function ignoreFailure(): void {
  // A closed or full standard error must not end the server.
}
