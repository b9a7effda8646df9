/**
 * One started cell and everything that is open with it, from start to end. It holds which request may
 * call back with whose authority, measures every promise the plugin makes in time and memory, and
 * ends the cell when one is broken. A cell that ended is never used again; `Cell` starts another.
 */

import { Problem, problemResponse } from "../../http/problem.ts";
import type { CellLimits } from "../../limits.ts";
import type { CallerWatch } from "./client_disconnect.ts";
import type { CellInit } from "../wire/cell_init.ts";
import type { Call, Outgoing, Served } from "../wire/rpc_calls.ts";
import { IdTable } from "../wire/id_table.ts";
import { fileOpener } from "./file_body.ts";
import { withHeaders } from "../wire/message_heads.ts";
import { Meter } from "./rate_limit.ts";
import { CONNECTION } from "./forwarded_request.ts";
import { Peer } from "../wire/rpc_endpoint.ts";
import {
  type Frame,
  FrameReader,
  FrameWriter,
  ProtocolError,
  SIDE,
  textOf,
  VERB,
} from "../wire/frames.ts";
import { residentKiB } from "./process_memory.ts";
import { answerQuery, type QueryHost } from "./sql_request.ts";
import type { Launch, Transport } from "../transport/transport.ts";

/** Why a cell ended. */
export type EndKind =
  | "stopped" // the host ended it in good order
  | "unfit" // the plugin could not be loaded
  | "start" // it was not ready in time
  | "silence" // a heartbeat stayed unanswered: a busy loop
  | "memory" // it held more than it may
  | "protocol" // it broke the rules of the wire
  | "crash"; // it ended by itself

/** A cell ended; the message is for the log and may hold the plugin's words. */
export class CellEnd extends Error {
  override readonly name = "CellEnd";
  constructor(readonly kind: EndKind, message: string) {
    super(message);
  }
}

/** No response head came in time. */
export class AnswerTimeout extends Error {
  override readonly name = "AnswerTimeout";
}

/** A request with what the host knows of its caller. `A` is opaque here. */
export interface Visit<A> extends CallerWatch {
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
export type CallBack<A> =
  & { readonly request: Request; readonly depth: number }
  & ({ readonly kind: "caller"; readonly authority: A } | { readonly kind: "machine" });

/** What a run needs from the host. */
export interface RunHost<A> extends QueryHost {
  readonly launch: Launch;
  readonly limits: CellLimits;
  readonly now: () => number;
  /** Answers a call back; a rejection is told to the plugin as "the machine failed". */
  callBack(call: CallBack<A>): Promise<Response>;
  /** Called once, when the cell has ended for whatever reason. */
  ended(run: CellRun<A>, end: CellEnd): void;
  /** Called when the last request and the last `waitUntil` are over. */
  quiet(run: CellRun<A>): void;
}

interface Open<A> {
  readonly id: number;
  readonly visit: Visit<A>;
  readonly call: Call;
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
  /** Resolves when the plugin is loaded; rejects with a {@link CellEnd}. */
  readonly ready: Promise<void>;
  readonly startedAt: number;
  readonly #host: RunHost<A>;
  readonly #limits: CellLimits;
  readonly #peer: Peer;
  readonly #writer = new FrameWriter();
  readonly #reader = new FrameReader();
  readonly #transport: Transport;
  readonly #open = new IdTable<Open<A>>();
  /** Requests whose `waitUntil` work goes on, with their depth and their last moment. */
  readonly #held = new Map<number, { readonly depth: number; readonly until: number }>();
  readonly #clock: ReturnType<typeof setInterval>;
  #settle: { resolve: () => void; reject: (end: CellEnd) => void } | undefined;
  #scheduled = false;
  #end: CellEnd | undefined;
  #pings = 0;
  #pinged: number | undefined;
  #nextPing = 0;
  #missed = 0;
  #reported = 0;
  readonly #lines: Meter;
  readonly #idle: Meter;

  constructor(host: RunHost<A>, init: CellInit) {
    this.#host = host;
    this.#limits = host.limits;
    this.startedAt = host.now();
    const lines = 2 * host.limits.linesPerSecond + LOG_SLACK;
    this.#lines = new Meter(lines, "console lines", host.now);
    this.#idle = new Meter(IDLE_FRAMES, "frames that come to nothing", host.now);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    promise.catch(heard);
    this.#settle = { resolve, reject };
    this.#peer = new Peer({
      side: SIDE.HOST,
      writer: this.#writer,
      wake: () => this.#wake(),
      serve: (served) => this.#callBack(served),
      mostServed: host.limits.calls,
      idle: () => this.#idle.count(),
      openFile: fileOpener(init.folders),
      unheard: CONNECTION,
    });
    try {
      this.#transport = host.launch(init, host.limits, {
        bytes: (chunk) => this.#receive(chunk),
        ended: (reason) => this.#finish(new CellEnd("crash", reason)),
      });
    } catch (error) {
      this.#transport = { kind: "worker", send: () => {}, kill: () => Promise.resolve() };
      const words = error instanceof Error ? error.message : "no reason was given";
      queueMicrotask(() => this.#finish(new CellEnd("crash", `it cannot be started: ${words}`)));
    }
    this.#clock = setInterval(
      () => this.#look(),
      Math.max(10, Math.min(host.limits.beatMs / 4, 250)),
    );
    Deno.unrefTimer(Number(this.#clock));
  }

  /** Requests whose exchange is not over. */
  get requests(): number {
    return this.#open.size;
  }

  /** Nothing is open and no `waitUntil` goes on. */
  get isQuiet(): boolean {
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
    return (this.pid !== undefined && residentKiB(this.pid)) || this.#reported;
  }

  /**
   * Sends a request. The response rejects with {@link CellEnd}, {@link AnswerTimeout} or
   * {@link PeerFailure}; its body errors when the cell ends.
   *
   * @param ended called once, when both bodies are over
   */
  fetch(
    outgoing: Omit<Outgoing, "note" | "ended" | "moved">,
    visit: Visit<A>,
    ended: () => void,
  ): Call {
    const due = (): number => this.#host.now() + this.#limits.answerMs;
    const { tier, by, tag } = visit;
    const call = this.#peer.call({
      ...outgoing,
      note: tag === undefined ? [tier, by] : [tier, by, tag],
      ended: () => {
        this.#close(call?.id);
        ended();
      },
      moved: () => {
        if (open.due !== undefined) open.due = due();
      },
      answered: () => {
        open.due = undefined;
        this.#missed = 0;
      },
    });
    const open: Open<A> = { id: call.id, visit, call, due: due(), calls: undefined };
    if (!this.#end) this.#open.add(open);
    return call;
  }

  /** Ends the cell at once; everything open fails with `end`. Resolves when it is gone. */
  async kill(end: CellEnd = new CellEnd("stopped", "it was stopped")): Promise<void> {
    this.#finish(end);
    await this.#transport.kill();
  }

  #close(id: number): void {
    const open = this.#open.get(id);
    if (!open) return;
    this.#open.delete(id);
    for (const called of open.calls ?? []) {
      this.#peer.drop(called, new Error("The request has ended, and env.caller with it"));
    }
    if (this.isQuiet) this.#host.quiet(this);
  }

  #finish(end: CellEnd): void {
    if (this.#end) return;
    this.#end = end;
    clearInterval(this.#clock);
    this.#held.clear();
    this.#settle?.reject(end);
    this.#settle = undefined;
    this.#peer.fail(end);
    this.#host.ended(this, end);
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
      this.#finish(new CellEnd("protocol", `it broke the rules of the wire: ${words}`));
    }
  }

  #take(frame: Frame): void {
    if (frame.verb <= VERB.CANCEL) return this.#peer.take(frame);
    switch (frame.verb) {
      case VERB.READY:
        this.#settle?.resolve();
        this.#settle = undefined;
        this.#nextPing = this.#host.now() + this.#limits.beatMs;
        return;
      case VERB.UNFIT:
        return this.#finish(new CellEnd("unfit", textOf(frame, WORDS)));
      case VERB.PONG:
        if (this.#pinged === undefined || frame.id !== this.#pings) return this.#idle.count();
        this.#pinged = undefined;
        return;
      case VERB.LOG:
        return this.#log(frame);
      case VERB.HOLD: {
        const open = this.#open.get(frame.id);
        const until = this.#host.now() + this.#limits.lingerMs;
        if (!open || this.#held.has(frame.id)) return this.#idle.count();
        this.#held.set(frame.id, { depth: open.visit.depth, until });
        return;
      }
      case VERB.DONE:
        if (!this.#held.delete(frame.id)) return this.#idle.count();
        if (this.isQuiet) this.#host.quiet(this);
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
    this.#host.log(LEVELS[frame.id] ?? "log", textOf(frame, 2 * WORDS));
  }

  /** Looks at the clock and at the memory, a few times a second. */
  #look(): void {
    const now = this.#host.now();
    const { startMs, silenceMs, beatMs, residentMiB } = this.#limits;
    if (this.#settle) {
      if (now - this.startedAt <= startMs) return this.#weigh(residentMiB);
      return this.#finish(new CellEnd("start", `it was not ready after ${startMs} ms`));
    }
    if (this.#pinged !== undefined) {
      if (now - this.#pinged > silenceMs) {
        return this.#finish(new CellEnd("silence", `no heartbeat for ${silenceMs} ms`));
      }
    } else if (now >= this.#nextPing) {
      this.#pings = this.#pings + 1 >>> 0;
      this.#pinged = now;
      this.#nextPing = now + beatMs;
      this.#writer.bytes(VERB.PING, SIDE.HOST, this.#pings);
      this.#wake();
    }
    for (const open of this.#open.values()) {
      if (open.due === undefined || now <= open.due) continue;
      this.#missed++;
      open.call.cancel(new AnswerTimeout(`no answer after ${this.#limits.answerMs} ms`));
    }
    for (const [id, { until }] of this.#held) {
      if (now > until && this.#held.delete(id) && this.isQuiet) this.#host.quiet(this);
    }
    if (this.#missed >= MISSED) {
      return this.#finish(
        new CellEnd("silence", `${this.#missed} requests in a row went unanswered`),
      );
    }
    this.#weigh(residentMiB);
  }

  #weigh(residentMiB: number): void {
    if (this.pid === undefined) return;
    const mib = this.residentKiB / 1024;
    if (mib <= residentMiB) return;
    this.#finish(new CellEnd("memory", `it held ${Math.round(mib)} MiB of ${residentMiB} MiB`));
  }

  async #callBack(served: Served): Promise<Response> {
    const { head, body, signal } = served;
    const [kind, id] = head.note;
    const open = typeof id === "number" ? this.#open.get(id) : undefined;
    // What is asked for a request ends with it, as nobody would read the answer.
    if (kind === "sql" && open) (open.calls ??= new Set()).add(served.id);
    if (kind === "sql") return await answerQuery(served, this.#host);
    if (kind !== "caller" && kind !== "machine") throw new Error("env has no such fetch");
    if (kind === "caller" && !open) {
      throw new Error("Cannot call back: the request has ended, and env.caller with it");
    }
    const depth = 1 + this.#depthOf(typeof id === "number" ? id : 0, open);
    if (depth > this.#limits.depth) {
      const detail =
        `Cannot call deeper: ${this.#limits.depth} plugins already wait for each other`;
      return problemResponse(new Problem("loop-detected", detail), null);
    }
    if (!head.url.startsWith("/")) throw new Error("Cannot call back: the path has no slash");
    const bare = { method: head.method, body, signal };
    const request = withHeaders(new Request(`http://machine${head.url}`, bare), head.headers);
    if (open && kind === "caller") (open.calls ??= new Set()).add(served.id);
    try {
      return kind === "caller" && open
        ? await this.#host.callBack({ kind, authority: open.visit.authority, request, depth })
        : await this.#host.callBack({ kind: "machine", request, depth });
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
