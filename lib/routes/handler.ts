/**
 * Building blocks of routes. A handler takes the request context and returns a response;
 * `handleMethods` combines handlers of several methods. Handlers register nothing: `lib/server/app.ts`
 * lists every route.
 */

import { Problem } from "../http/problem.ts";
import type { RouteQuery } from "../http/query_parameters.ts";
import type { RequestContext } from "../request/request_context.ts";
import { formatAllow } from "../request/requested_access.ts";
import { assertQuery } from "../request/route_query.ts";

/**
 * Answers a request. It can be synchronous: a read from memory must not wait for a promise.
 *
 * @throws {Problem | StoreError} `lib/server/app.ts` converts it to a response, in one place
 */
export type Handler = (context: RequestContext) => Response | Promise<Response>;

/** Handlers by method. GET also answers HEAD. */
export type MethodHandlers = Readonly<Partial<Record<string, Handler>>>;

/** The methods of a path, or a function of the request that returns them. */
export type AllowedMethods = readonly string[] | ((context: RequestContext) => readonly string[]);

/** The query parameters of a route, or a function of the request that returns them. */
export type AllowedQuery = RouteQuery | ((context: RequestContext) => RouteQuery);

/**
 * Combines handlers of several methods. OPTIONS gets 204 unless a handler is given; other methods
 * get 405. Both name only the methods that the caller may use. A query that the route does not take is refused before the handler is called.
 *
 * @param handlers handlers by method; for a HEAD request the method in the context is HEAD
 * @param query the query parameters of each method
 * @param methods the methods of the path; derived from the handlers by default
 * @throws {Problem} `method-not-allowed`, `bad-query`
 */
export function handleMethods(
  handlers: MethodHandlers,
  query: AllowedQuery,
  methods: AllowedMethods = methodsOf(handlers),
): Handler {
  const byMethod = new Map(Object.entries(handlers));
  const get = byMethod.get("GET");
  if (get !== undefined) byMethod.set("HEAD", get);
  return function handleMethod(context) {
    const { method } = context.request;
    const handler = byMethod.get(method);
    if (handler !== undefined) {
      if (context.target.query !== "") {
        assertQuery(context, typeof query === "function" ? query(context) : query);
      }
      return handler(context);
    }
    const allowed = typeof methods === "function" ? methods(context) : methods;
    if (method === "OPTIONS") {
      return new Response(null, { status: 204, headers: { allow: formatAllow(context, allowed) } });
    }
    throw createMethodProblem(context, allowed);
  };
}

/**
 * Creates the problem for a method that a path does not support (RFC 9110 §15.5.6).
 *
 * @param context the request
 * @param methods the methods of the path
 */
export function createMethodProblem(context: RequestContext, methods: readonly string[]): Problem {
  const { request, target } = context;
  const path = target.isCollection && target.path !== "/" ? `${target.path}/` : target.path;
  const allow = formatAllow(context, methods);
  return new Problem(
    "method-not-allowed",
    `Cannot ${request.method} ${path}: allowed methods are ${allow}`,
    { allow },
  );
}

function methodsOf(handlers: MethodHandlers): readonly string[] {
  const methods = Object.keys(handlers).filter((method) => method !== "OPTIONS");
  return [...methods.flatMap((method) => method === "GET" ? ["GET", "HEAD"] : [method]), "OPTIONS"];
}
