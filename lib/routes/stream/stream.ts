/**
 * Worlds as server-sent events: the current state at once, then every change the moment it is on
 * disk, pushed by the store. One timer beats for all streams; an idle stream costs nothing else.
 * Nobody is told of a world they may not read, and a capability's stream ends with the capability.
 */

import { isExpired } from "../../auth/caller.ts";
import { assertCan } from "../../auth/policy.ts";
import { hasQuery } from "../../http/query.ts";
import { assertValidName, type RequestContext } from "../../request/request_context.ts";
import { encodeComment, EventStream } from "../../http/sse.ts";
import { HEARTBEAT_SECONDS } from "../../limits.ts";
import type { ServerContext } from "../../request/server_context.ts";
import { isInNamespace } from "../../world/name.ts";
import { CollectionFeed } from "./collection_feed.ts";
import { WorldFeed } from "./world_feed.ts";

const HEADERS = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  // nginx would otherwise hold events back until its buffer is full.
  "x-accel-buffering": "no",
};
const BEAT = encodeComment("beat");

/** Feeds one stream from the store until it ends. */
export interface Feed {
  /** Sends the current state and begins to follow changes. */
  start(): Promise<void>;
  stop(): void;
}

interface Open {
  readonly stream: EventStream;
  readonly ended: () => boolean;
}

/** The open streams, and the handler that opens one. */
export class Streams {
  readonly #server: ServerContext;
  readonly #heartbeatMs: number;
  readonly #open = new Set<Open>();
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param heartbeatMs milliseconds between two heartbeats */
  constructor(server: ServerContext, heartbeatMs = HEARTBEAT_SECONDS * 1000) {
    this.#server = server;
    this.#heartbeatMs = heartbeatMs;
  }

  /** Number of open streams. */
  get size(): number {
    return this.#open.size;
  }

  /**
   * `GET /stream/<name>`: opens the stream of a world or of a collection.
   *
   * @throws {Problem} `unauthorized`, `forbidden`, `bad-name`
   */
  async open(context: RequestContext): Promise<Response> {
    const { request, target, caller } = context;
    const subject = subjectOf(target.name);
    const path = `/${subject}`;
    assertCan(caller, "read", path);
    const whole = target.isCollection || subject === "" || !subject.includes("/");
    if (!whole) assertValidName(subject, "stream");
    if (request.method === "HEAD") return new Response(null, { headers: HEADERS });
    const ended = () => isExpired(caller, this.#server.now() / 1000);
    const stream = new EventStream(() => {
      feed.stop();
      this.#leave(open);
    });
    const open: Open = { stream, ended };
    const brief = hasQuery(target.query, "brief");
    const seen = request.headers.get("last-event-id");
    const send = (bytes: Uint8Array) => {
      if (ended()) stream.close();
      return stream.send(bytes);
    };
    const { store } = this.#server;
    const fail = () => stream.close();
    const feed: Feed = whole
      ? new CollectionFeed({ store, caller, name: subject, brief, send, onError: fail }, seen)
      : new WorldFeed({ store, caller, name: subject, send, onError: fail }, seen);
    this.#join(open);
    try {
      await feed.start();
    } catch (error) {
      stream.close();
      throw error;
    }
    return new Response(stream.readable, { headers: HEADERS });
  }

  /** Ends every stream, so that a shutdown need not wait for their readers. */
  close(): void {
    for (const { stream } of [...this.#open]) stream.close();
  }

  #join(open: Open): void {
    this.#open.add(open);
    this.#timer ??= setInterval(() => this.#beat(), this.#heartbeatMs);
  }

  #leave(open: Open): void {
    this.#open.delete(open);
    if (this.#open.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #beat(): void {
    for (const { stream, ended } of [...this.#open]) {
      if (ended()) stream.close();
      else stream.send(BEAT);
    }
  }
}

/** `stream/x` is `home/x` when `x` is not a namespace; `stream` alone is everything. */
function subjectOf(name: string): string {
  const subject = name === "stream" ? "" : name.slice("stream/".length);
  return subject === "" || isInNamespace(subject) ? subject : `home/${subject}`;
}
