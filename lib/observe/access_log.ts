/**
 * The access log: observes the responses of the app and writes one line per response after it was
 * delivered, for an event stream at its end. It never delays or changes a response.
 */

import type { ClientFinder } from "../http/client_address.ts";
import type { Connection, RequestContext } from "../request/request_context.ts";
import { encodePath, pathForLog } from "../http/path.ts";
import { formatRecord, type LogFormat } from "./access_record.ts";
import { LOG_CLOSE_TIMEOUT_MS } from "../limits.ts";
import { withTimeout } from "../base/timeout.ts";
import { LineWriter } from "./line_writer.ts";

/** Answers the requests that the log records. */
export interface LoggedApp {
  /** Answers a request; `onAdmitted` receives the context that the gate created. */
  handle(
    request: Request,
    peer: string,
    connection: Connection,
    onAdmitted: (context: RequestContext) => void,
  ): Response | Promise<Response>;
}

/** The app to observe and the output of the log. */
export interface AccessLogOptions {
  readonly app: LoggedApp;
  readonly findClient: ClientFinder;
  readonly format: LogFormat | "off";
  /** Current time in Unix milliseconds. */
  readonly now: () => number;
  /** Writes some of the bytes to the log and returns how many. */
  readonly write: (bytes: Uint8Array) => Promise<number>;
  /** Characters that can wait to be written. */
  readonly limit?: number;
  /** Writes one line for the operator. */
  readonly log: (line: string) => void;
}

/**
 * Creates the access log if there is an output. While its format is `off`, requests need not pass
 * through it.
 *
 * @param format format of the lines, or `off`
 * @returns undefined if there is no output
 */
export function createAccessLog(
  format: LogFormat | "off",
  { write, ...options }: Omit<AccessLogOptions, "format" | "write"> & {
    readonly write: AccessLogOptions["write"] | undefined;
  },
): AccessLog | undefined {
  return write === undefined ? undefined : new AccessLog({ ...options, format, write });
}

/** Passes requests to the app and logs the responses. */
export class AccessLog {
  readonly #options: AccessLogOptions;
  readonly #lines: LineWriter;
  readonly #open = new Set<Promise<void>>();
  #format: LogFormat | "off";

  constructor(options: AccessLogOptions) {
    this.#options = options;
    this.#format = options.format;
    this.#lines = new LineWriter({
      write: (bytes) => options.write(bytes),
      ...(options.limit === undefined ? {} : { limit: options.limit }),
      formatDropped: (count) =>
        this.#format === "json"
          ? `{"dropped":${count}}\n`
          : `dropped ${count} access log lines: the reader is too slow\n`,
      onError: (error) => options.log(`cannot write the access log: ${error}`),
    });
  }

  /** Lines that were dropped since the start. */
  get dropped(): number {
    return this.#lines.dropped;
  }

  /** Whether responses are logged. */
  get isEnabled(): boolean {
    return this.#format !== "off";
  }

  /**
   * Replaces the settings. They apply to the responses that end from now on.
   *
   * @param format format of the lines, or `off`
   * @param chars characters that can wait to be written
   */
  configure(format: LogFormat | "off", chars: number): void {
    this.#format = format;
    this.#lines.setLimit(chars);
  }

  /** Passes a request to the app and logs the response after delivery. */
  async handle(request: Request, peer: string, connection: Connection): Promise<Response> {
    const start = performance.now();
    const { app, findClient } = this.#options;
    let context: RequestContext | undefined;
    const response = await app.handle(request, peer, connection, (admitted) => context = admitted);
    const { address } = findClient(peer, request.headers);
    const { method, url } = request;
    const path = context === undefined ? pathForLog(url) : encodePath(context.target.path);
    // Read now: the caller is immutable, but the request may be released before the response ends.
    const by = context?.caller.by;
    const counter = countContent(method, response);
    const writeRecord = (aborted: boolean) => {
      if (this.#format === "off") return;
      this.#lines.write(formatRecord({
        time: this.#options.now(),
        client: address,
        ...(by === undefined ? {} : { by }),
        method,
        path,
        status: response.status,
        bytes: counter.bytes(),
        ms: performance.now() - start,
        ...(aborted || counter.cut() ? { aborted: true } : {}),
      }, this.#format));
    };
    const logged = connection.completed.then(() => writeRecord(false), () => writeRecord(true));
    this.#open.add(logged);
    void logged.finally(() => this.#open.delete(logged));
    return counter.response;
  }

  /**
   * Waits for the current responses, which must have been ended, at most
   * {@link LOG_CLOSE_TIMEOUT_MS} milliseconds, and writes the remaining lines.
   */
  async close(): Promise<void> {
    await withTimeout(LOG_CLOSE_TIMEOUT_MS, Promise.all(this.#open));
    await this.#lines.close();
  }
}

/** A response whose content is counted while it is sent. */
interface CountedResponse {
  readonly response: Response;
  bytes(): number;
  /** The client disconnected before the end. Deno reports such a stream as completed (2.9.6). */
  cut(): boolean;
}

/**
 * Determines the length of the content from Content-Length, otherwise by counting the bytes that
 * pass.
 */
function countContent(method: string, response: Response): CountedResponse {
  const { status, headers } = response;
  const withLength = (bytes: number) => ({ response, bytes: () => bytes, cut: () => false });
  if (method === "HEAD" || status === 204 || status === 304) return withLength(0);
  const declared = headers.get("content-length");
  if (declared !== null) return withLength(Number(declared));
  if (response.body === null) return withLength(0);
  let bytes = 0;
  let cut = false;
  const body = response.body.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        bytes += chunk.length;
        controller.enqueue(chunk);
      },
      cancel() {
        cut = true;
      },
    }),
  );
  return { response: new Response(body, { status, headers }), bytes: () => bytes, cut: () => cut };
}
