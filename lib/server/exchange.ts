/**
 * What a request knows of its connection: the receipt of its body, the progress of its response, and
 * how the connection is closed.
 */

import type { BodyBudget, BodyReceipt, CloseConnection } from "../http/body_budget.ts";
import { RESPONSE_PART_BYTES } from "../limits.ts";
import type { Connection, ReaderProgress } from "../request/request_context.ts";
import type { CloseSignal } from "./deno_http.ts";

/**
 * Closes a connection. Deno throws from the listener of an `AbortSignal` if the connection has just
 * ended, which would be an uncaught error (2.9.6); here it has no effect.
 */
export class Closer implements CloseSignal {
  readonly aborted = false;
  #listener: (() => void) | undefined;

  addEventListener(_type: "abort", listener: () => void): void {
    this.#listener = listener;
  }

  close(): void {
    const listener = this.#listener;
    this.#listener = undefined;
    try {
      listener?.();
    } catch {
      // It has ended.
    }
  }
}

/** What a request knows of its connection. */
export class Exchange implements Connection {
  readonly #info: Deno.ServeHandlerInfo;
  readonly #bodies: BodyBudget;
  readonly #client: string | undefined;
  readonly #close: CloseConnection | undefined;
  #receipt: BodyReceipt | undefined;

  constructor(
    info: Deno.ServeHandlerInfo,
    bodies: BodyBudget,
    client: string | undefined,
    close?: CloseConnection,
  ) {
    this.#info = info;
    this.#bodies = bodies;
    this.#client = client;
    this.#close = close;
  }

  get remoteAddr(): Deno.Addr {
    return this.#info.remoteAddr;
  }

  get completed(): Promise<void> {
    return this.#info.completed;
  }

  /** Whether the server stopped to receive the body of the request; the rest will not be read. */
  get isBodyGivenUp(): boolean {
    return this.#receipt?.failure !== undefined;
  }

  /** Starts to receive the body of the request. */
  receiveBody(): BodyReceipt {
    return this.#receipt ??= this.#bodies.open(this.#client, this.#close);
  }

  /** The request was answered: the memory of its body is free. */
  end(): void {
    this.#receipt?.close();
  }
}

/** What a request knows of its connection, if the server can close that. */
export class WatchedExchange extends Exchange {
  /** Whether the content of the response is in memory for this client only. */
  isContentOwn = false;
  /** Whether the response is long. */
  isContentLarge = false;
  /** How much of the content the client has taken, if the content reports that. */
  progress: ReaderProgress | undefined;
  /** Memory of that content. */
  ownBytes = 0;

  ownContent(): void {
    this.isContentOwn = true;
  }

  largeContent(): void {
    this.isContentLarge = true;
  }

  watchReader(progress: ReaderProgress, bytes = 0): void {
    this.progress = progress;
    this.ownBytes = bytes;
  }
}

/** Passes a body on in short parts. A part is taken when the client can receive it. */
export class ResponseParts implements ReaderProgress {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  taken = 0;
  /** Whether the client must take something; not while the source makes it. */
  hasUnread = true;

  constructor(body: ReadableStream<Uint8Array<ArrayBuffer>>) {
    const reader = body.getReader();
    let rest: Uint8Array<ArrayBuffer> = new Uint8Array();
    this.stream = new ReadableStream({
      pull: async (controller) => {
        this.taken++;
        while (rest.length === 0) {
          this.hasUnread = false;
          const { done, value } = await reader.read();
          this.hasUnread = true;
          if (done) return controller.close();
          rest = value;
        }
        controller.enqueue(rest.subarray(0, RESPONSE_PART_BYTES));
        rest = rest.subarray(RESPONSE_PART_BYTES);
      },
      cancel: (reason) => {
        rest = new Uint8Array();
        return reader.cancel(reason);
      },
    }, { highWaterMark: 0 });
  }
}
