/**
 * A common limit for the bytes that wait for slow readers. Readers often wait for the same bytes; a
 * buffer is counted once, however many wait for it. Beyond the limit, the readers that have taken
 * nothing for the longest time are disconnected, so that a reader that keeps up is not affected.
 */

/** A reader with bytes that it has not taken. */
export interface BufferedReader {
  /** Releases all its buffers and disconnects it. */
  disconnect(): void;
}

/** The buffers of all readers that wait for bytes. */
export class BufferBudget {
  readonly #limit: number;
  /** How many readers hold each buffer. */
  readonly #holders = new Map<object, number>();
  /** Readers with bytes to take; the first one has taken nothing for the longest time. */
  readonly #waiting = new Set<BufferedReader>();
  #bytes = 0;
  #disconnected = 0;

  /**
   * @param limit bytes of different buffers; one buffer can exceed it if no other is held
   *
   * @example
   * ```ts
   * import { strictEqual } from "node:assert/strict";
   * import { BufferBudget } from "./buffer_budget.ts";
   *
   * const budget = new BufferBudget(1000);
   * const bytes = new Uint8Array(600);
   * budget.hold({ disconnect: () => {} }, bytes, 600);
   * budget.hold({ disconnect: () => {} }, bytes, 600);
   * strictEqual(budget.bytes, 600);
   * ```
   */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes of all buffers that are held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Readers that were disconnected because of the limit. */
  get disconnected(): number {
    return this.#disconnected;
  }

  /**
   * Counts a buffer that a reader begins to hold. If the limit is exceeded then, other readers are
   * disconnected.
   *
   * @param buffer must be released by {@link release} once for each call
   * @param length its bytes
   */
  hold(reader: BufferedReader, buffer: object, length: number): void {
    const holders = this.#holders.get(buffer) ?? 0;
    this.#holders.set(buffer, holders + 1);
    this.#waiting.add(reader);
    if (holders > 0) return;
    this.#bytes += length;
    for (const other of this.#waiting) {
      if (this.#bytes <= this.#limit) return;
      if (other === reader) continue;
      this.#disconnected++;
      other.disconnect();
    }
  }

  /** Counts a buffer that a reader no longer holds. */
  release(buffer: object, length: number): void {
    const holders = this.#holders.get(buffer) ?? 0;
    if (holders > 1) {
      this.#holders.set(buffer, holders - 1);
      return;
    }
    if (this.#holders.delete(buffer)) this.#bytes -= length;
  }

  /**
   * Reports that a reader has taken bytes.
   *
   * @param more whether it still holds buffers
   */
  took(reader: BufferedReader, more: boolean): void {
    this.#waiting.delete(reader);
    if (more) this.#waiting.add(reader);
  }
}
