/**
 * Accepts connections and serves HTTP on each of them, within the limits of a
 * {@link ConnectionTable}. An accept error never ends the server: it is logged, and after a pause
 * the server accepts again.
 */

import { isLoopback, parseIp } from "../http/ip_address.ts";
import { BodyBudget } from "../http/body_budget.ts";
import { Problem, toProblemResponse } from "../http/problem.ts";
import {
  ACCEPT_PAUSE_MS,
  CLOSE_DELAY_MS,
  EDGE_CHECK_MS,
  type EdgeLimits,
  EVICTION_PAUSE_MS,
  MAX_ACCEPT_PAUSE_MS,
  MAX_CACHE_ENTRY_BYTES,
  RESPONSE_PART_BYTES,
  UNDIVIDED_RESPONSE_BYTES,
} from "../limits.ts";
import { describeBodyEnd } from "../plugin/cell/cell_errors.ts";
import type { Connection } from "../request/request_context.ts";
import type { EdgeCounts } from "../request/edge_counts.ts";
import {
  type Admission,
  ConnectionTable,
  type OpenConnection,
  type SentResponse,
  watchedLength,
} from "./connection_table.ts";
import type { ServeConnection } from "./deno_http.ts";
import { Closer, Exchange, ResponseParts, WatchedExchange } from "./exchange.ts";
import { assertPortIsFree, assertValidPair, type TlsPair } from "./tls.ts";
import { withTimeout } from "../base/timeout.ts";

/** After a new certificate, the old listener waits this long for its queue, and between two looks. */
const TLS_DRAIN_MS = 2_000;
const TLS_DRAIN_STEP_MS = 20;

/** Answers a request; never throws. */
export type EdgeHandler = (
  request: Request,
  peer: string,
  connection: Connection,
) => Response | Promise<Response>;

/** Options of a {@link ConnectionServer}. */
export interface ConnectionServerOptions {
  readonly hostname: string;
  readonly port: number;
  /** Certificate chain and key in PEM format, for TLS. */
  readonly tls?: TlsPair;
  /** Serves HTTP on one connection; undefined if this version of Deno cannot. */
  readonly serve: ServeConnection | undefined;
  /** Limits, with the derived number of connections. */
  readonly limits: EdgeLimits;
  /** Whether a peer is a proxy that the operator trusts: its connections are those of many clients. */
  readonly isProxy: (peer: string) => boolean;
  readonly handle: EdgeHandler;
  /** Writes one line for the operator; lines with a `kind` are limited. */
  readonly log: (line: string, kind?: string) => void;
}

/** The listener and its connections. */
export class ConnectionServer {
  readonly #options: ConnectionServerOptions;
  readonly #table: ConnectionTable;
  readonly #bodies: BodyBudget;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #open = new Set<Promise<void>>();
  readonly #shutdowns = new Set<() => Promise<void>>();
  #listener: Deno.Listener | Deno.HttpServer<Deno.NetAddr>;
  /** Certificate and key of the listener. */
  #tls: TlsPair | undefined;
  #accepting: Promise<void> = Promise.resolve();
  /** Listeners that wait for a connection: their queues are empty. */
  readonly #idle = new Set<Deno.Listener>();
  /** Listeners whose certificate was replaced. */
  readonly #closed = new WeakSet<Deno.Listener>();
  #acceptErrors = 0;
  #isClosing = false;
  #onEnd: (() => void) | undefined;

  /** @throws any error of listening, such as `AddrInUse` */
  constructor(options: ConnectionServerOptions) {
    const { limits, log, serve } = options;
    this.#options = options;
    this.#tls = options.tls;
    this.#table = new ConnectionTable(limits);
    this.#bodies = new BodyBudget({
      maxBytes: limits.maxBodyBytesInFlight,
      timeoutMs: limits.bodyTimeoutMs,
      minBytesPerSecond: limits.minBytesPerSecond,
      maxChunkWork: limits.maxChunkWork,
    });
    if (serve === undefined) {
      log("this version of Deno cannot limit connections and request heads; see configuration.md");
      this.#listener = this.#listenPlain(options.port);
    } else {
      if (this.#isPortShared) assertPortIsFree(options.hostname, options.port);
      const listener = this.#listen(options.port);
      this.#listener = listener;
      this.#accepting = this.#acceptAll(listener, serve);
    }
    const shortest = Math.min(limits.headTimeoutMs, limits.idleTimeoutMs, limits.bodyTimeoutMs);
    this.#timer = setInterval(() => {
      this.#table.check();
      this.#bodies.check();
    }, Math.min(EDGE_CHECK_MS, Math.max(10, shortest / 4)));
  }

  /** The address on which it listens. */
  get addr(): Deno.Addr {
    return this.#listener.addr;
  }

  /**
   * Replaces certificate and key. New connections get them; open ones continue. Deno cannot change
   * the certificate of a listener (2.9.6), so a second listener takes the port before the first is
   * closed. The first is closed when its queue is empty. If two listeners cannot have one port, the
   * system refuses connections for about a millisecond.
   *
   * @returns false if this server cannot: it has no TLS, or this version of Deno cannot
   * @throws any error of listening, such as a pair that Deno rejects; the old one is used then
   */
  async replaceTls(tls: TlsPair): Promise<boolean> {
    const { serve } = this.#options;
    const before = this.#listener;
    if (this.#tls === undefined || serve === undefined || "shutdown" in before) return false;
    if (this.#isClosing) return false;
    assertValidPair(tls);
    const isShared = this.#isPortShared;
    const port = portOf(before.addr);
    if (!isShared) {
      await this.#untilIdle(before);
      this.#retire(before);
    }
    this.#listener = isShared ? this.#listen(port, tls) : await this.#listenAgain(port, tls);
    this.#tls = tls;
    const accepting = this.#acceptAll(this.#listener, serve);
    this.#accepting = Promise.all([this.#accepting, accepting]).then(ignore);
    if (isShared) {
      await this.#untilIdle(before);
      this.#retire(before);
    }
    return true;
  }

  #retire(listener: Deno.Listener): void {
    this.#closed.add(listener);
    closeQuietly(listener);
  }

  /**
   * Whether two listeners can have one port at the same time. Deno needs `--unstable-net` for that and
   * ends the process otherwise (2.9.6); the flag also adds this function.
   */
  get #isPortShared(): boolean {
    return Deno.build.os === "linux" && this.#tls !== undefined && "listenDatagram" in Deno;
  }

  /** Listens on a port that was closed just now: Deno frees it a moment later (2.9.6). */
  async #listenAgain(port: number, tls: TlsPair): Promise<Deno.Listener> {
    for (const end = performance.now() + TLS_DRAIN_MS;;) {
      try {
        return this.#listen(port, tls);
      } catch (error) {
        if (!(error instanceof Deno.errors.AddrInUse) || performance.now() > end) throw error;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }

  /** Waits until a listener has no connection in its queue, for a limited time. */
  async #untilIdle(listener: Deno.Listener): Promise<void> {
    const end = performance.now() + TLS_DRAIN_MS;
    do {
      await new Promise((resolve) => setTimeout(resolve, TLS_DRAIN_STEP_MS));
      // Two turns of the event loop, which take what came in the meantime from the queue.
      for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
    } while (!this.#idle.has(listener) && performance.now() < end && !this.#isClosing);
  }

  /** Returns the counters. */
  counts(): Omit<EdgeCounts, "eventLoopDelay"> {
    return {
      connections: this.#table.counts(),
      bodies: this.#bodies.counts(),
      acceptErrors: this.#acceptErrors,
    };
  }

  /**
   * Accepts no more connections, and lets open requests finish.
   *
   * @param timeoutMs connections that are still open then are closed
   */
  async close(timeoutMs: number): Promise<void> {
    this.#isClosing = true;
    const listener = this.#listener;
    if ("shutdown" in listener) await withTimeout(timeoutMs, listener.shutdown());
    else listener.close();
    this.#onEnd?.();
    for (const shutdown of [...this.#shutdowns]) {
      // Fails if the connection has just ended.
      shutdown().catch(ignore);
    }
    await withTimeout(timeoutMs, Promise.all([this.#accepting, ...this.#open]));
    clearInterval(this.#timer);
    this.#table.closeAll();
    // Deno does not close a connection that it shuts down (2.9.6); such a one ends with the process.
    await withTimeout(Math.min(timeoutMs, CLOSE_DELAY_MS), Promise.all(this.#open));
  }

  #listen(port: number, tls = this.#tls): Deno.Listener {
    const { hostname } = this.#options;
    return tls === undefined ? Deno.listen({ hostname, port }) : Deno.listenTls({
      hostname,
      port,
      ...tls,
      alpnProtocols: ["h2", "http/1.1"],
      reusePort: this.#isPortShared,
    });
  }

  /** Without {@link ServeConnection}: only accept errors can be survived. */
  #listenPlain(port: number): Deno.HttpServer<Deno.NetAddr> {
    const { hostname, tls, handle } = this.#options;
    const options = {
      hostname,
      port,
      ...tls,
      onListen: () => {},
      onError: (error: unknown) => this.#onHandlerError(error),
    };
    const server = Deno.serve(options, (request, info) => {
      const { remoteAddr } = info;
      const peer = peerOf(remoteAddr);
      const exchange = new Exchange(info, this.#bodies, this.#clientOf(peer));
      const response = handle(request, peer, exchange);
      return response instanceof Promise ? response.finally(() => exchange.end()) : response;
    });
    server.finished.catch(async (error) => {
      for (let pause = ACCEPT_PAUSE_MS; !this.#isClosing;) {
        pause = await this.#pauseAfter(error, pause);
        try {
          this.#listener = this.#listenPlain(portOf(server.addr));
          return;
        } catch (again) {
          error = again;
        }
      }
    });
    return server;
  }

  async #acceptAll(listener: Deno.Listener, serve: ServeConnection): Promise<void> {
    let pause = ACCEPT_PAUSE_MS;
    while (!this.#isClosing) {
      let connection: Deno.Conn;
      try {
        this.#idle.add(listener);
        connection = await listener.accept();
        this.#idle.delete(listener);
        pause = ACCEPT_PAUSE_MS;
      } catch (error) {
        this.#idle.delete(listener);
        if (this.#isClosing || this.#closed.has(listener)) return;
        pause = await this.#pauseAfter(error, pause);
        continue;
      }
      const peer = peerOf(connection.remoteAddr);
      const client = this.#clientOf(peer);
      let admission = this.#table.decide(client);
      while (admission === "wait" && !this.#isClosing) {
        await this.#nextEnd();
        admission = this.#table.decide(client);
      }
      // Descriptors of ended connections are free a turn of the event loop later.
      await new Promise((resolve) => setImmediate(resolve));
      if (admission === "closed" || this.#isClosing) closeQuietly(connection);
      else if ("handshake" in connection) {
        void this.#serveTls(connection as Deno.TlsConn, serve, peer, client, admission);
      } else this.#serve(connection, serve, peer, client, admission === "refused");
    }
  }

  /** Waits until a connection ends, or for a short time. */
  #nextEnd(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onEnd = resolve;
    return withTimeout(EVICTION_PAUSE_MS, promise);
  }

  async #pauseAfter(error: unknown, pause: number): Promise<number> {
    this.#acceptErrors++;
    const reason = error instanceof Error ? error.message : String(error);
    // One line for a row of errors.
    if (pause === ACCEPT_PAUSE_MS) {
      this.#options.log(`cannot accept a connection: ${reason}; the server tries again`, "accept");
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    return Math.min(pause * 2, MAX_ACCEPT_PAUSE_MS);
  }

  /**
   * Serves a TLS connection after its handshake. Before that, Deno keeps the file descriptor whatever
   * the server does (2.9.6). Until the client ends it, the connection counts, so that the descriptors
   * of worlds and plugins stay free.
   */
  async #serveTls(
    accepted: Deno.TlsConn,
    serve: ServeConnection,
    peer: string,
    client: string | undefined,
    admission: Admission,
  ): Promise<void> {
    const isRefused = admission === "refused";
    const waiting = this.#table.add(client, isRefused, ignore);
    waiting.busy++;
    try {
      await accepted.handshake();
      this.#table.remove(waiting);
      this.#serve(accepted, serve, peer, client, isRefused);
    } catch {
      // The client sent no valid handshake, or has disconnected.
      this.#table.remove(waiting);
      closeQuietly(accepted);
    }
    this.#onEnd?.();
  }

  #serve(
    accepted: Deno.Conn,
    serve: ServeConnection,
    peer: string,
    client: string | undefined,
    isRefused: boolean,
  ): void {
    const closer = new Closer();
    const open = this.#table.add(client, isRefused, () => closer.close());
    const handler = isRefused
      ? (request: Request) => this.#refuse(open, request)
      : (request: Request, info: Deno.ServeHandlerInfo) =>
        this.#handle(open, request, peer, info, client);
    try {
      const served = serve(
        accepted,
        closer,
        handler,
        (error) => this.#onHandlerError(error),
        ignore,
      );
      const shutdown = () => served.shutdown();
      this.#shutdowns.add(shutdown);
      // Rejects if the client broke the connection, which is not a failure of the server.
      const ended = served.finished.then(ignore, ignore).then(() => {
        this.#table.remove(open);
        this.#shutdowns.delete(shutdown);
        this.#open.delete(ended);
        this.#onEnd?.();
      });
      this.#open.add(ended);
    } catch {
      // The client has closed the connection already.
      this.#table.remove(open);
      closeQuietly(accepted);
    }
  }

  #handle(
    open: OpenConnection,
    request: Request,
    peer: string,
    info: Deno.ServeHandlerInfo,
    client: string | undefined,
  ): Response | Promise<Response> {
    open.hasRequested = true;
    const exchange = new WatchedExchange(info, this.#bodies, client, (isAtOnce, cancel) => {
      // The connection of HTTP/2 has other requests.
      if (!request.headers.has("host")) return cancel();
      const close = () => {
        open.close();
        cancel();
      };
      if (isAtOnce) close();
      else Deno.unrefTimer(Number(setTimeout(close, CLOSE_DELAY_MS)));
    });
    const response = this.#options.handle(request, peer, exchange);
    if (!(response instanceof Promise)) {
      open.usedAt = this.#table.checkedAt;
      // A response that needs no promise is in memory, and never a stream.
      return exchange.isContentLarge ? this.#watch(open, request, response, exchange) : response;
    }
    open.busy++;
    return this.#finish(open, request, response, exchange);
  }

  async #finish(
    open: OpenConnection,
    request: Request,
    pending: Promise<Response>,
    exchange: WatchedExchange,
  ): Promise<Response> {
    try {
      const response = await pending;
      open.usedAt = performance.now();
      // The rest of the body will not be read. Over HTTP/2 only the stream ends. A 408 of a plugin whose work
      // took too long is another one: its client may send the next request on the connection.
      if (response.status === 408 && exchange.isBodyGivenUp && request.headers.has("host")) {
        const close = () => this.#table.closeSoon(open);
        exchange.completed.then(close, close);
      }
      return this.#watch(open, request, response, exchange);
    } finally {
      open.busy--;
      exchange.end();
    }
  }

  /**
   * Watches a response until it was sent, if it can be longer than what the system buffers. If its
   * client reads nothing for too long, the connection is closed.
   */
  #watch(
    open: OpenConnection,
    request: Request,
    response: Response,
    exchange: WatchedExchange,
  ): Response {
    const { progress, ownBytes, isContentOwn } = exchange;
    const length = watchedLength(response);
    if (length === undefined || request.method === "HEAD") return response;
    const onSentBy = (sent: SentResponse) => {
      const onSent = () => this.#table.endSending(sent);
      exchange.completed.then(onSent, onSent);
    };
    if (progress !== undefined) {
      const sent = this.#table.startSending(open, { bytes: ownBytes, progress });
      if (sent === undefined) return this.#refuseContent(request, response, ownBytes);
      onSentBy(sent);
      return response;
    }
    if (length === "unknown") {
      // Content that was made before, without a stream.
      const sent = this.#table.startSending(open, { bytes: 0, length: MAX_CACHE_ENTRY_BYTES });
      if (sent !== undefined) onSentBy(sent);
      return response;
    }
    if (length <= UNDIVIDED_RESPONSE_BYTES && !isContentOwn) {
      this.#table.allowTime(open, length);
      return response;
    }
    const isShared = length <= MAX_CACHE_ENTRY_BYTES && !isContentOwn;
    const bytes = isShared ? 2 * RESPONSE_PART_BYTES : length;
    const { status, headers, body } = response;
    const parts = body === null ? undefined : new ResponseParts(body);
    const sent = this.#table.startSending(open, {
      bytes,
      length,
      ...(parts && { progress: parts }),
    });
    if (sent === undefined) {
      return this.#refuseContent(request, parts?.stream ?? null, length);
    }
    onSentBy(sent);
    return new Response(parts?.stream, { status, headers });
  }

  #refuseContent(
    request: Request,
    content: Response | ReadableStream | null,
    bytes: number,
  ): Response {
    const body = content instanceof Response ? content.body : content;
    // A body that cannot be cancelled is not sent either.
    body?.cancel().catch(ignore);
    return toProblemResponse(
      new Problem(
        "unavailable",
        `Cannot send ${bytes} bytes: too many bytes of other responses are being sent; send the ` +
          "request again later",
        { "retry-after": "5" },
      ),
      request.headers.get("accept"),
    );
  }

  #refuse(open: OpenConnection, request: Request): Response {
    open.hasRequested = true;
    return toProblemResponse(
      new Problem(
        "unavailable",
        "Cannot answer: too many connections are open; close some, or send the request again later",
        // HTTP/2 has no Connection header (RFC 9113 §8.2.2).
        request.headers.has("host")
          ? { "retry-after": "5", "connection": "close" }
          : { "retry-after": "5" },
      ),
      request.headers.get("accept"),
      request.method === "HEAD",
    );
  }

  #onHandlerError(error: unknown): Response {
    const text = describeBodyEnd(error) ??
      (error instanceof Error ? error.stack ?? error.message : String(error));
    if (text !== "") this.#options.log(`failed: ${text}`, "failed");
    return new Response("500 Internal server error\n", { status: 500 });
  }

  /** The address whose share a connection uses. */
  #clientOf(peer: string): string | undefined {
    return isUnlimited(peer) || this.#options.isProxy(peer) ? undefined : toShareKey(peer);
  }
}

/** IPv6 clients usually have a network of 64 bits. */
function toShareKey(peer: string): string {
  if (!peer.includes(":")) return peer;
  const ip = parseIp(peer);
  return ip === undefined || ip.v4 ? peer : ip.groups.slice(0, 4).join(":");
}

function isUnlimited(peer: string): boolean {
  if (peer === "127.0.0.1" || peer === "::1") return true;
  const ip = parseIp(peer);
  return ip !== undefined && isLoopback(ip);
}

function peerOf(address: Deno.Addr): string {
  return "hostname" in address ? address.hostname : "127.0.0.1";
}

function portOf(address: Deno.Addr): number {
  return "port" in address ? address.port : 0;
}

function closeQuietly(connection: Deno.Conn | Deno.Listener): void {
  try {
    connection.close();
  } catch {
    // It was closed already.
  }
}

/** For errors without an effect. */
function ignore(): void {}
