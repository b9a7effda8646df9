/**
 * Building blocks of routes. A handler takes the request context and returns a response;
 * `handleMethods` combines handlers of several methods. Handlers register nothing: `lib/server/app.ts`
 * lists every route.
 */

import { Problem } from "../http/problem.ts";
import type { RouteQuery } from "../http/query_parameters.ts";
import type { RequestContext } from "../request/request_context.ts";
import { assertQuery } from "../request/route_query.ts";

/**
 * Answers a request. It can be synchronous: a read from memory must not wait for a promise.
 *
 * @throws {Problem | StoreError} `lib/server/app.ts` converts it to a response, in one place
 */
export type Handler = (context: RequestContext) => Response | Promise<Response>;

/** Handlers by method. GET also answers HEAD. */
export type MethodHandlers = Readonly<Partial<Record<string, Handler>>>;

/** The value of the `Allow` header, or a function of the request that returns it. */
export type AllowedMethods = string | ((context: RequestContext) => string);

/**
 * The query parameters of a route, or a function of the request that returns them. `unchecked` for
 * routes that list what is the same for every query.
 */
export type AllowedQuery = RouteQuery | ((context: RequestContext) => RouteQuery) | "unchecked";

/**
 * Combines handlers of several methods. OPTIONS gets 204 unless a handler is given; other methods
 * get 405. A query that the route does not take is refused before the handler is called.
 *
 * @param handlers handlers by method; for a HEAD request the method in the context is HEAD
 * @param query the query parameters of each method
 * @param allow the `Allow` header; derived from the handlers by default
 * @throws {Problem} `method-not-allowed`, `bad-query`
 */
export function handleMethods(
  handlers: MethodHandlers,
  query: AllowedQuery,
  allow: AllowedMethods = formatAllow(handlers),
): Handler {
  const byMethod = new Map(Object.entries(handlers));
  const get = byMethod.get("GET");
  if (get !== undefined) byMethod.set("HEAD", get);
  return function handleMethod(context) {
    const { method } = context.request;
    const handler = byMethod.get(method);
    if (handler !== undefined) {
      if (context.target.query !== "" && query !== "unchecked") {
        assertQuery(context, typeof query === "function" ? query(context) : query);
      }
      return handler(context);
    }
    const allowed = typeof allow === "string" ? allow : allow(context);
    if (method === "OPTIONS") {
      return new Response(null, { status: 204, headers: { allow: allowed } });
    }
    throw createMethodProblem(context, allowed);
  };
}

/**
 * Creates the problem for a method that a path does not support (RFC 9110 §15.5.6).
 *
 * @param context the request
 * @param allow value of the `Allow` header
 */
export function createMethodProblem({ request, target }: RequestContext, allow: string): Problem {
  const path = target.isCollection && target.path !== "/" ? `${target.path}/` : target.path;
  return new Problem(
    "method-not-allowed",
    `Cannot ${request.method} ${path}: allowed methods are ${allow}`,
    { allow },
  );
}

function formatAllow(handlers: MethodHandlers): string {
  const methods = Object.keys(handlers).filter((method) => method !== "OPTIONS");
  return [...methods.flatMap((method) => method === "GET" ? ["GET", "HEAD"] : [method]), "OPTIONS"]
    .join(", ");
}
