/**
 * The nouns of the wire above frames: what is asked, what is served, and what is remembered of an
 * exchange while it is open. `Peer` moves them.
 */

import type { InboundBody, OutboundBody } from "./body_flow.ts";
import { CELL_CHUNK_BYTES } from "../../limits.ts";
import {
  appendHeaders,
  hasNoBody,
  type MessageNote,
  parseResponseHead,
  type RequestHead,
  type ResponseHead,
} from "./message_heads.ts";
import { type Frame, type FrameWriter, ProtocolError, type Side, splitHead } from "./frames.ts";
import type { FileReference } from "../realm/env_files.ts";

/** What a peer needs from the room it stands in. */
export interface RpcEndpointOptions {
  readonly side: Side;
  readonly writer: FrameWriter;
  /** Called when there is something to flush; it must call `flush` once soon. */
  scheduleFlush(): void;
  /** Answers one request of the other end; what it throws is told as a failure. */
  serve(request: InboundRequest): Promise<Response>;
  /** Whether a response's body can be read without waiting for anybody; never, unless told. */
  readonly hasBufferedBody?: (response: Response) => boolean;
  /** The file whose bytes the other end is to send in place of the response's body, if there is one. */
  readonly toFileReference?: (response: Response) => FileReference | undefined;
  /** Opens a file that an answer names; without it an answer may name none. */
  readonly openFile?: OpenFile;
  /** Names of headers, in lower case, that are taken out of the other end's answers. */
  readonly ignoredHeaders?: ReadonlySet<string>;
  /** Most exchanges the other end may have open; one more is a broken rule. */
  readonly maxInboundCalls: number;
  /** Called for a frame that changes nothing; it may throw when there are too many. */
  readonly onIgnoredFrame?: () => void;
}

/**
 * Opens a file as a body.
 *
 * @param over called once, when its reader has everything or has gone away
 */
export type OpenFile = (file: FileReference, over: () => void) => Promise<FileBody>;

/** An open file on its way to whoever asked. */
export interface FileBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Breaks it off and closes the file. */
  fail(reason: Error): void;
}

/** One request of the other end. */
export interface InboundRequest {
  readonly id: number;
  readonly head: RequestHead;
  /** `null` for no body. */
  readonly body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | null;
  /** Aborts when the other end gave the request up. Made on first use. */
  readonly signal: AbortSignal;
}

/** What one end sends as a request. */
export interface OutboundRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly string[];
  readonly note: MessageNote;
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
  /** Called once, when both bodies are over or the exchange failed. */
  readonly onEnd?: () => void;
  /** Called when the other end takes in a part of the request's body. */
  readonly onProgress?: () => void;
  /** Called when the other end answers, be it with a failure in words. */
  readonly onResponse?: () => void;
}

/** A request under way. */
export interface PendingCall {
  readonly id: number;
  readonly response: Promise<Response>;
  /** Nothing of it is still to come: it is complete or was given up. */
  readonly isOver: boolean;
  /** Gives it up: the response rejects, or its body errors, with `reason`; the other end is told. */
  cancel(reason: Error): void;
}

/** The other end failed this exchange in words; they come from a plugin and are not for callers. */
export class RpcError extends Error {
  override readonly name = "RpcError";
}

/** What both ends' exchanges have in common. */
export interface RpcCall {
  readonly id: number;
  inboundBody?: InboundBody;
  outboundBody?: OutboundBody;
  /** The head of this end's message while it waits to travel with its body. */
  heldMessage?: { readonly verb: number; readonly head: (streamed: boolean) => string };
  heldChunk?: Uint8Array;
  /** This end's message is complete. */
  isSent: boolean;
  /** The other end's message is complete. */
  isReceived: boolean;
}

/** An exchange this end opened. */
export class OutboundCall implements RpcCall, PendingCall {
  inboundBody?: InboundBody;
  outboundBody?: OutboundBody;
  heldMessage?: NonNullable<RpcCall["heldMessage"]>;
  heldChunk?: Uint8Array;
  isSent = true;
  isReceived = false;
  hasResponse = false;
  isOver = false;
  /** The answer is a file, which is being opened or is open. */
  file?: Pick<FileBody, "fail">;
  readonly id: number;
  readonly response: Promise<Response>;
  readonly onEnd: (() => void) | undefined;
  readonly onProgress: (() => void) | undefined;
  readonly #onResponse: (() => void) | undefined;
  readonly #resolve: (response: Response) => void;
  readonly #reject: (error: Error) => void;
  readonly #giveUp: (call: OutboundCall, reason: Error) => void;

  /** @param giveUp gives it up while it is open */
  constructor(
    id: number,
    { onEnd, onProgress, onResponse }: Pick<
      OutboundRequest,
      "onEnd" | "onProgress" | "onResponse"
    >,
    giveUp: (call: OutboundCall, reason: Error) => void,
  ) {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    this.id = id;
    this.response = promise;
    this.onEnd = onEnd;
    this.onProgress = onProgress;
    this.#onResponse = onResponse;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#giveUp = giveUp;
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
    this.#giveUp(this, reason);
  }
}

/** An exchange the other end opened. */
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

  // Fields in full: this file is also stripped of its types to run inside a cell.
  constructor(id: number, head: RequestHead) {
    this.id = id;
    this.head = head;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    return this.#abort.signal;
  }
  /** Tells whoever listens to `signal`. */
  abort(reason: Error): void {
    this.#abort ??= new AbortController();
    this.#abort.abort(reason);
  }
}

/**
 * Reads an answer's frame as what a Response is made of.
 *
 * @param unheard names of headers, in lower case, that do not get into the Response
 */
export function readResponseFrame(
  frame: Frame,
  unheard?: ReadonlySet<string>,
): {
  head: ResponseHead;
  body: Uint8Array<ArrayBuffer>;
  /** Makes the answer of its head and whatever its body is. */
  make(body: BodyInit | null): Response;
} {
  const { head: raw, body } = splitHead(frame);
  const head = parseResponseHead(raw);
  if (body.length > CELL_CHUNK_BYTES) throw new ProtocolError("Cannot take so long a body");
  if (hasNoBody(head.status) && (head.isStreamed || head.file || body.length > 0)) {
    throw new ProtocolError("Cannot take a body with this status");
  }
  const { status, statusText, headers } = head;
  return {
    head,
    body,
    make: (body) => appendHeaders(new Response(body, { status, statusText }), headers, unheard),
  };
}

/** The head of this end's message no longer waits for its body. */
export function dropHeldMessage(exchange: RpcCall): void {
  delete exchange.heldMessage;
  delete exchange.heldChunk;
}

/** Longest words of a failure, in characters. */
export const MAX_FAILURE_CHARACTERS = 4096;

/** A failure as it is told to the other end. */
export function formatFailure(error: unknown): string {
  const words = error instanceof Error ? `${error.name}: ${error.message}` : "it threw no Error";
  return words.slice(0, MAX_FAILURE_CHARACTERS);
}

/** Numbers for exchanges: from 1 up, and from 1 again after the last. */
export class IdSequence {
  #next = 1;
  #wrapped = false;

  /** A number that is not in `taken`. */
  next(taken: { has(id: number): boolean }): number {
    let id = this.#next;
    while (taken.has(id)) id = id % MAX_ID + 1;
    this.#next = id % MAX_ID + 1;
    this.#wrapped ||= this.#next < id;
    return id;
  }

  /** Whether `id` was ever given out. */
  wasUsed(id: number): boolean {
    return id < this.#next || this.#wrapped;
  }
}

const MAX_ID = 0xffff_fffe;
