/**
 * One end of the wire as HTTP: `call` sends a request and gives its Response, `serve` answers the
 * other end's. The server and the cell run the same class with their sides exchanged. It believes
 * nothing it reads: an id must be open, a body stays within its credit, a head validates, or the
 * whole connection is given up with a `ProtocolError`.
 */

import { CELL_CHUNK_BYTES, CELL_WINDOW_BYTES, MAX_CELL_HEAD_BYTES } from "../../limits.ts";
import { type BodySink, ignore, InboundBody, OutboundBody } from "./body_flow.ts";
import {
  dropHeldMessage,
  formatFailure,
  IdSequence,
  InboundCall,
  MAX_FAILURE_CHARACTERS,
  OutboundCall,
  type OutboundRequest,
  type PendingCall,
  readResponseFrame,
  type RpcCall,
  type RpcEndpointOptions,
  RpcError,
} from "./rpc_calls.ts";
import { respondWithFile } from "./file_response.ts";
import { IdTable } from "./id_table.ts";
import {
  canSendHeaders,
  flattenHeaders,
  formatRequestHead,
  formatResponseHead,
  parseRequestHead,
} from "./message_heads.ts";
import {
  type Frame,
  type FrameWriter,
  ProtocolError,
  readCount,
  readText,
  SIDE,
  type Side,
  splitHead,
  VERB,
} from "./frames.ts";

/** Longest head in characters: three bytes each still fit `CELL_HEAD_BYTES`. */
const MAX_HEAD = MAX_CELL_HEAD_BYTES / 3;

/** See the module. */
export class RpcEndpoint {
  readonly #options: RpcEndpointOptions;
  readonly #writer: FrameWriter;
  readonly #side: Side;
  readonly #theirs: Side;
  readonly #calls = new IdTable<OutboundCall>();
  readonly #served = new IdTable<InboundCall>();
  #holding: RpcCall[] = [];
  readonly #ids = new IdSequence();
  readonly #giveUp = (call: OutboundCall, reason: Error): void => this.#abandon(call, reason);
  #over: Error | undefined;

  constructor(options: RpcEndpointOptions) {
    this.#options = options;
    this.#writer = options.writer;
    this.#side = options.side;
    this.#theirs = options.side === 0 ? 1 : 0;
  }

  /** Sends a request. */
  call(outgoing: OutboundRequest): PendingCall {
    const id = this.#ids.next(this.#calls);
    const call = new OutboundCall(id, outgoing, this.#giveUp);
    const { body, method, url, headers, note } = outgoing;
    const head = (streamed: boolean): string =>
      formatRequestHead({
        method,
        url,
        headers,
        note,
        isStreamed: streamed,
        hasBody: body !== null,
      });
    const whole = head(false);
    if (this.#over || whole.length > MAX_HEAD || !canSendHeaders(headers)) {
      call.isOver = true;
      call.reject(
        this.#over ??
          new RangeError("Cannot send a request: its headers are too long, or not to be sent"),
      );
      // Not before the caller has what this returns.
      queueMicrotask(() => outgoing.onEnd?.());
      return call;
    }
    this.#calls.add(call);
    if (body instanceof ReadableStream) {
      call.isSent = false;
      this.#send(call, VERB.REQUEST, this.#side, head, body);
    } else {
      this.#writer.writeHead(VERB.REQUEST, this.#side, id, whole, body ?? undefined);
      this.#options.scheduleFlush();
    }
    return call;
  }

  /** Writes what still waits for its body. The room calls it just before it takes the bytes. */
  flush(): void {
    if (this.#holding.length === 0) return;
    const holding = this.#holding;
    this.#holding = [];
    for (const exchange of holding) this.#release(exchange);
  }

  /**
   * Takes one frame of an exchange.
   *
   * @throws {ProtocolError} the other end broke a rule
   */
  receive(frame: Frame): void {
    if (this.#over) return;
    if (frame.side === this.#side) this.#takeAnswer(frame);
    else if (frame.side === this.#theirs) this.#takeRequest(frame);
    else throw new ProtocolError(`Cannot take a frame of side ${frame.side}`);
  }

  /** The connection is over: everything open fails with `reason`, and so does every later call. */
  fail(reason: Error): void {
    if (this.#over) return;
    this.#over = reason;
    this.#holding = [];
    for (const call of this.#calls.values()) this.#endCall(call, reason);
    for (const serving of this.#served.values()) this.#endServing(serving, reason);
  }

  /** Gives up one request of the other end: its response is broken off with `reason`. */
  abortInbound(id: number, reason: Error): void {
    const serving = this.#served.get(id);
    if (!serving) return;
    this.#writeFail(this.#theirs, id, reason);
    this.#endServing(serving, reason);
  }

  #takeAnswer(frame: Frame): void {
    const call = this.#calls.get(frame.id);
    if (!call) {
      // An exchange this end gave up may still have frames under way; a new answer never does.
      if (!this.#ids.wasUsed(frame.id)) throw new ProtocolError("Cannot take an answer to nothing");
      return this.#options.onIgnoredFrame?.();
    }
    switch (frame.verb) {
      case VERB.RESPONSE: {
        if (call.hasResponse || call.file) {
          throw new ProtocolError("Cannot take a second answer to one request");
        }
        const { head, body, make } = readResponseFrame(frame, this.#options.ignoredHeaders);
        if (head.file) {
          const settle = (): void => this.#settleCall(call);
          const end = (reason: Error): void => this.#endCall(call, reason);
          return respondWithFile(call, this.#options.openFile, head.file, make, settle, end);
        }
        if (head.isStreamed) {
          const incoming = this.#bodyIn(call, this.#side, () => this.#abandon(call));
          call.resolve(make(incoming.stream));
        } else {
          call.isReceived = true;
          // A Response copies the bytes it is made of.
          call.resolve(make(body.length === 0 ? null : body));
          this.#settleCall(call);
        }
        return;
      }
      case VERB.FAIL:
        return this.#endCall(call, new RpcError(readText(frame, MAX_FAILURE_CHARACTERS)));
      case VERB.CANCEL:
        call.outboundBody?.cancel(new Error("Cannot send the rest of the body: it is not wanted"));
        dropHeldMessage(call);
        call.isSent = true;
        return this.#settleCall(call);
      case VERB.CREDIT:
        // Credit for what was never sent moves nothing: it must not put a deadline off.
        return call.outboundBody?.addCredit(readCount(frame))
          ? call.onProgress?.()
          : this.#options.onIgnoredFrame?.();
      default:
        return this.#takeBody(call, frame, () => this.#settleCall(call));
    }
  }

  #takeRequest(frame: Frame): void {
    const serving = this.#served.get(frame.id);
    if (frame.verb === VERB.REQUEST) {
      if (serving || frame.id === 0) throw new ProtocolError("Cannot open an exchange twice");
      if (this.#served.size >= this.#options.maxInboundCalls) {
        throw new ProtocolError(`Cannot open more than ${this.#options.maxInboundCalls} exchanges`);
      }
      return this.#serve(frame);
    }
    // What was under way when this end finished the exchange is late, not wrong.
    if (!serving) return this.#options.onIgnoredFrame?.();
    switch (frame.verb) {
      case VERB.CANCEL:
        return this.#endServing(serving, new DOMException("The caller went away", "AbortError"));
      case VERB.CREDIT:
        if (!serving.outboundBody?.addCredit(readCount(frame))) this.#options.onIgnoredFrame?.();
        return;
      case VERB.FAIL:
        serving.isReceived = true;
        serving.inboundBody?.fail(new Error("The request's body broke off"));
        return this.#settleServing(serving);
      default:
        return this.#takeBody(serving, frame, () => this.#settleServing(serving));
    }
  }

  #takeBody(exchange: RpcCall, frame: Frame, settle: () => void): void {
    const body = exchange.inboundBody;
    if (frame.verb === VERB.CHUNK && body) {
      if (frame.payload.length > CELL_CHUNK_BYTES || !body.push(frame.payload)) {
        throw new ProtocolError("Cannot take a piece of a body: more than credit was given for");
      }
    } else if (frame.verb === VERB.END && body) {
      if (!body.end()) throw new ProtocolError("Cannot end a body twice");
      exchange.isReceived = true;
      settle();
    } else {
      throw new ProtocolError(`Cannot take verb ${frame.verb} for this exchange`);
    }
  }

  #serve(frame: Frame): void {
    const { head: raw, body } = splitHead(frame);
    const head = parseRequestHead(raw);
    if (body.length > CELL_CHUNK_BYTES) throw new ProtocolError("Cannot take so long a body");
    const serving = new InboundCall(frame.id, head);
    this.#served.add(serving);
    if (head.isStreamed) {
      serving.isReceived = false;
      serving.body = this.#bodyIn(serving, this.#theirs, () => {
        this.#put(VERB.CANCEL, this.#theirs, serving.id);
        serving.isReceived = true;
        this.#settleServing(serving);
      }).stream;
    } else if (head.hasBody) {
      serving.body = body.slice();
    }
    void this.#answer(serving);
  }

  async #answer(serving: InboundCall): Promise<void> {
    try {
      const response = await this.#options.serve(serving);
      if (this.#served.get(serving.id) !== serving) {
        response.body?.cancel().catch(ignore);
        return;
      }
      const { status, statusText } = response;
      const headers = flattenHeaders(response.headers);
      const file = this.#options.toFileReference?.(response);
      const head = (streamed: boolean): string =>
        formatResponseHead({
          status,
          statusText,
          headers,
          isStreamed: streamed,
          ...(file && { file }),
        });
      if (status < 200 || !canSendHeaders(headers) || head(false).length > MAX_HEAD) {
        throw new RangeError(
          "Cannot send a response: it has no status, or its headers are too long or not to be sent",
        );
      }
      const whole = this.#options.hasBufferedBody?.(response) ? await response.bytes() : undefined;
      if (this.#served.get(serving.id) !== serving) return;
      const stream = whole || file ? null : response.body;
      if (stream) {
        this.#send(serving, VERB.RESPONSE, this.#theirs, head, stream);
      } else if (whole && whole.length > CELL_CHUNK_BYTES) {
        const long = new Response(whole).body ?? new ReadableStream();
        this.#send(serving, VERB.RESPONSE, this.#theirs, head, long);
      } else {
        this.#writer.writeHead(VERB.RESPONSE, this.#theirs, serving.id, head(false), whole);
        serving.isSent = true;
        this.#options.scheduleFlush();
        this.#settleServing(serving);
      }
    } catch (error) {
      if (this.#served.get(serving.id) !== serving) return;
      this.#writeFail(this.#theirs, serving.id, error);
      this.#endServing(serving, new Error("The request failed"));
    }
  }

  /** Sends this end's message with its body; both in one frame when the body is short and ready. */
  #send(
    exchange: RpcCall,
    verb: number,
    side: Side,
    head: (streamed: boolean) => string,
    stream: ReadableStream<Uint8Array>,
  ): void {
    const { id } = exchange;
    exchange.heldMessage = { verb, head };
    this.#holding[this.#holding.length] = exchange;
    const finish = (): void => {
      exchange.isSent = true;
      if (side === this.#side) this.#settleCall(exchange as OutboundCall); // `side` says which it is
      else this.#settleServing(exchange as InboundCall);
    };
    const sink: BodySink = {
      onChunk: (bytes) => {
        if (exchange.heldMessage) {
          if (!exchange.heldChunk) {
            exchange.heldChunk = bytes.slice();
            return this.#options.scheduleFlush();
          }
          this.#release(exchange);
        }
        this.#writer.writeBytes(VERB.CHUNK, side, id, bytes);
        this.#options.scheduleFlush();
      },
      onEnd: () => {
        if (exchange.heldMessage) {
          this.#writer.writeHead(verb, side, id, head(false), exchange.heldChunk);
          dropHeldMessage(exchange);
        } else {
          this.#writer.writeBytes(VERB.END, side, id);
        }
        this.#options.scheduleFlush();
        finish();
      },
      onError: (error) => {
        if (exchange.heldMessage) this.#release(exchange);
        this.#writeFail(side, id, error);
        finish();
      },
    };
    exchange.outboundBody = new OutboundBody(stream, sink, this.#side === SIDE.HOST);
    this.#options.scheduleFlush();
  }

  #release(exchange: RpcCall): void {
    if (!exchange.heldMessage) return;
    const { verb, head } = exchange.heldMessage;
    const side = verb === VERB.REQUEST ? this.#side : this.#theirs;
    this.#writer.writeHead(verb, side, exchange.id, head(true));
    if (exchange.heldChunk) {
      this.#writer.writeBytes(VERB.CHUNK, side, exchange.id, exchange.heldChunk);
    }
    dropHeldMessage(exchange);
  }

  #bodyIn(exchange: RpcCall, side: Side, cancelled: () => void): InboundBody {
    const incoming = new InboundBody((bytes) => {
      this.#writer.writeCount(VERB.CREDIT, side, exchange.id, Math.min(bytes, CELL_WINDOW_BYTES));
      this.#options.scheduleFlush();
    }, (byReader) => byReader && cancelled());
    exchange.inboundBody = incoming;
    return incoming;
  }

  #abandon(call: OutboundCall, reason = new Error("The response is not wanted any more")): void {
    if (this.#calls.get(call.id) !== call) return;
    this.#put(VERB.CANCEL, this.#side, call.id);
    this.#endCall(call, reason);
  }

  #settleCall(call: OutboundCall): void {
    if (!call.isReceived) return;
    if (!call.isSent) {
      // The answer is complete, so nobody reads the rest of the question.
      const reason = new Error("Cannot send the rest of the body: the answer is complete");
      call.outboundBody?.cancel(reason);
      dropHeldMessage(call);
      this.#writeFail(this.#side, call.id, reason);
    }
    this.#forget(call);
  }

  #settleServing(serving: InboundCall): void {
    if (serving.isSent && serving.isReceived) this.#served.delete(serving.id);
  }

  #forget(call: OutboundCall): void {
    if (this.#calls.get(call.id) !== call) return;
    this.#calls.delete(call.id);
    call.isOver = true;
    call.onEnd?.();
  }

  #endCall(call: OutboundCall, reason: Error): void {
    if (this.#calls.get(call.id) !== call) return;
    dropHeldMessage(call);
    call.outboundBody?.cancel(reason);
    if (!call.hasResponse) call.reject(reason);
    else if (call.file) call.file.fail(reason);
    else call.inboundBody?.fail(reason);
    this.#forget(call);
  }

  #endServing(serving: InboundCall, reason: Error): void {
    if (this.#served.get(serving.id) !== serving) return;
    this.#served.delete(serving.id);
    dropHeldMessage(serving);
    serving.inboundBody?.fail(reason);
    serving.outboundBody?.cancel(reason);
    serving.abort(reason);
  }

  #writeFail(side: Side, id: number, error: unknown): void {
    this.#writer.writeText(VERB.FAIL, side, id, formatFailure(error));
    this.#options.scheduleFlush();
  }

  #put(verb: number, side: Side, id: number): void {
    this.#writer.writeBytes(verb, side, id);
    this.#options.scheduleFlush();
  }
}
