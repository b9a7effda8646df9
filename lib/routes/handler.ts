/**
 * What a route is made of: a handler takes the request context and returns a response, and `only` makes
 * one handler of several methods. Handlers register nothing; `lib/server/app.ts` lists every route.
 */

import { Problem } from "../http/problem.ts";
import type { RequestContext } from "../request/request_context.ts";

/**
 * Answers a request. It may be synchronous: a read from memory must not wait for a promise.
 *
 * @throws {Problem | StoreError} turned into a response in one place, in `lib/server/app.ts`
 */
export type Handler = (context: RequestContext) => Response | Promise<Response>;

/** Handlers by method; GET answers HEAD as well. */
export type MethodHandlers = Readonly<Partial<Record<string, Handler>>>;

/** The value of an `Allow` header, or how it depends on the request. */
export type AllowedMethods = string | ((context: RequestContext) => string);

/**
 * One handler for the methods of a path. It answers OPTIONS with 204 unless a handler for it is given,
 * and every other method with 405.
 *
 * @param handlers handlers by method; the method of a HEAD request is still HEAD in the context
 * @param allow the `Allow` header; made from the handlers if absent
 * @throws {Problem} `method-not-allowed`
 */
export function only(
  handlers: MethodHandlers,
  allow: AllowedMethods = formatAllow(handlers),
): Handler {
  const byMethod = new Map(Object.entries(handlers));
  const get = byMethod.get("GET");
  if (get !== undefined) byMethod.set("HEAD", get);
  return function handleMethod(context) {
    const { method } = context.request;
    const handler = byMethod.get(method);
    if (handler !== undefined) return handler(context);
    const allowed = typeof allow === "string" ? allow : allow(context);
    if (method === "OPTIONS") {
      return new Response(null, { status: 204, headers: { allow: allowed } });
    }
    throw createMethodProblem(context, allowed);
  };
}

/**
 * The problem of a method that a path does not have (RFC 9110 §15.5.6).
 *
 * @param allow the methods that the path has, as in an `Allow` header
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
