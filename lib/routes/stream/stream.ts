/**
 * Event streams (WHATWG server-sent events) of worlds and collections. A stream sends the current
 * state first and then every change as soon as it is on disk. The store calls the feed; there is no
 * polling. One timer sends heartbeats to all streams. A stream sends only worlds that the caller
 * can read, and it ends when the capability of its caller expires.
 */

import { UNCACHED_HEADERS } from "../../http/headers.ts";
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
  ...UNCACHED_HEADERS,
  // nginx would otherwise hold events back until its buffer is full.
  "x-accel-buffering": "no",
};
const HEARTBEAT = encodeComment("beat");

/** Sends the events of one stream until it ends. */
export interface Feed {
  /** Sends the current state and starts to follow changes. */
  start(): Promise<void>;
  /** Stops following changes. */
  stop(): void;
}

interface OpenStream {
  readonly stream: EventStream;
  readonly ended: () => boolean;
}

/** The open streams, and the handler that opens one. */
export class Streams {
  readonly #server: ServerContext;
  readonly #heartbeatMs: number;
  readonly #open = new Set<OpenStream>();
  #timer: ReturnType<typeof setInterval> | undefined;

  /**
   * @param server services of the server
   * @param heartbeatMs interval between two heartbeats in milliseconds
   */
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
    const isCollection = target.isCollection || subject === "" || !subject.includes("/");
    if (!isCollection) assertValidName(subject, "stream");
    if (request.method === "HEAD") return new Response(null, { headers: HEADERS });
    const ended = () => isExpired(caller, this.#server.now() / 1000);
    const stream = new EventStream(() => {
      feed.stop();
      this.#remove(open);
    });
    const open: OpenStream = { stream, ended };
    const brief = hasQuery(target.query, "brief");
    const lastEventId = request.headers.get("last-event-id");
    const send = (bytes: Uint8Array) => {
      if (ended()) stream.close();
      return stream.send(bytes);
    };
    const { store } = this.#server;
    const fail = () => stream.close();
    const feed: Feed = isCollection
      ? new CollectionFeed(
        { store, caller, name: subject, brief, send, onError: fail },
        lastEventId,
      )
      : new WorldFeed({ store, caller, name: subject, send, onError: fail }, lastEventId);
    this.#add(open);
    try {
      await feed.start();
    } catch (error) {
      stream.close();
      throw error;
    }
    return new Response(stream.readable, { headers: HEADERS });
  }

  /** Ends every stream, so that a shutdown does not wait for their readers. */
  close(): void {
    for (const { stream } of [...this.#open]) stream.close();
  }

  #add(open: OpenStream): void {
    this.#open.add(open);
    this.#timer ??= setInterval(() => this.#sendHeartbeats(), this.#heartbeatMs);
  }

  #remove(open: OpenStream): void {
    this.#open.delete(open);
    if (this.#open.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #sendHeartbeats(): void {
    for (const { stream, ended } of [...this.#open]) {
      if (ended()) stream.close();
      else stream.send(HEARTBEAT);
    }
  }
}

/** `stream/x` means `home/x` if `x` is not a namespace; `stream` is the whole tree. */
function subjectOf(name: string): string {
  const subject = name === "stream" ? "" : name.slice("stream/".length);
  return subject === "" || isInNamespace(subject) ? subject : `home/${subject}`;
}
