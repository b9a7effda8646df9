/**
 * Event streams (WHATWG server-sent events) of worlds and collections. A stream sends the current
 * state first and then every change as soon as it is on disk. The store calls the feed; there is no
 * polling. One timer sends heartbeats to all streams. A stream sends only worlds that the caller
 * can read. It ends at once, also without traffic, when the authority of its caller ends: its
 * capability expires, or its account is removed or changed. The number of open streams is limited,
 * and so is the memory of readers that are too slow.
 */

import type { Caller } from "../../auth/caller.ts";
import { assertCan } from "../../auth/policy.ts";
import { BufferBudget } from "../../http/buffer_budget.ts";
import { EventStream } from "../../http/event_stream.ts";
import { splitIntoPieces } from "../../http/pieces.ts";
import { UNCACHED_HEADERS } from "../../http/headers.ts";
import { hasQuery } from "../../http/query.ts";
import { encodeComment } from "../../http/sse.ts";
import {
  HEARTBEAT_SECONDS,
  HEARTBEAT_TURN_MS,
  HEARTBEATS_PER_TURN,
  STREAM_EXPIRY_CHECK_MS,
} from "../../limits.ts";
import { assertValidName, type RequestContext } from "../../request/request_context.ts";
import type { ServerContext } from "../../request/server_context.ts";
import { isInNamespace } from "../../world/name.ts";
import { parseLogPath, readLogAccess } from "../proc/plugin_log.ts";
import { CollectionFeed } from "./collection_feed.ts";
import type { Feed, FeedOptions } from "./feed.ts";
import { PluginLogFeed } from "./plugin_log_feed.ts";
import { StreamPlaces } from "./stream_places.ts";
import { WorldFeed } from "./world_feed.ts";

const HEADERS = {
  "content-type": "text/event-stream",
  ...UNCACHED_HEADERS,
  // nginx would otherwise hold events back until its buffer is full.
  "x-accel-buffering": "no",
};
const HEARTBEAT = splitIntoPieces(encodeComment("beat"));

interface OpenStream {
  readonly stream: EventStream;
  /** The object that the authenticator returned, so that it can be checked again. */
  readonly caller: Caller;
}

/** Figures for the metrics, since the start except those that say "now". */
export interface StreamCounts {
  /** Open streams now. */
  readonly size: number;
  /** Bytes of all events that wait for readers now, each event counted once. */
  readonly bufferBytes: number;
  /** Streams of readers that were too slow. */
  readonly lagged: number;
  /** Streams that ended with the authority of their caller. */
  readonly revoked: number;
  /** Streams that were refused, by the limit that refused them. */
  readonly refused: { readonly total: number; readonly client: number };
}

/** The open streams, and the handler that opens one. */
export class Streams implements StreamCounts {
  readonly #server: ServerContext;
  readonly #heartbeatMs: number;
  readonly #open = new Set<OpenStream>();
  readonly #places: StreamPlaces;
  readonly #budget: BufferBudget;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** Timer of the next turn of a round of heartbeats. */
  #turnTimer: ReturnType<typeof setTimeout> | undefined;
  #expiryTimer: ReturnType<typeof setTimeout> | undefined;
  /** When that timer fires, by `performance.now()`. */
  #expiryDue = 0;
  #lagged = 0;
  #revoked = 0;

  /**
   * @param server services of the server
   * @param places the places of streams and waiting requests
   * @param heartbeatMs interval between two heartbeats in milliseconds
   */
  constructor(
    server: ServerContext,
    places = new StreamPlaces(server.config.streamLimits),
    heartbeatMs = HEARTBEAT_SECONDS * 1000,
  ) {
    const { streamLimits } = server.config;
    this.#server = server;
    this.#heartbeatMs = heartbeatMs;
    this.#places = places;
    this.#budget = new BufferBudget(streamLimits.bufferBytes);
    server.authenticator.onChange(() => this.#endRevoked());
  }

  get size(): number {
    return this.#open.size;
  }

  get bufferBytes(): number {
    return this.#budget.bytes;
  }

  get lagged(): number {
    return this.#lagged;
  }

  get revoked(): number {
    return this.#revoked;
  }

  get refused(): StreamCounts["refused"] {
    return this.#places.refused;
  }

  /**
   * `GET /stream/<name>`: opens the stream of a world, of a collection, or of the log of a plugin.
   *
   * @throws {Problem} `unauthorized`, `forbidden`, `bad-name`, `too-many-requests`, `unavailable`
   */
  async open(context: RequestContext): Promise<Response> {
    const { request, target, caller, client } = context;
    const logged = target.isCollection ? undefined : parseLogPath(target.path);
    const access = logged === undefined
      ? undefined
      : await readLogAccess(this.#server, caller, logged);
    const subject = logged ?? subjectOf(target.name);
    if (access === undefined) assertCan(caller, "read", `/${subject}`);
    const isCollection = target.isCollection || subject === "" || !subject.includes("/");
    if (!isCollection) assertValidName(subject, "stream");
    if (request.method === "HEAD") {
      // An empty stream, because Deno sends Content-Length 0 for an empty body (RFC 9110 §8.6; 2.9.6).
      return new Response(new Blob([]).stream(), { headers: HEADERS });
    }
    const { store, config: { streamLimits } } = this.#server;
    const leave = this.#places.take(target.path, caller, client);
    const stream = new EventStream({
      limit: streamLimits.lagBytes,
      budget: this.#budget,
      onClose: (end) => {
        if (end === "lagged") this.#lagged++;
        feed.stop();
        leave();
        this.#remove(open);
      },
    });
    const open: OpenStream = { stream, caller };
    const options: FeedOptions = {
      store,
      caller,
      name: subject,
      send: (event) => {
        if (!this.#isCurrent(open)) this.#revoke(open);
        return stream.send(event);
      },
      drained: () => stream.drained(),
      onError: () => stream.close(),
    };
    const lastEventId = request.headers.get("last-event-id");
    const { plugins } = this.#server;
    const feed: Feed = access !== undefined
      ? new PluginLogFeed(options, plugins.admin.logs, access, lastEventId)
      : isCollection
      ? new CollectionFeed({
        ...options,
        brief: hasQuery(target.query, "brief"),
        deep: hasQuery(target.query, "deep"),
        contents: hasQuery(target.query, "contents"),
      }, lastEventId)
      : new WorldFeed(options, lastEventId);
    this.#add(open);
    try {
      await feed.start();
    } catch (error) {
      stream.abort();
      throw error;
    }
    context.connection?.watchReader?.(stream);
    return new Response(stream.readable, { headers: HEADERS });
  }

  /** Ends every stream, so that a shutdown does not wait for their readers. */
  close(): void {
    for (const { stream } of [...this.#open]) stream.close();
  }

  #add(open: OpenStream): void {
    this.#open.add(open);
    this.#timer ??= setInterval(() => this.#sendHeartbeats(), this.#heartbeatMs);
    const { scope } = open.caller;
    if (scope !== undefined) this.#setExpiryTimer(scope.exp * 1000 - this.#server.now());
  }

  #remove(open: OpenStream): void {
    this.#open.delete(open);
    if (this.#open.size > 0) return;
    clearInterval(this.#timer);
    clearTimeout(this.#turnTimer);
    clearTimeout(this.#expiryTimer);
    this.#timer = this.#turnTimer = this.#expiryTimer = undefined;
  }

  #sendHeartbeats(): void {
    this.#endRevoked();
    // With very many streams, a round can last longer than the interval.
    if (this.#turnTimer === undefined) this.#sendInTurns([...this.#open]);
  }

  /** Sends heartbeats to some streams, then to the rest, so that other requests run in between. */
  #sendInTurns(rest: OpenStream[]): void {
    for (const { stream } of rest.splice(0, HEARTBEATS_PER_TURN)) {
      // A reader that has other bytes to take needs no sign of life.
      if (stream.isOpen && stream.lagBytes === 0) stream.send(HEARTBEAT);
    }
    this.#turnTimer = rest.length === 0 || this.#open.size === 0
      ? undefined
      : setTimeout(() => this.#sendInTurns(rest), HEARTBEAT_TURN_MS);
  }

  #isCurrent({ caller }: OpenStream): boolean {
    return this.#server.authenticator.isCurrent(caller);
  }

  /** What is queued was readable when it was sent, but the caller must not get it any more. */
  #revoke({ stream }: OpenStream): void {
    if (!stream.isOpen) return;
    this.#revoked++;
    stream.abort();
  }

  #endRevoked(): void {
    for (const open of [...this.#open]) {
      if (!this.#isCurrent(open)) this.#revoke(open);
    }
  }

  /** Checks expired capabilities when the next one expires. */
  #scheduleExpiry(): void {
    const now = this.#server.now();
    let ms = Infinity;
    for (const { caller: { scope } } of this.#open) {
      if (scope !== undefined) ms = Math.min(ms, scope.exp * 1000 - now);
    }
    if (ms !== Infinity) this.#setExpiryTimer(ms);
  }

  /**
   * Makes sure that capabilities are checked within `ms` milliseconds. The time of expiry is a date,
   * and the computer's clock can be set, so the interval has an upper bound.
   */
  #setExpiryTimer(ms: number): void {
    const wait = Math.max(0, Math.min(ms, STREAM_EXPIRY_CHECK_MS));
    const due = performance.now() + wait;
    if (this.#expiryTimer !== undefined && this.#expiryDue <= due) return;
    clearTimeout(this.#expiryTimer);
    this.#expiryDue = due;
    this.#expiryTimer = setTimeout(() => {
      this.#expiryTimer = undefined;
      this.#endRevoked();
      this.#scheduleExpiry();
    }, wait);
  }
}

/** `stream/x` means `home/x` if `x` is not a namespace; `stream` is the whole tree. */
function subjectOf(name: string): string {
  const subject = name === "stream" ? "" : name.slice("stream/".length);
  return subject === "" || isInNamespace(subject) ? subject : `home/${subject}`;
}
