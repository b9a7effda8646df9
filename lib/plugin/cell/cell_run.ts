/**
 * One started cell and everything that is open with it, from start to end. It holds which request may
 * call back with whose authority, measures every promise the plugin makes in time and memory, and
 * ends the cell when one is broken. A cell that ended is never used again; `Cell` starts another.
 */

import { Problem, toProblemResponse } from "../../http/problem.ts";
import type { CellLimits } from "../../limits.ts";
import type { CallerConnection } from "./client_disconnect.ts";
import type { CellInit } from "../wire/cell_init.ts";
import type { InboundRequest, OutboundRequest, PendingCall } from "../wire/rpc_calls.ts";
import { IdTable } from "../wire/id_table.ts";
import { createFileOpener } from "./file_body.ts";
import { appendHeaders } from "../wire/message_heads.ts";
import { RateLimit } from "./rate_limit.ts";
import { CONNECTION_HEADERS } from "./forwarded_request.ts";
import { RpcEndpoint } from "../wire/rpc_endpoint.ts";
import {
  type Frame,
  FrameReader,
  FrameWriter,
  ProtocolError,
  readText,
  SIDE,
  VERB,
} from "../wire/frames.ts";
import { readResidentKiB } from "./process_memory.ts";
import { answerSqlRequest, type SqlRequestHost } from "./sql_request.ts";
import type { StartCell, Transport } from "../transport/transport.ts";

/** Why a cell ended. */
export type CellEndKind =
  | "stopped" // the host ended it in good order
  | "unfit" // the plugin could not be loaded
  | "start" // it was not ready in time
  | "silence" // a heartbeat stayed unanswered: a busy loop
  | "memory" // it held more than it may
  | "protocol" // it broke the rules of the wire
  | "crash"; // it ended by itself

/** A cell ended; the message is for the log and may hold the plugin's words. */
export class CellEndedError extends Error {
  override readonly name = "CellEndedError";
  constructor(readonly kind: CellEndKind, message: string) {
    super(message);
  }
}

/** No response head came in time. */
export class ResponseTimeoutError extends Error {
  override readonly name = "ResponseTimeoutError";
}

/** A request with what the host knows of its caller. `A` is opaque here. */
export interface CallerContext<A> extends CallerConnection {
  /** Given back to `callBack` for `env.caller`; never leaves the host. */
  readonly authority: A;
  readonly tier: string;
  readonly by: string;
  /** Entity tag of what the request is about, as this caller is shown it, where it is known. */
  readonly tag?: string | undefined;
  /** How many plugins lie above this request: 0 from outside. */
  readonly depth: number;
}

/** A call back into the machine. For `machine` there is no caller's authority to be had. */
export type Subrequest<A> =
  & { readonly request: Request; readonly depth: number }
  & ({ readonly kind: "caller"; readonly authority: A } | { readonly kind: "machine" });

/** What a run needs from the host. */
export interface CellRunHost<A> extends SqlRequestHost {
  readonly startCell: StartCell;
  readonly limits: CellLimits;
  readonly now: () => number;
  /** Answers a call back; a rejection is told to the plugin as "the machine failed". */
  answerSubrequest(call: Subrequest<A>): Promise<Response>;
  /** Called once, when the cell has ended for whatever reason. */
  onEnd(run: CellRun<A>, end: CellEndedError): void;
  /** Called when the last request and the last `waitUntil` are over. */
  onIdle(run: CellRun<A>): void;
}

interface Open<A> {
  readonly id: number;
  readonly visit: CallerContext<A>;
  readonly call: PendingCall;
  /** When the response head must have come; undefined once it has. */
  due: number | undefined;
  /** Calls of `env.caller` under way, which die with the request; made with the first. */
  calls: Set<number> | undefined;
}

const LEVELS = ["log", "warn", "error"] as const;
const WORDS = 4096;
/** Console lines a cell may send in one second beyond its bound before that breaks the rules. */
const LOG_SLACK = 8;
/** Frames a second that may come to nothing: late ones do when much is given up, a flood is no accident. */
const IDLE_FRAMES = 100_000;
/** Answers missed in a row, with none in between, after which the cell counts as stuck. */
const MISSED = 4;

/** See the module. */
export class CellRun<A> {
  /** Resolves when the plugin is loaded; rejects with a {@link CellEndedError}. */
  readonly ready: Promise<void>;
  readonly startedAt: number;
  readonly #host: CellRunHost<A>;
  readonly #limits: CellLimits;
  readonly #peer: RpcEndpoint;
  readonly #writer = new FrameWriter();
  readonly #reader = new FrameReader();
  readonly #transport: Transport;
  readonly #open = new IdTable<Open<A>>();
  /** Requests whose `waitUntil` work goes on, with their depth and their last moment. */
  readonly #held = new Map<number, { readonly depth: number; readonly until: number }>();
  readonly #clock: ReturnType<typeof setInterval>;
  #settle: { resolve: () => void; reject: (end: CellEndedError) => void } | undefined;
  #scheduled = false;
  #end: CellEndedError | undefined;
  #pings = 0;
  #pinged: number | undefined;
  #nextPing = 0;
  #missed = 0;
  #reported = 0;
  readonly #lines: RateLimit;
  readonly #idle: RateLimit;

  constructor(host: CellRunHost<A>, init: CellInit) {
    this.#host = host;
    this.#limits = host.limits;
    this.startedAt = host.now();
    const lines = 2 * host.limits.maxLogLinesPerSecond + LOG_SLACK;
    this.#lines = new RateLimit(lines, "console lines", host.now);
    this.#idle = new RateLimit(IDLE_FRAMES, "frames that come to nothing", host.now);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    promise.catch(heard);
    this.#settle = { resolve, reject };
    this.#peer = new RpcEndpoint({
      side: SIDE.HOST,
      writer: this.#writer,
      scheduleFlush: () => this.#wake(),
      serve: (served) => this.#callBack(served),
      maxInboundCalls: host.limits.maxCalls,
      onIgnoredFrame: () => this.#idle.count(),
      openFile: createFileOpener(init.folders),
      ignoredHeaders: CONNECTION_HEADERS,
    });
    try {
      this.#transport = host.startCell(init, host.limits, {
        onBytes: (chunk) => this.#receive(chunk),
        onEnd: (reason) => this.#finish(new CellEndedError("crash", reason)),
      });
    } catch (error) {
      this.#transport = { kind: "worker", send: () => {}, kill: () => Promise.resolve() };
      const words = error instanceof Error ? error.message : "no reason was given";
      queueMicrotask(() =>
        this.#finish(new CellEndedError("crash", `it cannot be started: ${words}`))
      );
    }
    this.#clock = setInterval(
      () => this.#look(),
      Math.max(10, Math.min(host.limits.heartbeatMs / 4, 250)),
    );
    Deno.unrefTimer(Number(this.#clock));
  }

  /** Requests whose exchange is not over. */
  get openRequests(): number {
    return this.#open.size;
  }

  /** Nothing is open and no `waitUntil` goes on. */
  get isIdle(): boolean {
    return this.#open.size === 0 && this.#held.size === 0;
  }

  get kind(): "process" | "worker" {
    return this.#transport.kind;
  }

  get pid(): number | undefined {
    return this.#transport.pid;
  }

  /** Resident memory in KiB as last known; 0 when nothing is known. */
  get residentKiB(): number {
    return (this.pid !== undefined && readResidentKiB(this.pid)) || this.#reported;
  }

  /**
   * Sends a request. The response rejects with {@link CellEndedError}, {@link ResponseTimeoutError} or
   * {@link RpcError}; its body errors when the cell ends.
   *
   * @param ended called once, when both bodies are over
   */
  send(
    outgoing: Omit<OutboundRequest, "note" | "ended" | "moved">,
    visit: CallerContext<A>,
    ended: () => void,
  ): PendingCall {
    const due = (): number => this.#host.now() + this.#limits.responseTimeoutMs;
    const { tier, by, tag } = visit;
    const call = this.#peer.call({
      ...outgoing,
      note: tag === undefined ? [tier, by] : [tier, by, tag],
      onEnd: () => {
        this.#close(call?.id);
        ended();
      },
      onProgress: () => {
        if (open.due !== undefined) open.due = due();
      },
      onResponse: () => {
        open.due = undefined;
        this.#missed = 0;
      },
    });
    const open: Open<A> = { id: call.id, visit, call, due: due(), calls: undefined };
    if (!this.#end) this.#open.add(open);
    return call;
  }

  /** Ends the cell at once; everything open fails with `end`. Resolves when it is gone. */
  async kill(end: CellEndedError = new CellEndedError("stopped", "it was stopped")): Promise<void> {
    this.#finish(end);
    await this.#transport.kill();
  }

  #close(id: number): void {
    const open = this.#open.get(id);
    if (!open) return;
    this.#open.delete(id);
    for (const called of open.calls ?? []) {
      this.#peer.abortInbound(called, new Error("The request has ended, and env.caller with it"));
    }
    if (this.isIdle) this.#host.onIdle(this);
  }

  #finish(end: CellEndedError): void {
    if (this.#end) return;
    this.#end = end;
    clearInterval(this.#clock);
    this.#held.clear();
    this.#settle?.reject(end);
    this.#settle = undefined;
    this.#peer.fail(end);
    this.#host.onEnd(this, end);
    // Whatever ended it, nothing of it may go on.
    this.#transport.kill().catch((error) => this.#host.log("error", `cannot be ended: ${error}`));
  }

  #wake(): void {
    if (this.#scheduled || this.#end) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#end) return;
      this.#peer.flush();
      if (this.#writer.length > 0) this.#transport.send(this.#writer.take());
    });
  }

  #receive(chunk: Uint8Array<ArrayBuffer>): void {
    if (this.#end) return;
    try {
      this.#reader.push(chunk, (frame) => this.#take(frame));
    } catch (error) {
      const words = error instanceof ProtocolError ? error.message : "a frame that cannot be used";
      this.#finish(new CellEndedError("protocol", `it broke the rules of the wire: ${words}`));
    }
  }

  #take(frame: Frame): void {
    if (frame.verb <= VERB.CANCEL) return this.#peer.receive(frame);
    switch (frame.verb) {
      case VERB.READY:
        this.#settle?.resolve();
        this.#settle = undefined;
        this.#nextPing = this.#host.now() + this.#limits.heartbeatMs;
        return;
      case VERB.UNFIT:
        return this.#finish(new CellEndedError("unfit", readText(frame, WORDS)));
      case VERB.PONG:
        if (this.#pinged === undefined || frame.id !== this.#pings) return this.#idle.count();
        this.#pinged = undefined;
        return;
      case VERB.LOG:
        return this.#log(frame);
      case VERB.HOLD: {
        const open = this.#open.get(frame.id);
        const until = this.#host.now() + this.#limits.waitUntilTimeoutMs;
        if (!open || this.#held.has(frame.id)) return this.#idle.count();
        this.#held.set(frame.id, { depth: open.visit.depth, until });
        return;
      }
      case VERB.DONE:
        if (!this.#held.delete(frame.id)) return this.#idle.count();
        if (this.isIdle) this.#host.onIdle(this);
        return;
      case VERB.RESIDENT:
        this.#reported = frame.id;
        return this.#idle.count();
      default:
        throw new ProtocolError(`Cannot take verb ${frame.verb}`);
    }
  }

  #log(frame: Frame): void {
    this.#lines.count();
    this.#host.log(LEVELS[frame.id] ?? "log", readText(frame, 2 * WORDS));
  }

  /** Looks at the clock and at the memory, a few times a second. */
  #look(): void {
    const now = this.#host.now();
    const {
      startTimeoutMs: startTimeoutMs,
      heartbeatTimeoutMs: heartbeatTimeoutMs,
      heartbeatMs: heartbeatMs,
      residentMiB,
    } = this.#limits;
    if (this.#settle) {
      if (now - this.startedAt <= startTimeoutMs) return this.#weigh(residentMiB);
      return this.#finish(
        new CellEndedError("start", `it was not ready after ${startTimeoutMs} ms`),
      );
    }
    if (this.#pinged !== undefined) {
      if (now - this.#pinged > heartbeatTimeoutMs) {
        return this.#finish(
          new CellEndedError("silence", `no heartbeat for ${heartbeatTimeoutMs} ms`),
        );
      }
    } else if (now >= this.#nextPing) {
      this.#pings = this.#pings + 1 >>> 0;
      this.#pinged = now;
      this.#nextPing = now + heartbeatMs;
      this.#writer.writeBytes(VERB.PING, SIDE.HOST, this.#pings);
      this.#wake();
    }
    for (const open of this.#open.values()) {
      if (open.due === undefined || now <= open.due) continue;
      this.#missed++;
      open.call.cancel(
        new ResponseTimeoutError(`no answer after ${this.#limits.responseTimeoutMs} ms`),
      );
    }
    for (const [id, { until }] of this.#held) {
      if (now > until && this.#held.delete(id) && this.isIdle) this.#host.onIdle(this);
    }
    if (this.#missed >= MISSED) {
      return this.#finish(
        new CellEndedError("silence", `${this.#missed} requests in a row went unanswered`),
      );
    }
    this.#weigh(residentMiB);
  }

  #weigh(residentMiB: number): void {
    if (this.pid === undefined) return;
    const mib = this.residentKiB / 1024;
    if (mib <= residentMiB) return;
    this.#finish(
      new CellEndedError("memory", `it held ${Math.round(mib)} MiB of ${residentMiB} MiB`),
    );
  }

  async #callBack(served: InboundRequest): Promise<Response> {
    const { head, body, signal } = served;
    const [kind, id] = head.note;
    const open = typeof id === "number" ? this.#open.get(id) : undefined;
    // What is asked for a request ends with it, as nobody would read the answer.
    if (kind === "sql" && open) (open.calls ??= new Set()).add(served.id);
    if (kind === "sql") return await answerSqlRequest(served, this.#host);
    if (kind !== "caller" && kind !== "machine") throw new Error("env has no such fetch");
    if (kind === "caller" && !open) {
      throw new Error("Cannot call back: the request has ended, and env.caller with it");
    }
    const depth = 1 + this.#depthOf(typeof id === "number" ? id : 0, open);
    if (depth > this.#limits.maxDepth) {
      const detail =
        `Cannot call deeper: ${this.#limits.maxDepth} plugins already wait for each other`;
      return toProblemResponse(new Problem("loop-detected", detail), null);
    }
    if (!head.url.startsWith("/")) throw new Error("Cannot call back: the path has no slash");
    const bare = { method: head.method, body, signal };
    const request = appendHeaders(new Request(`http://machine${head.url}`, bare), head.headers);
    if (open && kind === "caller") (open.calls ??= new Set()).add(served.id);
    try {
      return kind === "caller" && open
        ? await this.#host.answerSubrequest({
          kind,
          authority: open.visit.authority,
          request,
          depth,
        })
        : await this.#host.answerSubrequest({ kind: "machine", request, depth });
    } catch (error) {
      // A call that was broken off rejects as it should.
      if (!signal.aborted) this.#host.log("error", `a call back failed: ${error}`);
      throw new Error("Cannot call back: the machine failed");
    }
  }

  /** A call that names no request of now counts as made by the deepest one there is. */
  #depthOf(id: number, open: Open<A> | undefined): number {
    const known = open?.visit.depth ?? this.#held.get(id)?.depth;
    if (known !== undefined) return known;
    let deepest = 0;
    for (const { visit } of this.#open.values()) deepest = Math.max(deepest, visit.depth);
    return deepest;
  }
}

function heard(): void {
  // `ready` may reject before anybody waits for it; `ended` tells the host in any case.
}
