/**
 * Writes lines to a slow output such as a terminal or a pipe. Lines are collected and written in
 * batches; callers never wait. Lines beyond a memory limit are dropped and counted, because a log
 * that is not read must not block the server.
 */

import { LOG_CLOSE_TIMEOUT_MS, LOG_FLUSH_INTERVAL_MS, MAX_LOG_BUFFER_CHARS } from "../limits.ts";
import { withTimeout } from "../base/timeout.ts";

/** The output of a {@link LineWriter} and its limits. */
export interface LineWriterOptions {
  /** Writes some of the bytes and returns how many; called one at a time. */
  write(bytes: Uint8Array): Promise<number>;
  /** Formats the line that reports how many lines were dropped. */
  formatDropped(count: number): string;
  /** Called once if writing fails; nothing is written afterwards. */
  onError(error: unknown): void;
  /** Characters that can wait; the default is {@link MAX_LOG_BUFFER_CHARS}. */
  readonly limit?: number;
  /**
   * Lines are collected for this many milliseconds; the default is {@link LOG_FLUSH_INTERVAL_MS}.
   */
  readonly delayMs?: number;
}

const encoder = new TextEncoder();

/** Collects lines and writes them in batches. */
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
    this.#limit = options.limit ?? MAX_LOG_BUFFER_CHARS;
    this.#delayMs = options.delayMs ?? LOG_FLUSH_INTERVAL_MS;
  }

  /** Queues a line, which includes its line break. Never waits. */
  write(line: string): void {
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

  /** Writes the queued lines, and gives up after {@link LOG_CLOSE_TIMEOUT_MS} milliseconds. */
  async close(): Promise<void> {
    this.#flush();
    await withTimeout(LOG_CLOSE_TIMEOUT_MS, this.#writing ?? Promise.resolve());
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
      this.#options.onError(error);
    }
  }

  #take(): string {
    const lines = this.#waiting;
    if (this.#dropped > 0) lines.push(this.#options.formatDropped(this.#dropped));
    this.#waiting = [];
    this.#length = this.#dropped = 0;
    return lines.join("");
  }
}
