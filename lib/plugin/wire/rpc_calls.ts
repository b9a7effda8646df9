/**
 * Types and state of the calls on the wire: what one end sends, what the other end serves, and what
 * is known of a call while it is open. `RpcEndpoint` moves them; this module must not send
 * anything.
 */

import type { InboundBody, OutboundBody } from "./body_flow.ts";
import { CELL_CHUNK_BYTES } from "../../cell_limits.ts";
import {
  appendHeaders,
  hasNoBody,
  type MessageNote,
  parseResponseHead,
  type RequestHead,
  type ResponseHead,
} from "./message_heads.ts";
import { type Frame, type FrameWriter, ProtocolError, type Side, splitHead } from "./frames.ts";
import type { FileReference } from "./file_types.ts";

/** Dependencies and limits of an `RpcEndpoint`. */
export interface RpcEndpointOptions {
  readonly side: Side;
  readonly writer: FrameWriter;
  /** Called when there is something to send. It must arrange one call of `flush` soon. */
  scheduleFlush(): void;
  /**
   * Answers one request of the other end. If it throws, the other end gets the error as a failure.
   */
  serve(request: InboundRequest): Promise<Response>;
  /**
   * Whether the body of a response is in memory, so that reading it does not wait. Default: false.
   */
  readonly hasBufferedBody?: (response: Response) => boolean;
  /** Text of a failed call for the other end; if undefined, name and message of the error. */
  formatFailure?(error: unknown): string | undefined;
  /**
   * The file that the other end must send as the body of the response; undefined for an ordinary
   * body.
   */
  readonly toFileReference?: (response: Response) => FileReference | undefined;
  /**
   * Opens a file that a response names. If absent, a response that names a file is a protocol
   * error.
   */
  readonly openFile?: OpenFile;
  /** Header names in lower case that are removed from the responses of the other end. */
  readonly ignoredHeaders?: Pick<ReadonlySet<string>, "has">;
  /** Largest number of calls that the other end may have open; one more is a protocol error. */
  readonly maxInboundCalls: number;
  /** Called for a frame that has no effect. It may throw if there are too many. */
  readonly onIgnoredFrame?: () => void;
}

/**
 * Opens a file as the body of a response.
 *
 * @param over called once, when the body has been read, cancelled or failed
 */
export type OpenFile = (file: FileReference, over: () => void) => Promise<FileBody>;

/** A body that is sent while its reader takes it. */
export interface ReadBody {
  /** Number of pieces that the reader has taken. */
  readonly taken: number;
  /** Whether a piece waits for the reader. */
  readonly hasUnread: boolean;
  /** Fails the stream with `reason`. Idempotent. */
  fail(reason: Error): void;
}

/** An open file that is being sent. */
export interface FileBody extends ReadBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Fails the stream with `reason` and closes the file. */
  fail(reason: Error): void;
}

/** A request of the other end, as `serve` receives it. */
export interface InboundRequest {
  readonly id: number;
  readonly head: RequestHead;
  /** null if there is no body. */
  readonly body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | null;
  /** Aborts when the other end cancels the request. Created on first use. */
  readonly signal: AbortSignal;
}

/** A request that this end sends. */
export interface OutboundRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly string[];
  readonly note: MessageNote;
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
  /** Called once, when both bodies are over or the call has failed. */
  readonly onEnd?: () => void;
  /** Called when the other end consumes a part of the request body. */
  readonly onProgress?: () => void;
  /** Called once, when the other end sends a response head or a failure. */
  readonly onResponse?: () => void;
  /** Called once, before the response resolves, if its body is not in memory as a whole. */
  readonly onResponseBody?: (body: ReadBody) => void;
}

/** A request that was sent and is not complete. */
export interface PendingCall {
  readonly id: number;
  readonly response: Promise<Response>;
  /** Whether the call is complete, failed or cancelled. */
  readonly isOver: boolean;
  /** Cancels the call and informs the other end. The response, or its body, fails with `reason`. */
  cancel(reason: Error): void;
}

/**
 * The other end failed this call. The message comes from a plugin and must not be sent to callers.
 */
export class RpcError extends Error {
  override readonly name = "RpcError";
}

/** State that calls of both directions have in common. */
export interface RpcCall {
  readonly id: number;
  inboundBody?: InboundBody;
  outboundBody?: OutboundBody;
  /**
   * The message of this end whose head is held back, so that a short body can go in the same frame.
   */
  heldMessage?: { readonly verb: number; readonly head: (isStreamed: boolean) => string };
  heldChunk?: Uint8Array;
  /** Whether this end has sent its whole message. */
  isSent: boolean;
  /** Whether the other end's message has been received whole. */
  isReceived: boolean;
}

/** A call that this end opened. */
export class OutboundCall implements RpcCall, PendingCall {
  inboundBody?: InboundBody;
  outboundBody?: OutboundBody;
  heldMessage?: NonNullable<RpcCall["heldMessage"]>;
  heldChunk?: Uint8Array;
  isSent = true;
  isReceived = false;
  hasResponse = false;
  isOver = false;
  /** Present if the response is a file that is being opened or is open. */
  file?: Pick<FileBody, "fail">;
  readonly method: string;
  readonly onResponseBody: OutboundRequest["onResponseBody"];
  readonly id: number;
  readonly response: Promise<Response>;
  readonly onEnd: (() => void) | undefined;
  readonly onProgress: (() => void) | undefined;
  readonly #onResponse: (() => void) | undefined;
  readonly #resolve: (response: Response) => void;
  readonly #reject: (error: Error) => void;
  readonly #onCancel: (call: OutboundCall, reason: Error) => void;

  /** @param onCancel cancels the call; called only while it is open */
  constructor(
    id: number,
    { method, onEnd, onProgress, onResponse, onResponseBody }: Pick<
      OutboundRequest,
      "method" | "onEnd" | "onProgress" | "onResponse" | "onResponseBody"
    >,
    onCancel: (call: OutboundCall, reason: Error) => void,
  ) {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    this.id = id;
    this.response = promise;
    this.onEnd = onEnd;
    this.onProgress = onProgress;
    this.method = method;
    this.onResponseBody = onResponseBody;
    this.#onResponse = onResponse;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#onCancel = onCancel;
  }

  resolve(response: Response): void {
    this.hasResponse = true;
    this.#onResponse?.();
    this.#resolve(response);
  }

  reject(error: Error): void {
    if (error instanceof RpcError) this.#onResponse?.();
    this.#reject(error);
  }

  cancel(reason: Error): void {
    this.#onCancel(this, reason);
  }
}

/** A call that the other end opened. */
export class InboundCall implements RpcCall, InboundRequest {
  inboundBody?: InboundBody;
  outboundBody?: OutboundBody;
  heldMessage?: NonNullable<RpcCall["heldMessage"]>;
  heldChunk?: Uint8Array;
  isSent = false;
  isReceived = true;
  body: InboundRequest["body"] = null;
  readonly id: number;
  readonly head: RequestHead;
  #abort: AbortController | undefined;

  // No parameter properties: type stripping, which prepares this file for cells, does not support
  // them.
  constructor(id: number, head: RequestHead) {
    this.id = id;
    this.head = head;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    return this.#abort.signal;
  }

  /** Aborts `signal` with `reason`. */
  abort(reason: Error): void {
    this.#abort ??= new AbortController();
    this.#abort.abort(reason);
  }
}

/**
 * Reads the frame of a response.
 *
 * @param ignoredHeaders header names in lower case that are left out of the Response
 * @returns the head, the body that came with it, and a function that makes the Response from a body
 * @throws {ProtocolError} the head is invalid, the body is longer than `CELL_CHUNK_BYTES`, or the
 * status does not permit a body
 */
export function readResponseFrame(
  frame: Frame,
  ignoredHeaders?: Pick<ReadonlySet<string>, "has">,
): {
  head: ResponseHead;
  body: Uint8Array<ArrayBuffer>;
  /** Makes the Response from the head and a body; null for no body. */
  make(body: BodyInit | null): Response;
} {
  const { head: raw, body } = splitHead(frame);
  const head = parseResponseHead(raw);
  if (body.length > CELL_CHUNK_BYTES) {
    throw new ProtocolError(
      `Cannot accept a body of ${body.length} bytes with its head: at most ${CELL_CHUNK_BYTES} are allowed`,
    );
  }
  if (hasNoBody(head.status) && (head.isStreamed || head.file || body.length > 0)) {
    throw new ProtocolError(`Cannot accept a body: a response with status ${head.status} has none`);
  }
  const { status, statusText, headers } = head;
  return {
    head,
    body,
    make: (body) =>
      appendHeaders(new Response(body, { status, statusText }), headers, ignoredHeaders),
  };
}

/** Discards the message whose head is held back: it was sent, or is not needed. */
export function dropHeldMessage(call: RpcCall): void {
  delete call.heldMessage;
  delete call.heldChunk;
}

/** Longest text of a failure, in characters. */
export const MAX_FAILURE_CHARS = 4096;

/** Formats an error as text for the other end: name and message, without the stack. */
export function formatFailure(error: unknown): string {
  const text = error instanceof Error
    ? `${error.name}: ${error.message}`
    : "the thrown value is not an Error";
  return text.slice(0, MAX_FAILURE_CHARS);
}

/** Ids for calls: from 1 upwards, and from 1 again after the largest. */
export class IdSequence {
  #next = 1;
  #wrapped = false;

  /** Returns the next id that is not in `taken`. */
  next(taken: { has(id: number): boolean }): number {
    let id = this.#next;
    while (taken.has(id)) id = id % MAX_ID + 1;
    this.#next = id % MAX_ID + 1;
    this.#wrapped ||= this.#next < id;
    return id;
  }

  /** Returns whether `id` was ever returned by `next`. */
  wasUsed(id: number): boolean {
    return id < this.#next || this.#wrapped;
  }
}

const MAX_ID = 0xffff_fffe;
