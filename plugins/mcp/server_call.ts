/**
 * Requests to the server on behalf of the client. Every tool and every resource uses them, so all of
 * them have exactly the authority of the client's own credential.
 */

import type { PluginFetch } from "../kit/env.ts";
import { parseRecord } from "../kit/json_record.ts";
import { readProblem } from "../kit/read_problem.ts";
import { readStart } from "../kit/read_start.ts";
import { MAX_LIST_BYTES, MAX_PATH_CHARS } from "./limits.ts";

/** Who calls, and how long. */
export interface ServerCaller {
  /** `env.caller.fetch`. */
  readonly fetch: PluginFetch;
  /** Ends the calls: the client cancelled its request or disconnected. */
  readonly signal: AbortSignal;
  /** Name of the client, which writes record; `""` if it gave none. */
  readonly client: string;
}

/** The server refused a request, or did not answer it. */
export class ServerRefusal extends Error {
  override readonly name = "ServerRefusal";

  readonly status: number;
  readonly problem: { readonly type: string; readonly title: string };
  readonly retryAfter: string | undefined;

  /**
   * @param status HTTP status code
   * @param detail the message of the server
   * @param problem type and title of the problem
   * @param retryAfter when the request can be repeated, in seconds
   */
  constructor(
    status: number,
    detail: string,
    problem: { readonly type: string; readonly title: string },
    retryAfter?: string,
  ) {
    super(detail);
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/** Header in which writes record the name of the client. */
const CLIENT_HEADER = "x-meta-mcp-client";
const NO_TYPE = "about:blank";
/** Characters of a path that an error quotes. */
const QUOTED_CHARS = 100;

/**
 * Sends a request to the server.
 *
 * @param path path and query, percent-encoded
 * @returns a response with a status below 300
 * @throws {ServerRefusal} any other response, or no response
 * @throws the reason of the signal if it is aborted
 */
export async function callServer(
  { fetch, signal }: Omit<ServerCaller, "client">,
  path: string,
  init: RequestInit = {},
): Promise<Response> {
  const method = init.method ?? "GET";
  if (path.length > MAX_PATH_CHARS) {
    throw new ServerRefusal(
      414,
      `Cannot ${method} ${
        path.slice(0, QUOTED_CHARS)
      }…: with its query the path has ${path.length} ` +
        `characters; at most ${MAX_PATH_CHARS} are possible`,
      { type: NO_TYPE, title: "Path too long" },
    );
  }
  let response: Response;
  try {
    response = await fetch(path, { redirect: "manual", ...init, signal });
  } catch (error) {
    signal.throwIfAborted();
    const reason = error instanceof Error ? error.message : "unknown error";
    const outcome = method === "GET"
      ? ""
      : "; the change may have happened, read it before a retry";
    throw new ServerRefusal(502, `Cannot confirm ${method} ${path}: ${reason}${outcome}`, {
      type: NO_TYPE,
      title: "No response",
    });
  }
  if (response.ok) return response;
  throw await toRefusal(response);
}

/** Reads JSON from the server, with the position of the next page if the response names one. */
export async function readJson(
  caller: Omit<ServerCaller, "client">,
  path: string,
): Promise<{ readonly value: unknown; readonly next?: URLSearchParams }> {
  const response = await callServer(caller, path, { headers: { accept: "application/json" } });
  const { bytes, whole } = await readStart(response, MAX_LIST_BYTES);
  if (!whole) {
    throw new ServerRefusal(
      413,
      `Cannot read ${path}: the result is longer than ${MAX_LIST_BYTES} bytes; use a longer prefix`,
      { type: NO_TYPE, title: "Result too long" },
    );
  }
  const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
  const next = /<([^>]*)>;\s*rel="?next"?/.exec(response.headers.get("link") ?? "")?.[1];
  const query = next === undefined ? undefined : next.slice(next.indexOf("?") + 1);
  return { value, ...(query !== undefined && { next: new URLSearchParams(query) }) };
}

/**
 * Sends a change to the server.
 *
 * @param init method, body and headers; the name of the client is added
 * @returns the members of the JSON response, and its status
 */
export async function sendChange(
  caller: ServerCaller,
  path: string,
  init: {
    readonly method: string;
    readonly headers?: Record<string, string>;
    readonly body?: BodyInit;
  },
): Promise<Record<string, unknown> & { readonly status: number }> {
  const headers = {
    accept: "application/json",
    ...(caller.client !== "" && { [CLIENT_HEADER]: caller.client }),
    ...init.headers,
  };
  const response = await callServer(caller, path, { ...init, headers });
  const { bytes } = await readStart(response, MAX_LIST_BYTES);
  const members = parseRecord(new TextDecoder().decode(bytes)) ?? {};
  return { ...members, status: response.status };
}

/** Returns the version in the entity tag of a response; undefined if it has none. */
export function versionOf({ headers }: Response): number | undefined {
  const digits = /^(?:W\/)?"(\d{1,15})(?:-[^"]*)?"$/.exec(headers.get("etag") ?? "")?.[1];
  return digits === undefined ? undefined : Number(digits);
}

async function toRefusal(response: Response): Promise<ServerRefusal> {
  const { status, headers } = response;
  const problem = await readProblem(response);
  const { type = NO_TYPE, title = "Refused", message = `The server answered ${status}` } =
    problem ??
      {};
  const retryAfter = headers.get("retry-after") ?? undefined;
  return new ServerRefusal(status, message, { type, title }, retryAfter);
}
