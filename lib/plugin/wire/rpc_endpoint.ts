/**
 * One end of a bidirectional RPC connection between the server and a cell. Requests and responses
 * have the form of HTTP: method, URL, headers, status and body.
 *
 * Terms:
 * - An endpoint is one end of the connection. The server and the cell run the same class.
 * - A call is one request with its response. `call()` opens an outbound call; a REQUEST frame of
 *   the other end opens an inbound call, which the `serve` callback answers. Both ends may have
 *   many calls open at the same time. A call is identified by the side that opened it and an id.
 * - A short body is sent in the frame of its head. A longer body follows in CHUNK frames and an
 *   END frame, under flow control: the receiver gives credit for the bytes it has consumed.
 * - A call is over when both messages are complete, or when one end cancels or fails it.
 *
 * An endpoint trusts nothing that it reads. A frame must belong to an open call, a body must stay
 * within its credit, a head must be valid. Otherwise `receive` throws a `ProtocolError`, and the
 * owner must end the whole connection. Frames for a call that has just ended are late, not wrong;
 * they are ignored and reported to `onIgnoredFrame`. The endpoint must not know processes, Workers
 * or plugins.
 */

import { CELL_CHUNK_BYTES, CELL_WINDOW_BYTES, MAX_CELL_HEAD_BYTES } from "../../cell_limits.ts";
import { type BodySink, ignore, InboundBody, OutboundBody } from "./body_flow.ts";
import {
  dropHeldMessage,
  formatFailure,
  IdSequence,
  InboundCall,
  MAX_FAILURE_CHARS,
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
  hasNoBody,
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

/** Longest head in characters: UTF-8 takes at most three bytes for each UTF-16 code unit. */
const MAX_HEAD_CHARS = MAX_CELL_HEAD_BYTES / 3;

/** One end of the connection. */
export class RpcEndpoint {
  readonly #options: RpcEndpointOptions;
  readonly #writer: FrameWriter;
  readonly #side: Side;
  readonly #otherSide: Side;
  readonly #outbound = new IdTable<OutboundCall>();
  readonly #inbound = new IdTable<InboundCall>();
  #heldCalls: RpcCall[] = [];
  readonly #ids = new IdSequence();
  readonly #cancel = (call: OutboundCall, reason: Error): void =>
    this.#cancelOutbound(call, reason);
  #endReason: Error | undefined;

  constructor(options: RpcEndpointOptions) {
    this.#options = options;
    this.#writer = options.writer;
    this.#side = options.side;
    this.#otherSide = options.side === 0 ? 1 : 0;
  }

  /**
   * Sends a request.
   *
   * @returns the open call. Its response rejects with an {@link RpcError} if the other end fails
   * it, with a RangeError if the head is too long or has an invalid header, or with the reason of a
   * cancellation
   */
  call(outgoing: OutboundRequest): PendingCall {
    const id = this.#ids.next(this.#outbound);
    const call = new OutboundCall(id, outgoing, this.#cancel);
    const { body, method, url, headers, note } = outgoing;
    const head = (isStreamed: boolean): string =>
      formatRequestHead({
        method,
        url,
        headers,
        note,
        isStreamed,
        hasBody: body !== null,
      });
    const unstreamedHead = head(false);
    if (this.#endReason || unstreamedHead.length > MAX_HEAD_CHARS || !canSendHeaders(headers)) {
      call.isOver = true;
      call.reject(
        this.#endReason ??
          new RangeError(
            "Cannot send a request: its headers are too long or contain control characters",
          ),
      );
      // Deferred, so that the caller has the returned call before `onEnd` runs.
      queueMicrotask(() => outgoing.onEnd?.());
      return call;
    }
    this.#outbound.add(call);
    if (body instanceof ReadableStream) {
      call.isSent = false;
      this.#send(call, VERB.REQUEST, this.#side, head, body);
    } else {
      this.#writer.writeHead(VERB.REQUEST, this.#side, id, unstreamedHead, body ?? undefined);
      this.#options.scheduleFlush();
    }
    return call;
  }

  /**
   * Writes the heads that are held back. Must be called just before the writer's bytes are taken.
   */
  flush(): void {
    if (this.#heldCalls.length === 0) return;
    const held = this.#heldCalls;
    this.#heldCalls = [];
    for (const call of held) this.#release(call);
  }

  /**
   * Processes one frame of a call.
   *
   * @throws {ProtocolError} the other end violated the protocol; the connection must be ended
   */
  receive(frame: Frame): void {
    if (this.#endReason) return;
    if (frame.side === this.#side) this.#receiveOutbound(frame);
    else if (frame.side === this.#otherSide) this.#receiveInbound(frame);
    else throw new ProtocolError(`Cannot accept a frame: side ${frame.side} does not exist`);
  }

  /** Ends the connection: all open calls and all later ones fail with `reason`. Idempotent. */
  fail(reason: Error): void {
    if (this.#endReason) return;
    this.#endReason = reason;
    this.#heldCalls = [];
    for (const call of this.#outbound.values()) this.#endOutbound(call, reason);
    for (const inbound of this.#inbound.values()) this.#endInbound(inbound, reason);
  }

  /** Aborts one inbound call: the other end gets `reason` as a failure. */
  abortInbound(id: number, reason: Error): void {
    const inbound = this.#inbound.get(id);
    if (!inbound) return;
    this.#writeFail(this.#otherSide, id, reason);
    this.#endInbound(inbound, reason);
  }

  /**
   * Fails an inbound call to which this end has not responded yet. Idempotent.
   *
   * @param reason sent to the other end as the failure
   */
  failUnanswered(id: number, reason: Error): void {
    const inbound = this.#inbound.get(id);
    if (inbound !== undefined && !inbound.isSent && inbound.outboundBody === undefined) {
      this.abortInbound(id, reason);
    }
  }

  /** Aborts every inbound call: the other end gets `reason` as the failure of each. */
  abortAllInbound(reason: Error): void {
    for (const inbound of [...this.#inbound.values()]) this.abortInbound(inbound.id, reason);
  }

  /** Number of open inbound calls. */
  get inboundCalls(): number {
    return this.#inbound.size;
  }

  /** Whether an inbound call is open. */
  hasInbound(id: number): boolean {
    return this.#inbound.get(id) !== undefined;
  }

  #receiveOutbound(frame: Frame): void {
    const call = this.#outbound.get(frame.id);
    if (!call) {
      // Frames of a call that this end cancelled may still arrive. An id that was never used
      // cannot.
      if (!this.#ids.wasUsed(frame.id)) {
        throw new ProtocolError("Cannot accept a response: no request had this id");
      }
      return this.#options.onIgnoredFrame?.();
    }
    switch (frame.verb) {
      case VERB.RESPONSE: {
        if (call.hasResponse || call.file) {
          throw new ProtocolError("Cannot accept a second response to one request");
        }
        const { head, body, make } = readResponseFrame(frame, this.#options.ignoredHeaders);
        if (head.file) {
          const settle = (): void => this.#settleOutbound(call);
          const end = (reason: Error): void => this.#endOutbound(call, reason);
          return respondWithFile(call, this.#options.openFile, head.file, make, settle, end);
        }
        if (head.isStreamed) {
          const body = this.#createInboundBody(call, this.#side, () => this.#cancelOutbound(call));
          call.onResponseBody?.(body);
          call.resolve(make(body.stream));
        } else {
          call.isReceived = true;
          // A Response copies the bytes it is made of.
          const response = make(body.length === 0 ? null : body);
          // With its length the server knows that it is not a stream.
          if (this.#side === SIDE.HOST && call.method !== "HEAD" && !hasNoBody(head.status)) {
            response.headers.set("content-length", String(body.length));
          }
          call.resolve(response);
          this.#settleOutbound(call);
        }
        return;
      }
      case VERB.FAIL:
        return this.#endOutbound(call, new RpcError(readText(frame, MAX_FAILURE_CHARS)));
      case VERB.CANCEL:
        call.outboundBody?.cancel(
          new Error("Cannot send the rest of the body: the receiver cancelled it"),
        );
        dropHeldMessage(call);
        call.isSent = true;
        return this.#settleOutbound(call);
      case VERB.CREDIT:
        // Credit for bytes that were never sent must not extend the deadline of the response.
        return call.outboundBody?.addCredit(readCount(frame))
          ? call.onProgress?.()
          : this.#options.onIgnoredFrame?.();
      default:
        return this.#receiveBody(call, frame, () => this.#settleOutbound(call));
    }
  }

  #receiveInbound(frame: Frame): void {
    const inbound = this.#inbound.get(frame.id);
    if (frame.verb === VERB.REQUEST) {
      if (inbound || frame.id === 0) {
        throw new ProtocolError("Cannot open a call: its id is 0 or in use");
      }
      if (this.#inbound.size >= this.#options.maxInboundCalls) {
        throw new ProtocolError(
          `Cannot open a call: ${this.#options.maxInboundCalls} calls are open; no more are allowed`,
        );
      }
      return this.#openInbound(frame);
    }
    // The frame was sent before the other end knew that this call is over.
    if (!inbound) return this.#options.onIgnoredFrame?.();
    switch (frame.verb) {
      case VERB.CANCEL:
        return this.#endInbound(
          inbound,
          new DOMException("The request was cancelled", "AbortError"),
        );
      case VERB.CREDIT:
        if (!inbound.outboundBody?.addCredit(readCount(frame))) this.#options.onIgnoredFrame?.();
        return;
      case VERB.FAIL:
        inbound.isReceived = true;
        inbound.inboundBody?.fail(new Error("Cannot read the rest of the body: the sender failed"));
        return this.#settleInbound(inbound);
      default:
        return this.#receiveBody(inbound, frame, () => this.#settleInbound(inbound));
    }
  }

  #receiveBody(call: RpcCall, frame: Frame, settle: () => void): void {
    const body = call.inboundBody;
    if (frame.verb === VERB.CHUNK && body) {
      if (frame.payload.length > CELL_CHUNK_BYTES || !body.push(frame.payload)) {
        throw new ProtocolError(
          "Cannot accept a piece of a body: it is empty, too long, beyond the credit or after the end",
        );
      }
    } else if (frame.verb === VERB.END && body) {
      if (!body.end()) throw new ProtocolError("Cannot end a body twice");
      call.isReceived = true;
      settle();
    } else {
      throw new ProtocolError(`Cannot accept verb ${frame.verb} for this call`);
    }
  }

  #openInbound(frame: Frame): void {
    const { head: raw, body } = splitHead(frame);
    const head = parseRequestHead(raw);
    if (body.length > CELL_CHUNK_BYTES) {
      throw new ProtocolError(
        `Cannot accept a body of ${body.length} bytes with its head: at most ${CELL_CHUNK_BYTES} are allowed`,
      );
    }
    const inbound = new InboundCall(frame.id, head);
    this.#inbound.add(inbound);
    if (head.isStreamed) {
      inbound.isReceived = false;
      inbound.body = this.#createInboundBody(inbound, this.#otherSide, () => {
        this.#writeEmpty(VERB.CANCEL, this.#otherSide, inbound.id);
        inbound.isReceived = true;
        this.#settleInbound(inbound);
      }).stream;
    } else if (head.hasBody) {
      inbound.body = body.slice();
    }
    void this.#respond(inbound);
  }

  async #respond(inbound: InboundCall): Promise<void> {
    try {
      const response = await this.#options.serve(inbound);
      if (this.#inbound.get(inbound.id) !== inbound) {
        // The call was cancelled, so no reader waits for this body.
        response.body?.cancel().catch(ignore);
        return;
      }
      const { status, statusText } = response;
      const headers = flattenHeaders(response.headers);
      const file = this.#options.toFileReference?.(response);
      const head = (isStreamed: boolean): string =>
        formatResponseHead({
          status,
          statusText,
          headers,
          isStreamed,
          ...(file && { file }),
        });
      if (status < 200 || !canSendHeaders(headers) || head(false).length > MAX_HEAD_CHARS) {
        throw new RangeError(
          "Cannot send a response: its status is invalid, or its headers are too long or contain control characters",
        );
      }
      const bytes = this.#options.hasBufferedBody?.(response) ? await response.bytes() : undefined;
      if (this.#inbound.get(inbound.id) !== inbound) return;
      const stream = bytes || file ? null : response.body;
      if (stream) {
        this.#send(inbound, VERB.RESPONSE, this.#otherSide, head, stream);
      } else if (bytes && bytes.length > CELL_CHUNK_BYTES) {
        const long = new Response(bytes).body ?? new ReadableStream();
        this.#send(inbound, VERB.RESPONSE, this.#otherSide, head, long);
      } else {
        this.#writer.writeHead(VERB.RESPONSE, this.#otherSide, inbound.id, head(false), bytes);
        inbound.isSent = true;
        this.#options.scheduleFlush();
        this.#settleInbound(inbound);
      }
    } catch (error) {
      if (this.#inbound.get(inbound.id) !== inbound) return;
      this.#writeFail(this.#otherSide, inbound.id, error);
      this.#endInbound(inbound, new Error("The request failed"));
    }
  }

  /**
   * Sends the message of this end with a body that is a stream. The head is held back until
   * `flush`: if the body is complete by then and has one piece, head and body go in one frame.
   */
  #send(
    call: RpcCall,
    verb: number,
    side: Side,
    head: (isStreamed: boolean) => string,
    stream: ReadableStream<Uint8Array>,
  ): void {
    const { id } = call;
    call.heldMessage = { verb, head };
    this.#heldCalls[this.#heldCalls.length] = call;
    const finish = (): void => {
      call.isSent = true;
      // `side` is this end's side if and only if the call is outbound.
      if (side === this.#side) this.#settleOutbound(call as OutboundCall);
      else this.#settleInbound(call as InboundCall);
    };
    const sink: BodySink = {
      onChunk: (bytes) => {
        if (call.heldMessage) {
          if (!call.heldChunk) {
            call.heldChunk = bytes.slice();
            return this.#options.scheduleFlush();
          }
          this.#release(call);
        }
        this.#writer.writeBytes(VERB.CHUNK, side, id, bytes);
        this.#options.scheduleFlush();
      },
      onEnd: () => {
        if (call.heldMessage) {
          this.#writer.writeHead(verb, side, id, head(false), call.heldChunk);
          dropHeldMessage(call);
        } else {
          this.#writer.writeBytes(VERB.END, side, id);
        }
        this.#options.scheduleFlush();
        finish();
      },
      onError: (error) => {
        if (call.heldMessage) this.#release(call);
        this.#writeFail(side, id, error);
        finish();
      },
    };
    call.outboundBody = new OutboundBody(stream, sink, this.#side === SIDE.HOST);
    this.#options.scheduleFlush();
  }

  #release(call: RpcCall): void {
    if (!call.heldMessage) return;
    const { verb, head } = call.heldMessage;
    const side = verb === VERB.REQUEST ? this.#side : this.#otherSide;
    this.#writer.writeHead(verb, side, call.id, head(true));
    if (call.heldChunk) {
      this.#writer.writeBytes(VERB.CHUNK, side, call.id, call.heldChunk);
    }
    dropHeldMessage(call);
  }

  #createInboundBody(call: RpcCall, side: Side, cancelled: () => void): InboundBody {
    const body = new InboundBody((bytes) => {
      this.#writer.writeCount(VERB.CREDIT, side, call.id, Math.min(bytes, CELL_WINDOW_BYTES));
      this.#options.scheduleFlush();
    }, (byReader) => byReader && cancelled());
    call.inboundBody = body;
    return body;
  }

  #cancelOutbound(
    call: OutboundCall,
    reason = new Error("The response is no longer needed"),
  ): void {
    if (this.#outbound.get(call.id) !== call) return;
    this.#writeEmpty(VERB.CANCEL, this.#side, call.id);
    this.#endOutbound(call, reason);
  }

  #settleOutbound(call: OutboundCall): void {
    if (!call.isReceived) return;
    if (!call.isSent) {
      // The other end has answered without reading the whole request body.
      const reason = new Error("Cannot send the rest of the body: the response is complete");
      call.outboundBody?.cancel(reason);
      dropHeldMessage(call);
      this.#writeFail(this.#side, call.id, reason);
    }
    this.#close(call);
  }

  #settleInbound(inbound: InboundCall): void {
    if (inbound.isSent && inbound.isReceived) this.#inbound.delete(inbound.id);
  }

  #close(call: OutboundCall): void {
    if (this.#outbound.get(call.id) !== call) return;
    this.#outbound.delete(call.id);
    call.isOver = true;
    call.onEnd?.();
  }

  #endOutbound(call: OutboundCall, reason: Error): void {
    if (this.#outbound.get(call.id) !== call) return;
    dropHeldMessage(call);
    call.outboundBody?.cancel(reason);
    if (!call.hasResponse) call.reject(reason);
    else if (call.file) call.file.fail(reason);
    else call.inboundBody?.fail(reason);
    this.#close(call);
  }

  #endInbound(inbound: InboundCall, reason: Error): void {
    if (this.#inbound.get(inbound.id) !== inbound) return;
    this.#inbound.delete(inbound.id);
    dropHeldMessage(inbound);
    inbound.inboundBody?.fail(reason);
    inbound.outboundBody?.cancel(reason);
    inbound.abort(reason);
  }

  #writeFail(side: Side, id: number, error: unknown): void {
    this.#writer.writeText(
      VERB.FAIL,
      side,
      id,
      this.#options.formatFailure?.(error) ?? formatFailure(error),
    );
    this.#options.scheduleFlush();
  }

  #writeEmpty(verb: number, side: Side, id: number): void {
    this.#writer.writeBytes(verb, side, id);
    this.#options.scheduleFlush();
  }
}
