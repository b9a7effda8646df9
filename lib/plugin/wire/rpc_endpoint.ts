/**
 * One end of the wire as HTTP: `call` sends a request and gives its Response, `serve` answers the
 * other end's. The server and the cell run the same class with their sides exchanged. It believes
 * nothing it reads: an id must be open, a body stays within its credit, a head validates, or the
 * whole connection is given up with a `ProtocolError`.
 */

import { CELL_CHUNK_BYTES, CELL_HEAD_BYTES, CELL_WINDOW_BYTES } from "../../limits.ts";
import { BodyIn, BodyOut, type BodySink, ignore } from "./body_flow.ts";
import {
  type Call,
  Calling,
  type Exchange,
  Ids,
  MAX_WORDS,
  type Outgoing,
  PeerFailure,
  type PeerOptions,
  readAnswer,
  Serving,
  unhold,
  wordsOf,
} from "./rpc_calls.ts";
import { answerWithFile } from "./file_response.ts";
import { IdTable } from "./id_table.ts";
import {
  flatten,
  readRequestHead,
  sendable,
  writeRequestHead,
  writeResponseHead,
} from "./message_heads.ts";
import {
  countOf,
  type Frame,
  type FrameWriter,
  ProtocolError,
  SIDE,
  type Side,
  splitHead,
  textOf,
  VERB,
} from "./frames.ts";

/** Longest head in characters: three bytes each still fit `CELL_HEAD_BYTES`. */
const MAX_HEAD = CELL_HEAD_BYTES / 3;

/** See the module. */
export class Peer {
  readonly #options: PeerOptions;
  readonly #writer: FrameWriter;
  readonly #side: Side;
  readonly #theirs: Side;
  readonly #calls = new IdTable<Calling>();
  readonly #served = new IdTable<Serving>();
  #holding: Exchange[] = [];
  readonly #ids = new Ids();
  readonly #giveUp = (call: Calling, reason: Error): void => this.#abandon(call, reason);
  #over: Error | undefined;

  constructor(options: PeerOptions) {
    this.#options = options;
    this.#writer = options.writer;
    this.#side = options.side;
    this.#theirs = options.side === 0 ? 1 : 0;
  }

  /** Sends a request. */
  call(outgoing: Outgoing): Call {
    const id = this.#ids.next(this.#calls);
    const call = new Calling(id, outgoing, this.#giveUp);
    const { body, method, url, headers, note } = outgoing;
    const head = (streamed: boolean): string =>
      writeRequestHead({ method, url, headers, note, streamed, bodied: body !== null });
    const whole = head(false);
    if (this.#over || whole.length > MAX_HEAD || !sendable(headers)) {
      call.over = true;
      call.reject(
        this.#over ??
          new RangeError("Cannot send a request: its headers are too long, or not to be sent"),
      );
      // Not before the caller has what this returns.
      queueMicrotask(() => outgoing.ended?.());
      return call;
    }
    this.#calls.add(call);
    if (body instanceof ReadableStream) {
      call.sent = false;
      this.#send(call, VERB.REQUEST, this.#side, head, body);
    } else {
      this.#writer.head(VERB.REQUEST, this.#side, id, whole, body ?? undefined);
      this.#options.wake();
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
  take(frame: Frame): void {
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
  drop(id: number, reason: Error): void {
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
      return this.#options.idle?.();
    }
    switch (frame.verb) {
      case VERB.RESPONSE: {
        if (call.answered || call.file) {
          throw new ProtocolError("Cannot take a second answer to one request");
        }
        const { head, body, make } = readAnswer(frame, this.#options.unheard);
        if (head.file) {
          const settle = (): void => this.#settleCall(call);
          const end = (reason: Error): void => this.#endCall(call, reason);
          return answerWithFile(call, this.#options.openFile, head.file, make, settle, end);
        }
        if (head.streamed) {
          const incoming = this.#bodyIn(call, this.#side, () => this.#abandon(call));
          call.resolve(make(incoming.stream));
        } else {
          call.received = true;
          // A Response copies the bytes it is made of.
          call.resolve(make(body.length === 0 ? null : body));
          this.#settleCall(call);
        }
        return;
      }
      case VERB.FAIL:
        return this.#endCall(call, new PeerFailure(textOf(frame, MAX_WORDS)));
      case VERB.CANCEL:
        call.outgoing?.cancel(new Error("Cannot send the rest of the body: it is not wanted"));
        unhold(call);
        call.sent = true;
        return this.#settleCall(call);
      case VERB.CREDIT:
        // Credit for what was never sent moves nothing: it must not put a deadline off.
        return call.outgoing?.credit(countOf(frame)) ? call.moved?.() : this.#options.idle?.();
      default:
        return this.#takeBody(call, frame, () => this.#settleCall(call));
    }
  }

  #takeRequest(frame: Frame): void {
    const serving = this.#served.get(frame.id);
    if (frame.verb === VERB.REQUEST) {
      if (serving || frame.id === 0) throw new ProtocolError("Cannot open an exchange twice");
      if (this.#served.size >= this.#options.mostServed) {
        throw new ProtocolError(`Cannot open more than ${this.#options.mostServed} exchanges`);
      }
      return this.#serve(frame);
    }
    // What was under way when this end finished the exchange is late, not wrong.
    if (!serving) return this.#options.idle?.();
    switch (frame.verb) {
      case VERB.CANCEL:
        return this.#endServing(serving, new DOMException("The caller went away", "AbortError"));
      case VERB.CREDIT:
        if (!serving.outgoing?.credit(countOf(frame))) this.#options.idle?.();
        return;
      case VERB.FAIL:
        serving.received = true;
        serving.incoming?.fail(new Error("The request's body broke off"));
        return this.#settleServing(serving);
      default:
        return this.#takeBody(serving, frame, () => this.#settleServing(serving));
    }
  }

  #takeBody(exchange: Exchange, frame: Frame, settle: () => void): void {
    const body = exchange.incoming;
    if (frame.verb === VERB.CHUNK && body) {
      if (frame.payload.length > CELL_CHUNK_BYTES || !body.push(frame.payload)) {
        throw new ProtocolError("Cannot take a piece of a body: more than credit was given for");
      }
    } else if (frame.verb === VERB.END && body) {
      if (!body.end()) throw new ProtocolError("Cannot end a body twice");
      exchange.received = true;
      settle();
    } else {
      throw new ProtocolError(`Cannot take verb ${frame.verb} for this exchange`);
    }
  }

  #serve(frame: Frame): void {
    const { head: raw, body } = splitHead(frame);
    const head = readRequestHead(raw);
    if (body.length > CELL_CHUNK_BYTES) throw new ProtocolError("Cannot take so long a body");
    const serving = new Serving(frame.id, head);
    this.#served.add(serving);
    if (head.streamed) {
      serving.received = false;
      serving.body = this.#bodyIn(serving, this.#theirs, () => {
        this.#put(VERB.CANCEL, this.#theirs, serving.id);
        serving.received = true;
        this.#settleServing(serving);
      }).stream;
    } else if (head.bodied) {
      serving.body = body.slice();
    }
    void this.#answer(serving);
  }

  async #answer(serving: Serving): Promise<void> {
    try {
      const response = await this.#options.serve(serving);
      if (this.#served.get(serving.id) !== serving) {
        response.body?.cancel().catch(ignore);
        return;
      }
      const { status, statusText } = response;
      const headers = flatten(response.headers);
      const file = this.#options.fileOf?.(response);
      const head = (streamed: boolean): string =>
        writeResponseHead({ status, statusText, headers, streamed, ...(file && { file }) });
      if (status < 200 || !sendable(headers) || head(false).length > MAX_HEAD) {
        throw new RangeError(
          "Cannot send a response: it has no status, or its headers are too long or not to be sent",
        );
      }
      const whole = this.#options.isWhole?.(response) ? await response.bytes() : undefined;
      if (this.#served.get(serving.id) !== serving) return;
      const stream = whole || file ? null : response.body;
      if (stream) {
        this.#send(serving, VERB.RESPONSE, this.#theirs, head, stream);
      } else if (whole && whole.length > CELL_CHUNK_BYTES) {
        const long = new Response(whole).body ?? new ReadableStream();
        this.#send(serving, VERB.RESPONSE, this.#theirs, head, long);
      } else {
        this.#writer.head(VERB.RESPONSE, this.#theirs, serving.id, head(false), whole);
        serving.sent = true;
        this.#options.wake();
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
    exchange: Exchange,
    verb: number,
    side: Side,
    head: (streamed: boolean) => string,
    stream: ReadableStream<Uint8Array>,
  ): void {
    const { id } = exchange;
    exchange.held = { verb, head };
    this.#holding[this.#holding.length] = exchange;
    const finish = (): void => {
      exchange.sent = true;
      if (side === this.#side) this.#settleCall(exchange as Calling); // `side` says which it is
      else this.#settleServing(exchange as Serving);
    };
    const sink: BodySink = {
      chunk: (bytes) => {
        if (exchange.held) {
          if (!exchange.heldChunk) {
            exchange.heldChunk = bytes.slice();
            return this.#options.wake();
          }
          this.#release(exchange);
        }
        this.#writer.bytes(VERB.CHUNK, side, id, bytes);
        this.#options.wake();
      },
      end: () => {
        if (exchange.held) {
          this.#writer.head(verb, side, id, head(false), exchange.heldChunk);
          unhold(exchange);
        } else {
          this.#writer.bytes(VERB.END, side, id);
        }
        this.#options.wake();
        finish();
      },
      fail: (error) => {
        if (exchange.held) this.#release(exchange);
        this.#writeFail(side, id, error);
        finish();
      },
    };
    exchange.outgoing = new BodyOut(stream, sink, this.#side === SIDE.HOST);
    this.#options.wake();
  }

  #release(exchange: Exchange): void {
    if (!exchange.held) return;
    const { verb, head } = exchange.held;
    const side = verb === VERB.REQUEST ? this.#side : this.#theirs;
    this.#writer.head(verb, side, exchange.id, head(true));
    if (exchange.heldChunk) this.#writer.bytes(VERB.CHUNK, side, exchange.id, exchange.heldChunk);
    unhold(exchange);
  }

  #bodyIn(exchange: Exchange, side: Side, cancelled: () => void): BodyIn {
    const incoming = new BodyIn((bytes) => {
      this.#writer.count(VERB.CREDIT, side, exchange.id, Math.min(bytes, CELL_WINDOW_BYTES));
      this.#options.wake();
    }, (byReader) => byReader && cancelled());
    exchange.incoming = incoming;
    return incoming;
  }

  #abandon(call: Calling, reason = new Error("The response is not wanted any more")): void {
    if (this.#calls.get(call.id) !== call) return;
    this.#put(VERB.CANCEL, this.#side, call.id);
    this.#endCall(call, reason);
  }

  #settleCall(call: Calling): void {
    if (!call.received) return;
    if (!call.sent) {
      // The answer is complete, so nobody reads the rest of the question.
      const reason = new Error("Cannot send the rest of the body: the answer is complete");
      call.outgoing?.cancel(reason);
      unhold(call);
      this.#writeFail(this.#side, call.id, reason);
    }
    this.#forget(call);
  }

  #settleServing(serving: Serving): void {
    if (serving.sent && serving.received) this.#served.delete(serving.id);
  }

  #forget(call: Calling): void {
    if (this.#calls.get(call.id) !== call) return;
    this.#calls.delete(call.id);
    call.over = true;
    call.ended?.();
  }

  #endCall(call: Calling, reason: Error): void {
    if (this.#calls.get(call.id) !== call) return;
    unhold(call);
    call.outgoing?.cancel(reason);
    if (!call.answered) call.reject(reason);
    else if (call.file) call.file.fail(reason);
    else call.incoming?.fail(reason);
    this.#forget(call);
  }

  #endServing(serving: Serving, reason: Error): void {
    if (this.#served.get(serving.id) !== serving) return;
    this.#served.delete(serving.id);
    unhold(serving);
    serving.incoming?.fail(reason);
    serving.outgoing?.cancel(reason);
    serving.abort(reason);
  }

  #writeFail(side: Side, id: number, error: unknown): void {
    this.#writer.text(VERB.FAIL, side, id, wordsOf(error));
    this.#options.wake();
  }

  #put(verb: number, side: Side, id: number): void {
    this.#writer.bytes(verb, side, id);
    this.#options.wake();
  }
}
