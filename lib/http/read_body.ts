/**
 * Reads a whole request body with limits of length and time. A body that is too long is rejected as
 * early as possible: by Content-Length before any byte is read, otherwise at the first byte beyond
 * the limit.
 */

import { concatBytes } from "../base/concat_bytes.ts";
import { BODY_PIECE_BYTES, MIN_BODY_BLOCK_BYTES, PIECEWISE_BODY_BYTES } from "../limits.ts";
import type { BodyReceipt } from "./body_budget.ts";
import { readPieces } from "./body_pieces.ts";
import { Problem } from "./problem.ts";

/** The client that sends a body. */
export interface BodySource {
  /** Starts to receive the body of the request, with limits of its time and memory. */
  receiveBody?(): BodyReceipt;
  /**
   * Called when the whole body has arrived. Throws if the client's credential ended while it was sent:
   * a client may take hours.
   */
  assertCurrent?(): void;
}

/** Bodies of requests that can be read again. */
const KEPT = new WeakMap<Request, { bytes?: Uint8Array<ArrayBuffer> }>();

/**
 * Makes {@link readBody} return the same bytes each time, for a request that is handled a second time. They
 * are not copied, and are in memory as long as the request.
 *
 * @param request the request; its body must not have been read
 *
 * @example
 * ```ts
 * import { strictEqual } from "node:assert/strict";
 * import { keepBody, readBody } from "./read_body.ts";
 *
 * const request = new Request("https://example.org/x", { method: "PUT", body: "text" });
 * keepBody(request);
 * strictEqual(await readBody(request, 4), await readBody(request, 4));
 * ```
 */
export function keepBody(request: Request): void {
  KEPT.set(request, {});
}

/**
 * Reads the body of a request.
 *
 * @param request the request; its body must not have been read, unless it is kept
 * @param maxBytes maximum length in bytes
 * @param source the connection of the client; without it there is no limit of time and memory
 * @returns the bytes; empty if the request has no body
 * @throws {Problem} `body-too-large` (413) if it is longer than `maxBytes`; `bad-body` (400) if it ends
 * early; `request-timeout` (408) if it is too slow; `unavailable` (503) if too many bodies are in flight;
 * `unauthorized` (401) if the client's credential ended
 *
 * @example
 * ```ts
 * import { rejects, strictEqual } from "node:assert/strict";
 * import { readBody } from "./read_body.ts";
 *
 * const request = new Request("https://example.org/x", { method: "PUT", body: "text" });
 * strictEqual((await readBody(request, 4)).length, 4);
 * const long = new Request("https://example.org/x", { method: "PUT", body: "longer" });
 * await rejects(readBody(long, 4), { type: "body-too-large" });
 * ```
 */
export async function readBody(
  request: Request,
  maxBytes: number,
  source?: BodySource,
): Promise<Uint8Array<ArrayBuffer>> {
  const kept = KEPT.get(request);
  const bytes = kept?.bytes ?? await receive(request, maxBytes, source);
  if (bytes.length > maxBytes) throw tooLarge(maxBytes, `it has ${bytes.length} bytes`);
  if (kept !== undefined) kept.bytes = bytes;
  source?.assertCurrent?.();
  return bytes;
}

async function receive(
  request: Request,
  maxBytes: number,
  source: BodySource | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const header = request.headers.get("content-length");
  const declared = header === null ? undefined : Number(header);
  if (declared !== undefined && declared > maxBytes) {
    throw tooLarge(maxBytes, `Content-Length is ${header} bytes`);
  }
  const receipt = source?.receiveBody?.();
  // Deno checks Content-Length against the framing (RFC 9112 §6.3).
  if (declared !== undefined && (declared <= PIECEWISE_BODY_BYTES || receipt === undefined)) {
    receipt?.reserve(declared);
    const pending = request.bytes().catch(throwEndedEarly);
    const bytes = receipt === undefined
      ? await pending
      : await receipt.wait(pending, ignore, (part) => part.length);
    if (bytes.length > maxBytes) throw tooLarge(maxBytes, `it has ${bytes.length} bytes`);
    return bytes;
  }
  assertPlainTransfer(request);
  if (request.body === null) return new Uint8Array();
  return await readStream(request.body, maxBytes, declared, receipt);
}

/**
 * Refuses a transfer coding other than chunked: Deno would pass the encoded bytes on as content.
 *
 * @throws {Problem} `not-implemented` (501; RFC 9112 §6.1)
 *
 * @example
 * ```ts
 * import { throws } from "node:assert/strict";
 * import { assertPlainTransfer } from "./read_body.ts";
 *
 * const headers = { "transfer-encoding": "gzip, chunked" };
 * const request = new Request("https://example.org/x", { method: "PUT", body: "text", headers });
 * throws(() => assertPlainTransfer(request), { type: "not-implemented" });
 * ```
 */
export function assertPlainTransfer(request: Request): void {
  const coding = request.headers.get("transfer-encoding");
  if (coding === null || coding.trim().toLowerCase() === "chunked") return;
  throw new Problem(
    "not-implemented",
    `Cannot read the content: Transfer-Encoding is ${coding.slice(0, 40)}; only chunked is ` +
      "supported, nothing was stored",
  );
}

async function readStream(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  declared: number | undefined,
  receipt: BodyReceipt | undefined,
) {
  // The system commits the pages of this memory when they are written. Collected pieces would need
  // several times the length of the body.
  const whole = declared === undefined ? undefined : new Uint8Array(declared);
  const blocks = new Blocks();
  let length = 0;
  const isChunked = declared === undefined;
  const reader = readPieces(body, isChunked);
  const cancel = (reason: unknown) => {
    if (receipt !== undefined) return receipt.stop(reader, reason);
    // Fails if the client has disconnected, which has no effect here.
    reader.cancel(reason).catch(ignore);
  };
  for (;;) {
    const pending = reader.read().catch(() => {
      receipt?.endEarly();
      return throwEndedEarly();
    });
    const piece = receipt === undefined
      ? await pending
      : await receipt.wait(pending, cancel, (part) => part.value?.length ?? 0);
    if (isChunked) receipt?.count(piece, reader);
    const { done, value } = piece;
    if (done || value === undefined) break;
    const end = length + value.length;
    try {
      if (end > maxBytes) throw tooLarge(maxBytes, `it has more than ${maxBytes} bytes`);
      receipt?.reserve(value.length);
    } catch (problem) {
      cancel(problem);
      throw problem;
    }
    if (whole === undefined) blocks.add(value);
    else if (end <= whole.length) whole.set(value, length);
    length = end;
  }
  if (whole === undefined) return concatBytes(blocks.used(), length);
  return length === whole.length ? whole : throwEndedEarly();
}

/** Collects pieces in blocks, so that many short pieces need memory of about their length. */
class Blocks {
  readonly #full: Uint8Array[] = [];
  #block = new Uint8Array();
  #used = 0;
  #length = 0;

  /** Copies a piece. */
  add(piece: Uint8Array): void {
    for (let at = 0; at < piece.length;) {
      if (this.#used === this.#block.length) this.#startBlock();
      const part = piece.subarray(at, at + this.#block.length - this.#used);
      this.#block.set(part, this.#used);
      this.#used += part.length;
      at += part.length;
    }
    this.#length += piece.length;
  }

  /** Returns the bytes so far. */
  used(): Uint8Array[] {
    return [...this.#full, this.#block.subarray(0, this.#used)];
  }

  /** A block is as long as all before it, within limits. */
  #startBlock(): void {
    if (this.#used > 0) this.#full.push(this.#block);
    const length = Math.max(MIN_BODY_BLOCK_BYTES, Math.min(this.#length, BODY_PIECE_BYTES));
    this.#block = new Uint8Array(length);
    this.#used = 0;
  }
}

function tooLarge(maxBytes: number, found: string): Problem {
  return new Problem(
    "body-too-large",
    `Cannot read the content: ${found}; at most ${maxBytes} are allowed, nothing was stored`,
  );
}

function throwEndedEarly(): never {
  throw new Problem("bad-body", "Cannot read the content: it ended early; nothing was stored");
}

/** For errors without an effect. */
function ignore(): void {}
