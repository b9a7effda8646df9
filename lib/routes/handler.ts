/**
 * The small Hono apps of the machine's own routes, made alike: they route by the canonical path the
 * gate found, never by the URL, and hand the exchange on as it is. What they throw goes to the edge.
 */

import { type Context, Hono } from "../deps/hono.ts";
import type { Exchange } from "../request/request_context.ts";
import { Problem } from "../http/problem.ts";

/** The environment of every route: the exchange in place of bindings. */
export interface RouteEnv {
  Bindings: Exchange;
}

/** The context of every handler. */
export type RouteContext = Context<RouteEnv>;

/** A Hono app that matches canonical paths. */
export function routeApp(): Hono<RouteEnv> {
  const app = new Hono<RouteEnv>({
    getPath: (_request, options) => {
      // Hono types its environment as unknown here; every call below passes an exchange.
      const exchange = options?.env as Exchange | undefined;
      return exchange?.target.path ?? "/";
    },
  });
  app.onError((error) => {
    throw error;
  });
  app.notFound((context) => {
    const { path } = context.env.target;
    throw new Problem("not-found", `Cannot find ${path}: nothing is here`);
  });
  return app;
}

/** Refuses every method that no handler before took. */
export function onlyMethods(allow: string): (context: RouteContext) => Response {
  return function refuseOthers({ env: { request, target } }) {
    if (request.method === "OPTIONS") {
      return new Response(null, { status: 204, headers: { "allow": `${allow}, OPTIONS` } });
    }
    throw new Problem(
      "method-not-allowed",
      `Cannot ${request.method} ${target.path}: it takes ${allow}, OPTIONS`,
      { "allow": `${allow}, OPTIONS` },
    );
  };
}

/** What follows a route's own prefix in the canonical name: `home/x` of `proc/audit/home/x`. */
export function restOf(exchange: Exchange, prefix: string): string {
  return exchange.target.path.slice(prefix.length);
}
