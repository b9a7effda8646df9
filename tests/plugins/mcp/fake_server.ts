/** Answers what the modules of the plugin send to the server. Not a test itself. */

import type { PluginFetch } from "../../../plugins/kit/env.ts";

/** A request that a module sent. */
export interface SentRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly body: string;
}

/** A server that answers from a function and records what it received. */
export class FakeServer {
  readonly requests: SentRequest[] = [];
  /** Answers a request. */
  answer: (request: SentRequest, signal: AbortSignal) => Response | Promise<Response> = () =>
    Response.json({});
  readonly stop = new AbortController();

  readonly fetch: PluginFetch = async (path, init = {}) => {
    const request = new Request(`http://machine${path}`, init);
    const sent = {
      method: request.method,
      path,
      headers: request.headers,
      body: await request.text(),
    };
    this.requests.push(sent);
    return await this.answer(sent, request.signal);
  };

  /** What the modules receive as their caller. */
  get caller(): { fetch: PluginFetch; signal: AbortSignal; client: string } {
    return { fetch: this.fetch, signal: this.stop.signal, client: "probe" };
  }

  /** The requests as lines. */
  get lines(): string[] {
    return this.requests.map(({ method, path }) => `${method} ${path}`);
  }
}

/** A problem response of the server. */
export function problem(
  status: number,
  detail: string,
  headers: Record<string, string> = {},
): Response {
  const body = { type: "/usr/share/doc/problems/x.md", title: "Title", status, detail };
  return Response.json(body, { status, headers });
}

/** Rejects when the signal is aborted, as a request that waits does. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(new TypeError("aborted"));
    signal.addEventListener("abort", () => reject(new TypeError("aborted")));
  });
}
