/**
 * The machine as one function from Request to Response: gate, route, edge. It names the rooms a
 * request passes and the order of them; what happens in a room is that room's business.
 */

import { createGate, type Gate, type GateOptions } from "../request/gate.ts";
import { LockTable } from "../dav/locks/lock_table.ts";
import { toHeadResponse } from "../http/head_response.ts";
import { type Connection, isClientGone, type RequestContext } from "../request/request_context.ts";
import { negotiateTypes } from "../http/negotiate.ts";
import { Problem, toProblemResponse } from "../http/problem.ts";
import { respondShell } from "../response/shell_page.ts";
import { toSiteTarget } from "../request/site_file.ts";
import { drainBody } from "../http/drain_body.ts";
import type { ServerContext } from "../request/server_context.ts";
import { RequestCounts } from "../observe/request_counts.ts";
import { createAuthRoutes } from "../routes/auth.ts";
import { createRouteListRoutes } from "../routes/route_list.ts";
import type { DavRouter } from "../dav/router.ts";
import { createRootFolderRoutes } from "../routes/root_folders.ts";
import { createProcRoutes } from "../routes/proc/proc.ts";
import type { RouteEnv } from "../routes/handler.ts";
import { StreamRoutes } from "../routes/stream/stream.ts";
import { Fallback } from "../routes/fallback.ts";
import { WorldRoutes } from "../routes/worlds.ts";
import type { Hono } from "../deps/hono.ts";
import { isInNamespace } from "../world/name.ts";

/** The machine, ready to be served. */
export interface App {
  /**
   * Answers one request; never throws.
   *
   * @param peer address of the other end of the connection
   * @param witness told what the gate made of the request, if it let it in
   */
  handle(
    request: Request,
    peer: string,
    connection?: Connection,
    witness?: (context: RequestContext) => void,
  ): Response | Promise<Response>;
  /** Answers a request that stands behind the gate already: what plugins call back with. */
  handleInternal(context: RequestContext): Promise<Response>;
  /** Ends every event stream. */
  closeStreams(): void;
}

/** Joins the rooms. */
export function createApp(server: ServerContext, gateOptions: GateOptions): App {
  const gate: Gate = createGate(gateOptions);
  const locks = new LockTable(server.now);
  const worlds = new WorldRoutes(server, locks);
  const streams = new StreamRoutes(server);
  const requests = new RequestCounts();
  const unmatched = new Fallback(server);
  const devices = createRootFolderRoutes(server);
  // A Map, since strangers choose the key: an object would find `/constructor` in its prototype.
  const rooms: ReadonlyMap<string, Hono<RouteEnv>> = new Map([
    ["", devices],
    ["auth", createAuthRoutes(server)],
    ["bin", createRouteListRoutes(server)],
    ["dev", devices],
    ["mnt", devices],
    ["proc", createProcRoutes(server, { requests, streams })],
  ]);

  let dav: DavRouter | undefined;
  /** WebDAV's room comes when it is first asked for: its XML would slow every start. */
  async function loadDav(): Promise<DavRouter> {
    const { DavRouter } = await import("../dav/router.ts");
    return dav ??= new DavRouter(server, locks);
  }

  function dispatch(context: RequestContext): Response | Promise<Response> {
    const { name, path } = context.target;
    if (isInNamespace(name)) return worlds.handle(context);
    const slash = name.indexOf("/");
    const first = slash < 0 ? name : name.slice(0, slash);
    if (first === "stream") return streams.handle(context);
    if (first === "dav") {
      return dav?.handle(context) ?? loadDav().then((room) => room.handle(context));
    }
    if (first === "bin" && slash > 0) return dispatch(unalias(context));
    const plugin = server.plugins.match(path);
    if (plugin !== undefined) return server.plugins.handle(plugin, context);
    const room = rooms.get(first);
    if (room !== undefined && (first === "" || first === "auth" || first === "proc")) {
      return enter(room, context);
    }
    // Whoever comes while the machine starts may be asking for a plugin that is not up yet, or, with
    // /bin, /dev and /mnt, which of them there are. /proc says what is, and what is still to come.
    const { starting } = server.plugins;
    if (starting !== undefined) return starting.then(() => dispatch(context));
    if (room !== undefined) return enter(room, context);
    const site = toSiteTarget(context.request.method, context.target);
    if (site !== undefined && server.store.stat(site.name) !== undefined) {
      return worlds.handle({ ...context, target: site });
    }
    throw new Problem(
      "not-found",
      `Cannot find ${path}: nothing is here; worlds live below /home, and /bin lists the routes`,
    );
  }

  function fetch(
    request: Request,
    peer: string,
    connection?: Connection,
    witness?: (context: RequestContext) => void,
  ): Response | Promise<Response> {
    let context: RequestContext | undefined;
    try {
      const entered = gate(request, peer);
      witness?.(entered);
      context = connection === undefined ? entered : { ...entered, connection };
      const answered = dispatch(context);
      if (answered instanceof Promise) return later(request, answered, context);
      if (request.method !== "GET") return later(request, Promise.resolve(answered), context);
      requests.countResponse("GET", answered.status);
      return answered;
    } catch (error) {
      return later(request, Promise.reject(error), context);
    }
  }

  /** An answer that has to wait; only these are timed, since the clock costs more than a hot read may. */
  async function later(
    request: Request,
    answered: Promise<Response>,
    context: RequestContext | undefined,
  ): Promise<Response> {
    const start = performance.now();
    const { method } = request;
    const answer = await answered.catch((error) => missed(request, error, context));
    requests.countResponse(method, answer.status);
    requests.observeWait(performance.now() - start);
    await drainBody(request);
    return toHeadResponse(request, answer);
  }

  /** What was not found may be resolved, for who came by a connection. */
  async function missed(
    request: Request,
    error: unknown,
    context: RequestContext | undefined,
  ): Promise<Response> {
    if (context !== undefined && error instanceof Problem && error.type === "not-found") {
      const asked = unmatched.resolve(context);
      const resolved = asked === undefined ? undefined : await asked;
      if (resolved !== undefined) return resolved;
    }
    return await edge(request, error);
  }

  async function answer(context: RequestContext): Promise<Response> {
    try {
      return await dispatch(context);
    } catch (error) {
      return await edge(context.request, error);
    }
  }

  /** Where everything thrown becomes a Response. */
  async function edge(request: Request, error: unknown): Promise<Response> {
    const accept = request.headers.get("accept");
    const head = request.method === "HEAD";
    // Nobody reads this answer, and nothing failed; the number is nginx's for that.
    if (isClientGone(error)) return new Response(null, { status: 499 });
    if (!(error instanceof Problem)) {
      const shown = error instanceof Error ? error.stack ?? error.message : String(error);
      server.log(`failed: ${request.method} ${pathForLog(request.url)}: ${shown}`);
      const detail = "Cannot answer: the machine failed in a way nobody foresaw; its log says more";
      return toProblemResponse(new Problem("internal", detail), accept, head);
    }
    // A method nobody knows is its sender's fault; strangers shall not fill the log with them.
    if (error.status >= 500 && error.status !== 501) {
      const why = error.cause instanceof Error ? ` (${error.cause.message})` : "";
      server.log(
        `${error.status}: ${request.method} ${pathForLog(request.url)}: ${error.detail}${why}`,
      );
    }
    return await shellInstead(request, accept, error) ?? toProblemResponse(error, accept, head);
  }

  /** A browser that goes where nothing is, or where it may not, gets the shell, which can ask who it is. */
  async function shellInstead(request: Request, accept: string | null, problem: Problem) {
    const shown = problem.status === 401 || problem.status === 403 || problem.status === 404;
    if (!shown || problem.type === "unknown-host" || problem.type === "foreign-origin") return;
    if (request.method !== "GET" && request.method !== "HEAD") return;
    if (accept === null || !accept.includes("text/html")) return;
    if (
      negotiateTypes(accept, ["application/json", "text/plain", "text/html"])[0] !== "text/html"
    ) {
      return;
    }
    // Without the Basic challenge, or the browser would ask in a window of its own and keep the answer.
    const headers: Record<string, string> = problem.status === 401
      ? { "www-authenticate": 'Bearer realm="elastik"' }
      : {};
    try {
      return await respondShell(server.store, request, { status: problem.status, headers });
    } catch {
      return; // the shell cannot be read; the problem itself still can
    }
  }

  return { handle: fetch, handleInternal: answer, closeStreams: () => streams.close() };
}

/**
 * Hono answers HEAD with an emptied body and its length; ours shall say what GET would. Rooms look at
 * the exchange alone, and the request's own URL may be one that cannot be parsed (`Host: 1.2.3.4.5`).
 */
function enter(room: Hono<RouteEnv>, context: RequestContext): Response | Promise<Response> {
  const { request } = context;
  return room.fetch(request.method === "HEAD" ? new Request("http://machine/") : request, context);
}

/** `/bin/proc/status` is `/proc/status`: the same exchange, one segment shorter. */
function unalias(context: RequestContext): RequestContext {
  const name = context.target.name.slice("bin/".length);
  if (isInNamespace(name) || name === "bin" || name.startsWith("bin/")) {
    throw new Problem(
      "not-found",
      `Cannot find ${context.target.path}: /bin holds routes, and this is none`,
    );
  }
  return { ...context, target: { ...context.target, name, path: `/${name}` } };
}

/** The request's path without its query, which may hold what no log should. */
function pathForLog(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const end = url.indexOf("?", start);
  return url.slice(Math.max(start, 0), end < 0 ? undefined : end).slice(0, 200);
}
