/**
 * `fetch` of `env.caller` and `env.machine`: subrequests of a plugin to the server. `env.sql` uses
 * the same channel. A subrequest carries only its kind and the id of the request it belongs to. The
 * server decides what it is allowed to do, so this module must not hold or send any credential.
 */

import { flattenHeaders } from "../wire/message_heads.ts";
import { RpcError } from "../wire/rpc_calls.ts";
import type { RpcEndpoint } from "../wire/rpc_endpoint.ts";

/** Origin by which a plugin can address its server in a URL. */
export const MACHINE_ORIGIN = "http://machine";

/** A `fetch` that reaches this server only. */
export type EnvFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/**
 * Creates the `fetch` of one kind for one request.
 *
 * @param kind authority that the server uses: the caller, the plugin's grants, or `sql`
 * @param id id of the request that the plugin answers
 * @param origin origin of that request's URL; it is accepted as an address of the server
 */
export type CreateEnvFetch = (
  kind: "caller" | "machine" | "sql",
  id: number,
  origin: string,
) => EnvFetch;

/**
 * Creates the factory of a cell's subrequest functions.
 *
 * @param endpoint connection to the server
 * @param maxOpen largest number of open subrequests; further ones wait inside the cell
 */
export function createEnvFetchFactory(endpoint: RpcEndpoint, maxOpen: number): CreateEnvFetch {
  let open = 0;
  let waiting: (() => void)[] = [];
  let next = 0;
  const release = (): void => {
    const first = waiting[next];
    if (!first) {
      open--;
      return;
    }
    // The permit goes directly to the next waiter, so that no new call can take it.
    next++;
    if (next === waiting.length) {
      waiting = [];
      next = 0;
    }
    first();
  };
  return (kind, id, origin) =>
    async function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
      const named = typeof input === "string" && input.startsWith("/")
        ? MACHINE_ORIGIN + input
        : input;
      const request = new Request(named, init);
      const url = new URL(request.url);
      if (url.origin !== MACHINE_ORIGIN && url.origin !== origin) {
        throw new TypeError(
          `Cannot fetch ${url.origin}: env.${kind} reaches this server only; use a path such as /home/x`,
        );
      }
      request.signal.throwIfAborted();
      if (open < maxOpen) open++;
      else await new Promise<void>((resolve) => waiting[waiting.length] = resolve);
      if (request.signal.aborted) {
        release();
        throw request.signal.reason;
      }
      const call = endpoint.call({
        method: request.method,
        url: url.pathname + url.search,
        headers: flattenHeaders(request.headers),
        note: [kind, id],
        body: request.body,
        onEnd: release,
      });
      if (init?.signal || input instanceof Request) {
        const cancel = (): void => call.cancel(request.signal.reason);
        request.signal.addEventListener("abort", cancel, { once: true });
      }
      try {
        return await call.response;
      } catch (error) {
        throw error instanceof RpcError ? new TypeError(error.message) : error;
      }
    };
}
