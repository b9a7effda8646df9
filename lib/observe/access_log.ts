/**
 * The access log: watches the answers of an app leave and writes a line on each when it is delivered,
 * an event stream's at its end. It only looks; no answer waits for its line or looks different for it.
 */

import type { ClientFinder } from "../http/client_address.ts";
import type { Connection, RequestContext } from "../request/request_context.ts";
import { encodePath, pathForLog } from "../http/path.ts";
import { formatRecord, type LogFormat } from "./access_record.ts";
import { LOG_CLOSE_TIMEOUT_MS } from "../limits.ts";
import { withTimeout } from "../base/timeout.ts";
import { LineWriter } from "./line_writer.ts";

/** What answers the requests that the log records. */
export interface LoggedApp {
  /** Answers a request; `onAdmitted` receives what the gate made of it. */
  handle(
    request: Request,
    peer: string,
    connection: Connection,
    onAdmitted: (context: RequestContext) => void,
  ): Response | Promise<Response>;
}

/** What the log is made from. */
export interface AccessLogOptions {
  readonly app: LoggedApp;
  readonly findClient: ClientFinder;
  readonly form: LogFormat;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Writes bytes where the log goes. */
  readonly write: (bytes: Uint8Array) => Promise<number>;
  /** Writes a line for the operator. */
  readonly log: (line: string) => void;
}

/**
 * Opens the log where one is asked for and there is somewhere to write it.
 *
 * @param form how it is written; `off` is not at all
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

/** See the module. */
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
          : `${count} lines were dropped, since nobody took them\n`,
      onError: (error) => options.log(`the access log ended: ${error}`),
    });
  }

  /** Has the app answer, and notes how. */
  async handle(request: Request, peer: string, connection: Connection): Promise<Response> {
    const start = performance.now();
    const { app, findClient } = this.#options;
    let seen: RequestContext | undefined;
    const answer = await app.handle(request, peer, connection, (context) => seen = context);
    const { address } = findClient(peer, request.headers);
    const { method, url } = request;
    const path = seen === undefined ? pathForLog(url) : encodePath(seen.target.path);
    // A caller is one value for as long as the request lasts; the request itself may be gone then.
    const by = seen?.caller.by;
    const counted = count(method, answer);
    const note = (aborted: boolean) => {
      this.#lines.write(formatRecord({
        time: this.#options.now(),
        client: address,
        ...(by === undefined ? {} : { by }),
        method,
        path,
        status: answer.status,
        bytes: counted.bytes(),
        ms: performance.now() - start,
        ...(aborted || counted.cut() ? { aborted: true } : {}),
      }, this.#options.form));
    };
    const over = connection.completed.then(() => note(false), () => note(true));
    this.#open.add(over);
    void over.finally(() => this.#open.delete(over));
    return counted.answer;
  }

  /** Waits a moment for the answers under way, which must have been ended, and writes what waits. */
  async close(): Promise<void> {
    await withTimeout(LOG_CLOSE_TIMEOUT_MS, Promise.all(this.#open));
    await this.#lines.close();
  }
}

/** An answer to be sent, and what of it has been sent. */
interface Counted {
  readonly answer: Response;
  bytes(): number;
  /** Whether its reader went away before its end; the runtime calls such a stream completed. */
  cut(): boolean;
}

/** Finds out how long an answer's content is: by its own word, or by looking at it pass. */
function count(method: string, answer: Response): Counted {
  const { status, headers } = answer;
  const whole = (bytes: number) => ({ answer, bytes: () => bytes, cut: () => false });
  if (method === "HEAD" || status === 204 || status === 304) return whole(0);
  const told = headers.get("content-length");
  if (told !== null) return whole(Number(told));
  if (answer.body === null) return whole(0);
  let bytes = 0;
  let cut = false;
  const body = answer.body.pipeThrough(
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
  return { answer: new Response(body, { status, headers }), bytes: () => bytes, cut: () => cut };
}
