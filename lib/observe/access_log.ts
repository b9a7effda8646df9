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
  /** Answers a request; `onAdmitted` receives what the gate made of it. */
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
  readonly form: LogFormat;
  /** Current time in Unix milliseconds. */
  readonly now: () => number;
  /** Writes some of the bytes to the log and returns how many. */
  readonly write: (bytes: Uint8Array) => Promise<number>;
  /** Writes one line for the operator. */
  readonly log: (line: string) => void;
}

/**
 * Creates the access log if it is enabled and there is an output.
 *
 * @param form format of the lines, or `off`
 * @returns undefined if it is disabled
 */
export function createAccessLog(
  form: LogFormat | "off",
  { write, ...options }: Omit<AccessLogOptions, "form" | "write"> & {
    readonly write: AccessLogOptions["write"] | undefined;
  },
): AccessLog | undefined {
  return form === "off" || write === undefined
    ? undefined
    : new AccessLog({ ...options, form, write });
}

/** Passes requests to the app and logs the responses. */
export class AccessLog {
  readonly #options: AccessLogOptions;
  readonly #lines: LineWriter;
  readonly #open = new Set<Promise<void>>();

  constructor(options: AccessLogOptions) {
    this.#options = options;
    this.#lines = new LineWriter({
      write: (bytes) => options.write(bytes),
      formatDropped: (count) =>
        options.form === "json"
          ? `{"dropped":${count}}\n`
          : `dropped ${count} access log lines: the reader is too slow\n`,
      onError: (error) => options.log(`the access log stopped: ${error}`),
    });
  }

  /** Passes a request to the app and logs the response after delivery. */
  async handle(request: Request, peer: string, connection: Connection): Promise<Response> {
    const start = performance.now();
    const { app, findClient } = this.#options;
    let context: RequestContext | undefined;
    const response = await app.handle(request, peer, connection, (entered) => context = entered);
    const { address } = findClient(peer, request.headers);
    const { method, url } = request;
    const path = context === undefined ? pathForLog(url) : encodePath(context.target.path);
    // Read now: the caller is immutable, but the request may be released before the response ends.
    const by = context?.caller.by;
    const counted = count(method, response);
    const note = (aborted: boolean) => {
      this.#lines.write(formatRecord({
        time: this.#options.now(),
        client: address,
        ...(by === undefined ? {} : { by }),
        method,
        path,
        status: response.status,
        bytes: counted.bytes(),
        ms: performance.now() - start,
        ...(aborted || counted.cut() ? { aborted: true } : {}),
      }, this.#options.form));
    };
    const logged = connection.completed.then(() => note(false), () => note(true));
    this.#open.add(logged);
    void logged.finally(() => this.#open.delete(logged));
    return counted.response;
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
interface Counted {
  readonly response: Response;
  bytes(): number;
  /** The client disconnected before the end. Deno reports such a stream as completed (2.9.6). */
  cut(): boolean;
}

/**
 * Determines the length of the content from Content-Length, otherwise by counting the bytes that
 * pass.
 */
function count(method: string, response: Response): Counted {
  const { status, headers } = response;
  const whole = (bytes: number) => ({ response, bytes: () => bytes, cut: () => false });
  if (method === "HEAD" || status === 204 || status === 304) return whole(0);
  const declared = headers.get("content-length");
  if (declared !== null) return whole(Number(declared));
  if (response.body === null) return whole(0);
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
