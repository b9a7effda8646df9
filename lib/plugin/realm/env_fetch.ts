/**
 * `env.caller` and `env.machine`: calls back into the machine; `env.sql` asks by the same way. All
 * that goes out is which request a call belongs to and which of these it is; what that entitles to is
 * decided on the host, so nothing here is worth forging.
 */

import { flattenHeaders } from "../wire/message_heads.ts";
import { RpcError } from "../wire/rpc_calls.ts";
import type { RpcEndpoint } from "../wire/rpc_endpoint.ts";

/** The origin under which a plugin may name the machine it runs on. */
export const MACHINE_ORIGIN = "http://machine";

/** A `fetch` that reaches this machine alone. */
export type EnvFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** Makes the fetches of a request. */
export type CreateEnvFetch = (
  kind: "caller" | "machine" | "sql",
  id: number,
  origin: string,
) => EnvFetch;

/**
 * @param peer the wire to the host
 * @param most calls under way at once; further ones wait
 */
export function createEnvFetchFactory(peer: RpcEndpoint, most: number): CreateEnvFetch {
  let open = 0;
  let waiting: (() => void)[] = [];
  let next = 0;
  const release = (): void => {
    const first = waiting[next];
    if (!first) {
      open--;
      return;
    }
    // The place goes from hand to hand: were it free for a moment, a newcomer could take it as well.
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
          `Cannot fetch ${url.origin}: env.${kind} reaches this machine, "/path"`,
        );
      }
      request.signal.throwIfAborted();
      if (open < most) open++;
      else await new Promise<void>((resolve) => waiting[waiting.length] = resolve);
      if (request.signal.aborted) {
        release();
        throw request.signal.reason;
      }
      const call = peer.call({
        method: request.method,
        url: url.pathname + url.search,
        headers: flattenHeaders(request.headers),
        note: [kind, id],
        body: request.body,
        onEnd: release,
      });
      if (init?.signal || input instanceof Request) {
        const give = (): void => call.cancel(request.signal.reason);
        request.signal.addEventListener("abort", give, { once: true });
      }
      try {
        return await call.response;
      } catch (error) {
        throw error instanceof RpcError ? new TypeError(error.message) : error;
      }
    };
}
