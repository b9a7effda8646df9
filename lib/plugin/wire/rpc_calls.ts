/**
 * The nouns of the wire above frames: what is asked, what is served, and what is remembered of an
 * exchange while it is open. `Peer` moves them.
 */

import type { BodyIn, BodyOut } from "./body_flow.ts";
import { CELL_CHUNK_BYTES } from "../../limits.ts";
import {
  bodiless,
  type Note,
  readResponseHead,
  type RequestHead,
  type ResponseHead,
  withHeaders,
} from "./message_heads.ts";
import { type Frame, type FrameWriter, ProtocolError, type Side, splitHead } from "./frames.ts";
import type { FileHandle } from "../realm/env_files.ts";

/** What a peer needs from the room it stands in. */
export interface PeerOptions {
  readonly side: Side;
  readonly writer: FrameWriter;
  /** Called when there is something to flush; it must call `flush` once soon. */
  wake(): void;
  /** Answers one request of the other end; what it throws is told as a failure. */
  serve(request: Served): Promise<Response>;
  /** Whether a response's body can be read without waiting for anybody; never, unless told. */
  readonly isWhole?: (response: Response) => boolean;
  /** The file whose bytes the other end is to send in place of the response's body, if there is one. */
  readonly fileOf?: (response: Response) => FileHandle | undefined;
  /** Opens a file that an answer names; without it an answer may name none. */
  readonly openFile?: OpenFile;
  /** Names of headers, in lower case, that are taken out of the other end's answers. */
  readonly unheard?: ReadonlySet<string>;
  /** Most exchanges the other end may have open; one more is a broken rule. */
  readonly mostServed: number;
  /** Called for a frame that changes nothing; it may throw when there are too many. */
  readonly idle?: () => void;
}

/**
 * Opens a file as a body.
 *
 * @param over called once, when its reader has everything or has gone away
 */
export type OpenFile = (file: FileHandle, over: () => void) => Promise<FileBody>;

/** An open file on its way to whoever asked. */
export interface FileBody {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Breaks it off and closes the file. */
  fail(reason: Error): void;
}

/** One request of the other end. */
export interface Served {
  readonly id: number;
  readonly head: RequestHead;
  /** `null` for no body. */
  readonly body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>> | null;
  /** Aborts when the other end gave the request up. Made on first use. */
  readonly signal: AbortSignal;
}

/** What one end sends as a request. */
export interface Outgoing {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly string[];
  readonly note: Note;
  readonly body: Uint8Array | ReadableStream<Uint8Array> | null;
  /** Called once, when both bodies are over or the exchange failed. */
  readonly ended?: () => void;
  /** Called when the other end takes in a part of the request's body. */
  readonly moved?: () => void;
  /** Called when the other end answers, be it with a failure in words. */
  readonly answered?: () => void;
}

/** A request under way. */
export interface Call {
  readonly id: number;
  readonly response: Promise<Response>;
  /** Nothing of it is still to come: it is complete or was given up. */
  readonly over: boolean;
  /** Gives it up: the response rejects, or its body errors, with `reason`; the other end is told. */
  cancel(reason: Error): void;
}

/** The other end failed this exchange in words; they come from a plugin and are not for callers. */
export class PeerFailure extends Error {
  override readonly name = "PeerFailure";
}

/** What both ends' exchanges have in common. */
export interface Exchange {
  readonly id: number;
  incoming?: BodyIn;
  outgoing?: BodyOut;
  /** The head of this end's message while it waits to travel with its body. */
  held?: { readonly verb: number; readonly head: (streamed: boolean) => string };
  heldChunk?: Uint8Array;
  /** This end's message is complete. */
  sent: boolean;
  /** The other end's message is complete. */
  received: boolean;
}

/** An exchange this end opened. */
export class Calling implements Exchange, Call {
  incoming?: BodyIn;
  outgoing?: BodyOut;
  held?: NonNullable<Exchange["held"]>;
  heldChunk?: Uint8Array;
  sent = true;
  received = false;
  answered = false;
  over = false;
  /** The answer is a file, which is being opened or is open. */
  file?: Pick<FileBody, "fail">;
  readonly id: number;
  readonly response: Promise<Response>;
  readonly ended: (() => void) | undefined;
  readonly moved: (() => void) | undefined;
  readonly #heard: (() => void) | undefined;
  readonly #resolve: (response: Response) => void;
  readonly #reject: (error: Error) => void;
  readonly #giveUp: (call: Calling, reason: Error) => void;

  /** @param giveUp gives it up while it is open */
  constructor(
    id: number,
    { ended, moved, answered }: Pick<Outgoing, "ended" | "moved" | "answered">,
    giveUp: (call: Calling, reason: Error) => void,
  ) {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    this.id = id;
    this.response = promise;
    this.ended = ended;
    this.moved = moved;
    this.#heard = answered;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#giveUp = giveUp;
  }

  resolve(response: Response): void {
    this.answered = true;
    this.#heard?.();
    this.#resolve(response);
  }

  reject(error: Error): void {
    if (error instanceof PeerFailure) this.#heard?.();
    this.#reject(error);
  }

  cancel(reason: Error): void {
    this.#giveUp(this, reason);
  }
}

/** An exchange the other end opened. */
export class Serving implements Exchange, Served {
  incoming?: BodyIn;
  outgoing?: BodyOut;
  held?: NonNullable<Exchange["held"]>;
  heldChunk?: Uint8Array;
  sent = false;
  received = true;
  body: Served["body"] = null;
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
export function readAnswer(
  frame: Frame,
  unheard?: ReadonlySet<string>,
): {
  head: ResponseHead;
  body: Uint8Array<ArrayBuffer>;
  /** Makes the answer of its head and whatever its body is. */
  make(body: BodyInit | null): Response;
} {
  const { head: raw, body } = splitHead(frame);
  const head = readResponseHead(raw);
  if (body.length > CELL_CHUNK_BYTES) throw new ProtocolError("Cannot take so long a body");
  if (bodiless(head.status) && (head.streamed || head.file || body.length > 0)) {
    throw new ProtocolError("Cannot take a body with this status");
  }
  const { status, statusText, headers } = head;
  return {
    head,
    body,
    make: (body) => withHeaders(new Response(body, { status, statusText }), headers, unheard),
  };
}

/** The head of this end's message no longer waits for its body. */
export function unhold(exchange: Exchange): void {
  delete exchange.held;
  delete exchange.heldChunk;
}

/** Longest words of a failure, in characters. */
export const MAX_WORDS = 4096;

/** A failure as it is told to the other end. */
export function wordsOf(error: unknown): string {
  const words = error instanceof Error ? `${error.name}: ${error.message}` : "it threw no Error";
  return words.slice(0, MAX_WORDS);
}

/** Numbers for exchanges: from 1 up, and from 1 again after the last. */
export class Ids {
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
