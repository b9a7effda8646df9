/**
 * Limits of request bodies that are being received: the bytes of all of them in memory, the time
 * between two parts, and a minimum rate. A client that stops, or sends so slowly that its body
 * occupies memory for hours, gets 408. If the memory is used up, a slow body is given up for a new
 * one; if there is none, the new one gets 503.
 */

import { EVICTABLE_AFTER_MS, MAX_SKIP_WORK } from "../limits.ts";
import { type BodyPiece, type BodyPieces, readPieces } from "./body_pieces.ts";
import { Problem } from "./problem.ts";
import { ReadAhead } from "./read_ahead.ts";

/** Limits of a {@link BodyBudget}. */
export interface BodyBudgetOptions {
  /** Bytes of all bodies in memory. */
  readonly maxBytes: number;
  /** Time between two parts, and length of the window in which the rate is measured. */
  readonly timeoutMs: number;
  /** Lowest rate in bytes per second. */
  readonly minBytesPerSecond: number;
  /** Bytes that the runtime may have to copy for the chunks of one body; no limit if absent. */
  readonly maxChunkWork?: number;
  /** Monotonic time in milliseconds. */
  readonly now?: () => number;
}

/**
 * Closes the connection of a body, at once or after the response, and then calls `cancel`. In the other
 * order the runtime would remove all chunks that it has read ahead.
 */
export type CloseConnection = (isAtOnce: boolean, cancel: () => void) => void;

/** Counters for metrics. */
export interface BodyCounts {
  /** Bytes in memory. */
  readonly bytes: number;
  /** Bodies refused because the memory was used up. */
  readonly refused: number;
  /** Bodies given up because they were too slow. */
  readonly timedOut: number;
  /** Bodies refused because their chunks were too short. */
  readonly shortChunks: number;
}

/**
 * All request bodies in flight.
 *
 * @example
 * ```ts
 * import { strictEqual, throws } from "node:assert/strict";
 * import { BodyBudget } from "./body_budget.ts";
 *
 * const budget = new BodyBudget({ maxBytes: 10, timeoutMs: 1000, minBytesPerSecond: 1 });
 * const receipt = budget.open();
 * receipt.reserve(8);
 * throws(() => budget.open().reserve(3), { type: "unavailable" });
 * receipt.close();
 * strictEqual(budget.counts().bytes, 0);
 * ```
 */
export class BodyBudget {
  readonly #options: BodyBudgetOptions;
  readonly #now: () => number;
  /** Bodies that wait for their client. */
  readonly #waiting = new Set<BodyReceipt>();
  /** Bytes by client, of clients whose share is limited. */
  readonly #byClient = new Map<string, number>();
  #bytes = 0;
  #refused = 0;
  #timedOut = 0;
  #shortChunks = 0;

  constructor(options: BodyBudgetOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * Starts to receive a body. The receipt must be closed when the request is answered.
   *
   * @param client address of a client that gets at most half of the memory; undefined for no limit
   * @param close closes the connection; absent if that is not possible
   */
  open(client?: string, close?: CloseConnection): BodyReceipt {
    return new BodyReceipt(this, client, this.#now(), close);
  }

  /** Gives up the bodies whose client has been too slow. Must be called at intervals. */
  check(): void {
    const now = this.#now();
    const { timeoutMs, minBytesPerSecond } = this.#options;
    for (const receipt of this.#waiting) {
      const seconds = timeoutMs / 1000;
      if (now - receipt.lastAt >= timeoutMs) {
        this.#giveUp(receipt, `no part of it arrived for ${seconds} s`);
      } else if (now - receipt.windowStart >= timeoutMs) {
        if (receipt.windowBytes < minBytesPerSecond * seconds) {
          this.#giveUp(
            receipt,
            `${receipt.windowBytes} bytes arrived in ${seconds} s; ` +
              `${minBytesPerSecond} bytes per second are needed`,
          );
        } else receipt.startWindow(now);
      }
    }
  }

  /** Returns the counters. */
  counts(): BodyCounts {
    return {
      bytes: this.#bytes,
      refused: this.#refused,
      timedOut: this.#timedOut,
      shortChunks: this.#shortChunks,
    };
  }

  /** For {@link BodyReceipt} only. */
  get now(): number {
    return this.#now();
  }

  /** For {@link BodyReceipt} only: refuses a body whose chunks are too short. */
  checkChunks(work: number): Problem | undefined {
    const { maxChunkWork } = this.#options;
    if (maxChunkWork === undefined || work <= maxChunkWork) return undefined;
    this.#shortChunks++;
    return new Problem(
      "bad-body",
      "Cannot read the content: it arrived in too many short chunks; send it in chunks of 8 KiB or " +
        "more, or with Content-Length; nothing was stored",
      { "connection": "close" },
    );
  }

  /** For {@link BodyReceipt} only: takes memory for further bytes of a body. */
  take(receipt: BodyReceipt, bytes: number): void {
    const { maxBytes } = this.#options;
    const { client } = receipt;
    const own = client === undefined ? 0 : this.#byClient.get(client) ?? 0;
    const isOverShare = client !== undefined && own + bytes > maxBytes / 2;
    while (!isOverShare && this.#bytes + bytes > maxBytes) {
      const slowest = this.#findSlowest(receipt);
      if (slowest === undefined) break;
      this.#giveUp(slowest, "it arrived slowly, and the memory was needed for other requests");
    }
    if (isOverShare || this.#bytes + bytes > maxBytes) {
      this.#refused++;
      throw new Problem(
        "unavailable",
        isOverShare
          ? `Cannot read the content: this client has ${own} bytes of request bodies in progress; at ` +
            `most ${maxBytes / 2} are allowed, send the request again later; nothing was stored`
          : `Cannot read the content: ${this.#bytes} bytes of request bodies are in progress; at most ` +
            `${maxBytes} are allowed, send the request again later; nothing was stored`,
        { "retry-after": "1" },
      );
    }
    this.#bytes += bytes;
    if (client !== undefined) this.#byClient.set(client, own + bytes);
  }

  /** For {@link BodyReceipt} only: gives back the memory of a body. */
  give(receipt: BodyReceipt, bytes: number): void {
    this.#bytes -= bytes;
    const { client } = receipt;
    if (client === undefined) return;
    const left = (this.#byClient.get(client) ?? 0) - bytes;
    if (left > 0) this.#byClient.set(client, left);
    else this.#byClient.delete(client);
  }

  /** For {@link BodyReceipt} only: the server waits for the client, or no longer. */
  setWaiting(receipt: BodyReceipt, isWaiting: boolean): void {
    if (isWaiting) this.#waiting.add(receipt);
    else this.#waiting.delete(receipt);
  }

  /** The slowest body that is slow enough to be given up for another one. */
  #findSlowest(except: BodyReceipt): BodyReceipt | undefined {
    const now = this.#now();
    let slowest: BodyReceipt | undefined;
    let lowest = this.#options.minBytesPerSecond * 2 / 1000;
    for (const receipt of this.#waiting) {
      const age = now - receipt.windowStart;
      if (receipt === except || receipt.bytes === 0) continue;
      if (age < EVICTABLE_AFTER_MS) continue;
      const rate = receipt.windowBytes / age;
      if (rate >= lowest) continue;
      lowest = rate;
      slowest = receipt;
    }
    return slowest;
  }

  #giveUp(receipt: BodyReceipt, reason: string): void {
    this.#timedOut++;
    receipt.fail(
      new Problem(
        "request-timeout",
        `Cannot read the content: ${reason}; nothing was stored`,
        { "connection": "close" },
      ),
    );
  }
}

/** One request body that is being received. */
export class BodyReceipt {
  /** Bytes in memory. */
  bytes = 0;
  /** Time at which a part arrived last. */
  lastAt: number;
  /** Start of the window in which the rate is measured. */
  windowStart: number;
  /** Bytes that arrived in the window. */
  windowBytes = 0;
  readonly #budget: BodyBudget;
  readonly #ahead = new ReadAhead();
  readonly #close: CloseConnection | undefined;
  #work = 0;
  #failure: Problem | undefined;
  #onFail: ((problem: Problem) => void) | undefined;

  /** Use {@link BodyBudget.open}. */
  constructor(
    budget: BodyBudget,
    readonly client: string | undefined,
    now: number,
    close?: CloseConnection,
  ) {
    this.#budget = budget;
    this.#close = close;
    this.lastAt = now;
    this.windowStart = now;
  }

  /** Why the body was given up. */
  get failure(): Problem | undefined {
    return this.#failure;
  }

  /**
   * Takes memory for bytes that arrived or will arrive.
   *
   * @throws {Problem} `unavailable` (503) if the memory is used up
   */
  reserve(bytes: number): void {
    if (this.#failure !== undefined) throw this.#failure;
    this.#budget.take(this, bytes);
    this.bytes += bytes;
  }

  /**
   * Waits for the client, as long as it is fast enough.
   *
   * @param pending the next part
   * @param cancel called if the body is given up
   * @param size length of the part in bytes
   * @throws {Problem} `request-timeout` (408) if the client is too slow
   */
  async wait<T>(
    pending: Promise<T>,
    cancel: (problem: Problem) => void,
    size: (part: T) => number,
  ): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#resume();
    const failed = new Promise<never>((_, reject) => {
      this.#onFail = (problem) => {
        reject(problem);
        cancel(problem);
      };
    });
    try {
      const part = await Promise.race([pending, failed]);
      this.windowBytes += size(part);
      return part;
    } finally {
      this.#budget.setWaiting(this, false);
      this.lastAt = this.#budget.now;
      this.#onFail = undefined;
    }
  }

  /**
   * Counts a piece of a chunked body.
   *
   * @throws {Problem} `bad-body` (400) if the chunks are too short
   */
  count({ value, asked, hasWaited }: BodyPiece, pieces: BodyPieces): void {
    if (value === undefined || asked === undefined) return;
    this.#work = this.#ahead.add(value.length, asked, hasWaited);
    const problem = this.#budget.checkChunks(this.#work);
    if (problem === undefined) return;
    this.fail(problem);
    this.stop(pieces, problem);
    throw problem;
  }

  /**
   * Stops to read a body before its end. A cancelled body would be read to its end by the runtime. If
   * that is much work, the connection is closed instead.
   */
  stop(pieces: BodyPieces, reason: unknown): void {
    // Fails if the client has disconnected, which has no effect here.
    const cancel = () => void pieces.cancel(reason).catch(ignore);
    if (this.#work > MAX_SKIP_WORK && this.#close !== undefined) this.#close(false, cancel);
    else cancel();
  }

  /** The client has disconnected. The same as {@link BodyReceipt.stop}, but without a response. */
  endEarly(): void {
    if (this.#work > MAX_SKIP_WORK) this.#close?.(true, ignore);
  }

  /** For {@link BodyBudget} only: starts the next window. */
  startWindow(now: number): void {
    this.windowStart = now;
    this.windowBytes = 0;
  }

  /** For {@link BodyBudget} only: gives the body up and frees its memory. */
  fail(problem: Problem): void {
    this.#failure ??= problem;
    this.close();
    this.#onFail?.(problem);
  }

  /** Frees the memory. */
  close(): void {
    this.#budget.give(this, this.bytes);
    this.bytes = 0;
  }

  /** Time in which the server did not read does not count. */
  #resume(): void {
    const now = this.#budget.now;
    this.windowStart += now - this.lastAt;
    this.lastAt = now;
    this.#budget.setWaiting(this, true);
  }
}

/**
 * Returns the body as a stream that fails if the client is too slow or disconnects. Only
 * the time in which the server waits for the client counts.
 *
 * @param body the body of the request
 * @param isChunked whether the length of the body is unknown
 * @param receipt limits the time; its memory is not used, because only one part is in memory
 * @param onFail called once with the reason if the body fails
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { BodyBudget, guardBody } from "./body_budget.ts";
 *
 * const budget = new BodyBudget({ maxBytes: 10, timeoutMs: 1000, minBytesPerSecond: 1 });
 * const body = new Response("text").body!;
 * strictEqual(await new Response(guardBody(body, true, budget.open(), () => {})).text(), "text");
 * ```
 */
export function guardBody(
  body: ReadableStream<Uint8Array>,
  isChunked: boolean,
  receipt: BodyReceipt,
  onFail: (problem: Problem) => void,
): ReadableStream<Uint8Array> {
  const reader = readPieces(body, isChunked);
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const piece = await receipt.wait(
          reader.read(),
          (problem) => receipt.stop(reader, problem),
          (part) => part.value?.length ?? 0,
        );
        if (isChunked) receipt.count(piece, reader);
        const { done, value } = piece;
        if (done || value === undefined) controller.close();
        else controller.enqueue(value.slice());
      } catch (error) {
        if (!(error instanceof Problem)) receipt.endEarly();
        const problem = error instanceof Problem ? error : new Problem(
          "bad-body",
          "Cannot read the content: it ended early",
        );
        controller.error(problem);
        onFail(problem);
      }
    },
    cancel: (reason) => receipt.stop(reader, reason),
  }, { highWaterMark: 0 });
}

/** For errors without an effect. */
function ignore(): void {}
