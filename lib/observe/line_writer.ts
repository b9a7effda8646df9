/**
 * Writes lines to a slow output such as a terminal or a pipe. Lines are collected and written in
 * batches; callers never wait. Lines beyond a memory limit are dropped and counted, because a log
 * that is not read must not block the server. An output that fails is tried again with the next
 * lines: a full disk can have space again.
 */

import { LOG_CLOSE_TIMEOUT_MS, LOG_FLUSH_INTERVAL_MS, MAX_LOG_BUFFER_CHARS } from "../limits.ts";
import { withTimeout } from "../base/timeout.ts";

/** The output of a {@link LineWriter} and its limits. */
export interface LineWriterOptions {
  /** Writes some of the bytes and returns how many; called one at a time. */
  write(bytes: Uint8Array): Promise<number>;
  /** Formats the line that reports how many lines were dropped. */
  formatDropped(count: number): string;
  /** Called at the first of several failures in a row. The lines of a failed write are dropped. */
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
  #limit: number;
  readonly #delayMs: number;
  #waiting: string[] = [];
  #length = 0;
  #dropped = 0;
  #totalDropped = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> | undefined;
  /** When the current write began, by `performance.now()`. */
  #writingSince = 0;
  #failing = false;
  #closed = false;

  constructor(options: LineWriterOptions) {
    this.#options = options;
    this.#limit = options.limit ?? MAX_LOG_BUFFER_CHARS;
    this.#delayMs = options.delayMs ?? LOG_FLUSH_INTERVAL_MS;
  }

  /** Lines that were dropped since the start. */
  get dropped(): number {
    return this.#totalDropped;
  }

  /** Replaces the number of characters that can wait. Lines that wait already are written. */
  setLimit(chars: number): void {
    this.#limit = chars;
  }

  /** Queues a line, which includes its line break. Never waits. */
  write(line: string): void {
    if (this.#closed) return;
    if (this.#length + line.length > this.#limit) {
      this.#drop(1);
      return;
    }
    this.#waiting.push(line);
    this.#length += line.length;
    if (this.#writing !== undefined) return;
    this.#timer ??= setTimeout(() => this.#flush(), this.#delayMs);
  }

  /**
   * Writes the queued lines. Gives up {@link LOG_CLOSE_TIMEOUT_MS} milliseconds after the last
   * write began, so an output that has been stuck for long does not delay a shutdown. Idempotent.
   */
  async close(): Promise<void> {
    this.#flush();
    const left = this.#writingSince + LOG_CLOSE_TIMEOUT_MS - performance.now();
    await withTimeout(Math.max(0, left), this.#writing ?? Promise.resolve());
    this.#closed = true;
  }

  #drop(count: number): void {
    this.#dropped += count;
    this.#totalDropped += count;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing ??= this.#writeAll().finally(() => this.#writing = undefined);
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#closed) {
      const count = this.#waiting.length;
      const dropped = this.#dropped;
      const bytes = encoder.encode(this.#take());
      try {
        for (let at = 0; at < bytes.length;) {
          this.#writingSince = performance.now();
          at += await this.#options.write(bytes.subarray(at));
        }
        this.#failing = false;
      } catch (error) {
        this.#drop(count);
        // These lines were counted already; only their report was lost.
        this.#dropped += dropped;
        if (!this.#failing) this.#options.onError(error);
        this.#failing = true;
      }
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
