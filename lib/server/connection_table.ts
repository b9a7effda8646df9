/**
 * The open connections of the server, with their limits: how many there are, how many a client has,
 * how long one may be without a request, and how long a large response may take. It decides and
 * counts; `connection_server.ts` accepts connections and closes them.
 */

import {
  CLOSE_DELAY_MS,
  EDGE_CHECK_MS,
  type EdgeLimits,
  EVICTABLE_AFTER_MS,
  EVICTABLE_WITHOUT_REQUEST_MS,
  EVICTION_PAUSE_MS,
  MAX_REFUSED_CONNECTIONS,
  REFUSED_CONNECTION_MS,
  STALLED_RESPONSE_MS,
  WATCHED_RESPONSE_BYTES,
} from "../limits.ts";
import type { ConnectionCounts } from "../request/edge_counts.ts";
import type { ReaderProgress } from "../request/request_context.ts";

/** One open connection. */
export class OpenConnection {
  /** Requests that are not answered, and responses that are not sent. */
  busy = 0;
  /** Whether a request head has arrived. */
  hasRequested = false;
  /** Monotonic time at which it was accepted or used last. */
  usedAt: number;
  /** Monotonic time at which it is closed, whatever it does. */
  closeAt = Infinity;

  /**
   * @param client the address whose share it uses; undefined if its client has no such limit
   * @param isRefused whether every request gets 503, because it is above the limit
   * @param close closes it at once
   */
  constructor(
    readonly client: string | undefined,
    readonly isRefused: boolean,
    readonly close: () => void,
    now: number,
  ) {
    this.usedAt = now;
  }
}

/** What the table must know of a response before it is sent. */
export interface ResponseToSend {
  /** Memory that the server holds for this response only. */
  readonly bytes: number;
  /** Length of the content, from which its deadline follows; absent if it has none. */
  readonly length?: number;
  /** How much of it the client has taken; absent if that is not known. */
  readonly progress?: ReaderProgress;
}

/** A response that is being sent. */
export class SentResponse {
  /** What the client had taken at the last look. */
  taken = 0;

  /**
   * @param bytes memory of its body
   * @param deadline monotonic time at which it must have been sent
   * @param progressAt monotonic time at which the client took something last, or at which nothing
   * waited for it
   */
  constructor(
    readonly connection: OpenConnection,
    readonly bytes: number,
    readonly deadline: number,
    readonly progress: ReaderProgress | undefined,
    public progressAt: number,
  ) {}

  /** Notes what the client has taken. Without progress, only the deadline counts. */
  look(now: number): void {
    const { progress } = this;
    if (progress?.hasUnread && progress.taken === this.taken) return;
    this.taken = progress?.taken ?? 0;
    this.progressAt = now;
  }
}

/**
 * The decision about a new connection: it is served; every request gets 503; it waits until another
 * one ends; or it is closed at once.
 */
export type Admission = "admitted" | "refused" | "wait" | "closed";

/** All open connections. */
export class ConnectionTable {
  readonly #limits: EdgeLimits;
  readonly #now: () => number;
  readonly #open = new Set<OpenConnection>();
  readonly #byClient = new Map<string, number>();
  readonly #sent = new Set<SentResponse>();
  readonly #closed = { head: 0, idle: 0, evicted: 0, response: 0 };
  /** Monotonic time of the last check: a clock that costs nothing to read. */
  checkedAt: number;
  #refusedOpen = 0;
  readonly #refused = { total: 0, client: 0 };
  #responseBytes = 0;
  #responsesRefused = 0;
  /** Until then no idle connection is searched, because there was none. */
  #searchAgainAt = 0;

  /**
   * @param limits with the number of connections that was derived
   * @param now monotonic time in milliseconds
   */
  constructor(limits: EdgeLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    this.#now = now;
    this.checkedAt = now();
  }

  /** Open connections, including refused ones. */
  get size(): number {
    return this.#open.size;
  }

  /** Decides about a connection; may close an idle one for it. */
  decide(client: string | undefined): Admission {
    const { maxConnections } = this.#limits;
    const isOverShare = this.#isOverShare(client);
    if (!isOverShare) {
      if (this.#open.size - this.#refusedOpen < maxConnections) return "admitted";
      if (this.#evictIdle()) return "admitted";
    }
    if (this.#refusedOpen < MAX_REFUSED_CONNECTIONS) return "refused";
    // One client must not make the others wait.
    if (!isOverShare) return "wait";
    this.#refused.client++;
    return "closed";
  }

  /** Whether a client has as many connections as one client may have. */
  #isOverShare(client: string | undefined): boolean {
    if (client === undefined) return false;
    const { maxConnections, maxClientConnections } = this.#limits;
    const share = maxClientConnections === 0
      ? Math.max(1, Math.floor(maxConnections / 2))
      : maxClientConnections;
    return (this.#byClient.get(client) ?? 0) >= share;
  }

  /** Adds a connection that was admitted or refused. */
  add(client: string | undefined, isRefused: boolean, close: () => void): OpenConnection {
    const connection = new OpenConnection(client, isRefused, close, this.#now());
    this.#open.add(connection);
    if (isRefused) {
      this.#refusedOpen++;
      this.#refused[this.#isOverShare(client) ? "client" : "total"]++;
    } else if (client !== undefined) {
      this.#byClient.set(client, (this.#byClient.get(client) ?? 0) + 1);
    }
    return connection;
  }

  /** Removes a connection that has ended. */
  remove(connection: OpenConnection): void {
    if (!this.#open.delete(connection)) return;
    this.#searchAgainAt = 0;
    const { client, isRefused } = connection;
    if (isRefused) this.#refusedOpen--;
    else if (client !== undefined) {
      const left = (this.#byClient.get(client) ?? 0) - 1;
      if (left > 0) this.#byClient.set(client, left);
      else this.#byClient.delete(client);
    }
  }

  /**
   * Gives the client time to read a response that is in memory for other readers too. It is not known
   * when such a response has been sent (Deno 2.9.6).
   */
  allowTime(connection: OpenConnection, bytes: number): void {
    connection.usedAt = this.#now() + bytes / this.#limits.minBytesPerSecond * 1000;
  }

  /**
   * Starts to send a response. If too many bytes are being sent, the response that waits longest for
   * its client is given up.
   *
   * @returns undefined if too many bytes are being sent
   */
  startSending(
    connection: OpenConnection,
    { bytes, length, progress }: ResponseToSend,
  ): SentResponse | undefined {
    const { unreadTimeoutMs, minBytesPerSecond, maxResponseBytesInFlight } = this.#limits;
    const now = this.#now();
    const isFull = () =>
      bytes > 0 && this.#responseBytes > 0 &&
      this.#responseBytes + bytes > maxResponseBytesInFlight;
    while (isFull() && this.#giveUpSlowest(now));
    if (isFull()) {
      this.#responsesRefused++;
      return undefined;
    }
    this.#responseBytes += bytes;
    connection.busy++;
    const deadline = length === undefined
      ? Infinity
      : now + unreadTimeoutMs + length / minBytesPerSecond * 1000;
    const sent = new SentResponse(connection, bytes, deadline, progress, now);
    this.#sent.add(sent);
    return sent;
  }

  /** A response was sent, or its client has disconnected. Idempotent. */
  endSending(sent: SentResponse): void {
    if (!this.#sent.delete(sent)) return;
    this.#responseBytes -= sent.bytes;
    sent.connection.busy--;
    sent.connection.usedAt = this.#now();
  }

  /**
   * Closes a connection soon. The client can read the response before: closing a connection with
   * unread data discards what was sent (RFC 9112 §9.6).
   */
  closeSoon(connection: OpenConnection): void {
    connection.closeAt = Math.min(connection.closeAt, this.#now() + CLOSE_DELAY_MS);
  }

  /** Closes connections whose time has passed. Must be called at intervals. */
  check(): void {
    const now = this.#now();
    this.checkedAt = now;
    const { headTimeoutMs, idleTimeoutMs, unreadTimeoutMs } = this.#limits;
    for (const connection of this.#open) {
      const { busy, usedAt, isRefused, hasRequested } = connection;
      const timeoutMs = isRefused
        ? Math.min(REFUSED_CONNECTION_MS, headTimeoutMs)
        : hasRequested
        ? idleTimeoutMs
        : headTimeoutMs;
      if (now >= connection.closeAt) connection.close();
      if (busy > 0 || now - usedAt < timeoutMs) continue;
      this.#closed[hasRequested ? "idle" : "head"]++;
      connection.close();
    }
    for (const sent of this.#sent) {
      sent.look(now);
      if (now >= sent.deadline || now - sent.progressAt >= unreadTimeoutMs) this.#giveUp(sent);
    }
  }

  /** Closes every connection. */
  closeAll(): void {
    for (const connection of [...this.#open]) connection.close();
  }

  /** Returns the counters. */
  counts(): ConnectionCounts {
    return {
      open: this.#open.size,
      limit: this.#limits.maxConnections,
      refused: { ...this.#refused },
      closed: { ...this.#closed },
      responseBytes: this.#responseBytes,
      responsesRefused: this.#responsesRefused,
    };
  }

  /** Gives up the response whose client has not read for the longest time. */
  #giveUpSlowest(now: number): boolean {
    let slowest: SentResponse | undefined;
    for (const sent of this.#sent) {
      sent.look(now);
      if (sent.bytes === 0 || now - sent.progressAt < STALLED_RESPONSE_MS) continue;
      if (slowest === undefined || sent.progressAt < slowest.progressAt) slowest = sent;
    }
    if (slowest !== undefined) this.#giveUp(slowest);
    return slowest !== undefined;
  }

  #giveUp(sent: SentResponse): void {
    this.#closed.response++;
    sent.progress?.onGiveUp?.();
    this.endSending(sent);
    sent.connection.close();
  }

  /** Closes an idle connection. Returns whether there was one. */
  #evictIdle(): boolean {
    const now = this.#now();
    if (now < this.#searchAgainAt) return false;
    const connection = this.#findIdle(now);
    if (connection === undefined) {
      this.#searchAgainAt = now + EVICTION_PAUSE_MS;
      return false;
    }
    this.#closed.evicted++;
    connection.close();
    this.remove(connection);
    return true;
  }

  /** The oldest connection that has sent no request; without one, the oldest that is idle. */
  #findIdle(now: number): OpenConnection | undefined {
    let idle: OpenConnection | undefined;
    for (const connection of this.#open) {
      const { busy, usedAt, isRefused, hasRequested } = connection;
      if (busy > 0 || isRefused) continue;
      if (!hasRequested && now - usedAt >= EVICTABLE_WITHOUT_REQUEST_MS) return connection;
      // The time of use can be that of the last check before it.
      if (hasRequested && now - usedAt >= EVICTABLE_AFTER_MS + EDGE_CHECK_MS) idle ??= connection;
    }
    return idle;
  }
}

/**
 * Returns whether a response must be watched until it was sent, and its length.
 *
 * @returns undefined if it needs no watch; otherwise its length, or `"unknown"`
 */
export function watchedLength({ status, headers }: Response): number | "unknown" | undefined {
  if (status === 304 || status === 204) return undefined;
  const length = headers.get("content-length");
  if (length === null) return "unknown";
  const bytes = Number(length);
  return bytes > WATCHED_RESPONSE_BYTES ? bytes : undefined;
}
