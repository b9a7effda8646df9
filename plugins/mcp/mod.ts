/**
 * The Model Context Protocol over Streamable HTTP, for agent hosts that support no other interface.
 * Tools and resources are requests to the server with the authority of the client's own credential: the
 * plugin has no grants and no permissions. Manual: `/usr/share/doc/mcp.md`.
 */

import { chooseType } from "../kit/accept.ts";
import type { PluginCaller } from "../kit/env.ts";
import { Problem, problemResponse } from "../kit/problem.ts";
import { McpEndpoint } from "./endpoint.ts";

export const description = "the Model Context Protocol: worlds as tools and resources";
export const routes = ["/mcp"];
export const auth = "T1";

interface Env {
  readonly caller: PluginCaller;
}

const ROUTE = "/mcp";

/** Created by the first request: the classes of other modules exist only then. */
let endpoint: McpEndpoint | undefined;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    try {
      return await respond(request, env.caller);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return problemResponse(error, request.headers.get("accept"), request.method === "HEAD");
    }
  },
};

async function respond(request: Request, caller: PluginCaller): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const { method, headers } = request;
  if (pathname !== ROUTE) {
    throw new Problem("not-found", `Cannot ${method} ${pathname}: the only path is ${ROUTE}`);
  }
  if (search !== "") {
    throw new Problem("bad-query", `Cannot ${method} ${ROUTE}: it has no query parameters`);
  }
  assertOwnOrigin(request);
  endpoint ??= new McpEndpoint(Date.now);
  if (method === "OPTIONS") {
    return new Response(null, { status: 204, headers: { allow: "GET, POST, DELETE" } });
  }
  if (method === "POST") {
    assertAccepts(headers, "application/json");
    return await endpoint.post(request, caller);
  }
  if (method === "GET") {
    assertAccepts(headers, "text/event-stream");
    return await endpoint.openStream(request, caller);
  }
  if (method === "DELETE") return await endpoint.endSession(request, caller);
  throw new Problem("method-not-allowed", `Cannot ${method} ${ROUTE}: use POST`, {
    allow: "GET, POST, DELETE",
  });
}

/**
 * Refuses pages of other sites. The server does so for unsafe methods; the protocol demands it for every
 * request.
 */
function assertOwnOrigin({ url, headers }: Request): void {
  const origin = headers.get("origin");
  if (origin === null || URL.parse(origin)?.host === new URL(url).host) return;
  throw new Problem(
    "foreign-origin",
    `Cannot use ${ROUTE}: the Origin ${origin.slice(0, 100)} does not match the Host header`,
  );
}

function assertAccepts(headers: Headers, type: string): void {
  if (chooseType(headers.get("accept"), [type]) !== undefined) return;
  throw new Problem("not-acceptable", `Cannot answer: the Accept header does not allow ${type}`);
}
