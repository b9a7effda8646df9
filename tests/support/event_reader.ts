/**
 * Reads server-sent events as a browser's EventSource does, by the algorithm of WHATWG HTML §9.2.6 and
 * independently of the encoder under test.
 */

/** A dispatched event. */
export interface ReceivedEvent {
  readonly type: string;
  readonly data: string;
  readonly lastEventId: string;
}

/** A test gives up waiting for the next bytes of a stream after this time, in milliseconds. It limits no speed. */
const MAX_WAIT_MS = 60_000;

/** One open stream. */
export class EventReader {
  readonly response: Response;
  /** All comments so far; heartbeats are comments. */
  readonly comments: string[] = [];
  /** The whole text so far. */
  wire = "";
  readonly #abort: AbortController;
  readonly #pieces: ReadableStreamDefaultReader<string> | undefined;
  readonly #ready: ReceivedEvent[] = [];
  #rest = "";
  #type = "";
  #data = "";
  #id = "";
  #ended = false;

  readonly #maxWaitMs: number;

  constructor(response: Response, abort: AbortController, maxWaitMs = MAX_WAIT_MS) {
    this.#maxWaitMs = maxWaitMs;
    this.response = response;
    this.#abort = abort;
    this.#pieces = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  }

  /**
   * Opens a stream.
   *
   * @param maxWaitMs longest wait for the next bytes
   */
  static async open(
    url: string,
    headers: Record<string, string> = {},
    maxWaitMs?: number,
  ): Promise<EventReader> {
    const abort = new AbortController();
    const accept = { accept: "text/event-stream", ...headers };
    const response = await fetch(url, { headers: accept, signal: abort.signal });
    return new EventReader(response, abort, maxWaitMs);
  }

  /** Returns the next event, or `undefined` after the stream has ended. */
  async next(): Promise<ReceivedEvent | undefined> {
    while (this.#ready.length === 0 && await this.#read());
    return this.#ready.shift();
  }

  /**
   * Reads until the server ends the stream.
   *
   * @throws {Error} if it does not within a minute
   */
  async untilEnd(): Promise<void> {
    const late = new Error("the stream did not end");
    const timer = setTimeout(() => this.#abort.abort(late), MAX_WAIT_MS);
    try {
      while (await this.next() !== undefined);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Reads until there are this many comments. */
  async untilComments(count: number): Promise<void> {
    while (this.comments.length < count && await this.#read());
  }

  /** Disconnects, as a closed tab does. */
  async close(): Promise<void> {
    this.#ended = true;
    this.#abort.abort();
    await this.#pieces?.cancel().catch(() => {}); // it rejects with the abort above
  }

  async #read(): Promise<boolean> {
    if (this.#ended || this.#pieces === undefined) return false;
    const timer = setTimeout(
      () => this.#abort.abort(new Error("no bytes in time")),
      this.#maxWaitMs,
    );
    const { done, value } = await this.#pieces.read().finally(() => clearTimeout(timer));
    if (done) {
      this.#ended = true;
      return false;
    }
    this.wire += value;
    this.#rest += value;
    const lines = this.#rest.split(/\r\n|\n|\r/);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line);
    return true;
  }

  #line(line: string): void {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) {
      this.comments.push(line.slice(1).trim());
      return;
    }
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#type = value;
    if (field === "data") this.#data += `${value}\n`;
    if (field === "id" && !value.includes("\0")) this.#id = value;
  }

  #dispatch(): void {
    if (this.#data !== "") {
      this.#ready.push({
        type: this.#type || "message",
        data: this.#data.slice(0, -1),
        lastEventId: this.#id,
      });
    }
    this.#type = this.#data = "";
  }
}
