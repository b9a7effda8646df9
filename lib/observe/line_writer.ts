/**
 * Lines on their way to a slow place, such as a terminal or a pipe: gathered, written in batches, and
 * never waited for. What would not fit into its bounded memory is dropped and counted, since a log
 * that nobody reads must not stop what it is about.
 */

import { LOG_BUFFER_BYTES, LOG_DELAY_MS, LOG_GOODBYE_MS } from "../limits.ts";
import { within } from "../base/timeout.ts";

/** What a {@link LineWriter} needs. */
export interface LineWriterOptions {
  /** Writes some of the bytes, one call at a time, and says how many. */
  write(bytes: Uint8Array): Promise<number>;
  /** Makes the line that says how many were dropped. */
  dropped(count: number): string;
  /** Told once, when writing failed; nothing is written after that. */
  failed(error: unknown): void;
  /** Most characters that wait. */
  readonly limit?: number;
  /** How long lines are gathered, in milliseconds. */
  readonly delayMs?: number;
}

const encoder = new TextEncoder();

/** See the module. */
export class LineWriter {
  readonly #options: LineWriterOptions;
  readonly #limit: number;
  readonly #delayMs: number;
  #waiting: string[] = [];
  #length = 0;
  #dropped = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> | undefined;
  #broken = false;

  constructor(options: LineWriterOptions) {
    this.#options = options;
    this.#limit = options.limit ?? LOG_BUFFER_BYTES;
    this.#delayMs = options.delayMs ?? LOG_DELAY_MS;
  }

  /** Takes a line, with its line break; never waits. */
  put(line: string): void {
    if (this.#broken) return;
    if (this.#length + line.length > this.#limit) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(line);
    this.#length += line.length;
    if (this.#writing !== undefined) return;
    this.#timer ??= setTimeout(() => this.#flush(), this.#delayMs);
  }

  /** Writes what waits, and gives up on a place that takes nothing. */
  async close(): Promise<void> {
    this.#flush();
    await within(LOG_GOODBYE_MS, this.#writing ?? Promise.resolve());
    this.#broken = true;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing ??= this.#writeAll().finally(() => this.#writing = undefined);
  }

  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0 && !this.#broken) {
        const bytes = encoder.encode(this.#take());
        for (let at = 0; at < bytes.length;) {
          at += await this.#options.write(bytes.subarray(at));
        }
      }
    } catch (error) {
      this.#broken = true;
      this.#waiting = [];
      this.#options.failed(error);
    }
  }

  #take(): string {
    const lines = this.#waiting;
    if (this.#dropped > 0) lines.push(this.#options.dropped(this.#dropped));
    this.#waiting = [];
    this.#length = this.#dropped = 0;
    return lines.join("");
  }
}
