/**
 * The machine as one function from Request to Response: gate, route, edge. It names the rooms a
 * request passes and the order of them; what happens in a room is that room's business.
 */

import { createGate, type Gate, type GateOptions } from "../request/gate.ts";
import { LockTable } from "../dav/locks/lock_table.ts";
import { bodiless } from "../http/head_response.ts";
import { type Connection, type Exchange, isCallerGone } from "../request/request_context.ts";
import { acceptable } from "../http/negotiate.ts";
import { Problem, problemResponse } from "../http/problem.ts";
import { respondShell } from "../response/shell_page.ts";
import { siteTarget } from "../request/site_file.ts";
import { drainUnread } from "../http/drain_body.ts";
import type { Machine } from "../request/server_context.ts";
import { RequestCounts } from "../observe/request_counts.ts";
import { authRoutes } from "../routes/auth.ts";
import { binRoutes } from "../routes/route_list.ts";
import type { DavRoutes } from "../dav/router.ts";
import { deviceRoutes } from "../routes/root_folders.ts";
import { procRoutes } from "../routes/proc/proc.ts";
import type { RouteEnv } from "../routes/handler.ts";
import { StreamRoutes } from "../routes/stream/stream.ts";
import { Unmatched } from "../routes/fallback.ts";
import { WorldRoutes } from "../routes/worlds.ts";
import type { Hono } from "../deps/hono.ts";
import { inNamespace } from "../world/name.ts";

/** The machine, ready to be served. */
export interface App {
  /**
   * Answers one request; never throws.
   *
   * @param peer address of the other end of the connection
   * @param witness told what the gate made of the request, if it let it in
   */
  fetch(
    request: Request,
    peer: string,
    connection?: Connection,
    witness?: (exchange: Exchange) => void,
  ): Response | Promise<Response>;
  /** Answers a request that stands behind the gate already: what plugins call back with. */
  answer(exchange: Exchange): Promise<Response>;
  /** Ends every event stream. */
  closeStreams(): void;
}

/** Joins the rooms. */
export function createApp(machine: Machine, gateOptions: GateOptions): App {
  const gate: Gate = createGate(gateOptions);
  const locks = new LockTable(machine.now);
  const worlds = new WorldRoutes(machine, locks);
  const streams = new StreamRoutes(machine);
  const requests = new RequestCounts();
  const unmatched = new Unmatched(machine);
  const devices = deviceRoutes(machine);
  // A Map, since strangers choose the key: an object would find `/constructor` in its prototype.
  const rooms: ReadonlyMap<string, Hono<RouteEnv>> = new Map([
    ["", devices],
    ["auth", authRoutes(machine)],
    ["bin", binRoutes(machine)],
    ["dev", devices],
    ["mnt", devices],
    ["proc", procRoutes(machine, { requests, streams })],
  ]);

  let dav: DavRoutes | undefined;
  /** WebDAV's room comes when it is first asked for: its XML would slow every start. */
  async function loadDav(): Promise<DavRoutes> {
    const { DavRoutes } = await import("../dav/router.ts");
    return dav ??= new DavRoutes(machine, locks);
  }

  function dispatch(exchange: Exchange): Response | Promise<Response> {
    const { name, path } = exchange.target;
    if (inNamespace(name)) return worlds.handle(exchange);
    const slash = name.indexOf("/");
    const first = slash < 0 ? name : name.slice(0, slash);
    if (first === "stream") return streams.handle(exchange);
    if (first === "dav") {
      return dav?.handle(exchange) ?? loadDav().then((room) => room.handle(exchange));
    }
    if (first === "bin" && slash > 0) return dispatch(unalias(exchange));
    const plugin = machine.plugins.match(path);
    if (plugin !== undefined) return machine.plugins.fetch(plugin, exchange);
    const room = rooms.get(first);
    if (room !== undefined && (first === "" || first === "auth" || first === "proc")) {
      return enter(room, exchange);
    }
    // Whoever comes while the machine starts may be asking for a plugin that is not up yet, or, with
    // /bin, /dev and /mnt, which of them there are. /proc says what is, and what is still to come.
    const { starting } = machine.plugins;
    if (starting !== undefined) return starting.then(() => dispatch(exchange));
    if (room !== undefined) return enter(room, exchange);
    const site = siteTarget(exchange.request.method, exchange.target);
    if (site !== undefined && machine.store.stat(site.name) !== undefined) {
      return worlds.handle({ ...exchange, target: site });
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
    witness?: (exchange: Exchange) => void,
  ): Response | Promise<Response> {
    let exchange: Exchange | undefined;
    try {
      const entered = gate(request, peer);
      witness?.(entered);
      exchange = connection === undefined ? entered : { ...entered, connection };
      const answered = dispatch(exchange);
      if (answered instanceof Promise) return later(request, answered, exchange);
      if (request.method !== "GET") return later(request, Promise.resolve(answered), exchange);
      requests.note("GET", answered.status);
      return answered;
    } catch (error) {
      return later(request, Promise.reject(error), exchange);
    }
  }

  /** An answer that has to wait; only these are timed, since the clock costs more than a hot read may. */
  async function later(
    request: Request,
    answered: Promise<Response>,
    exchange: Exchange | undefined,
  ): Promise<Response> {
    const start = performance.now();
    const { method } = request;
    const answer = await answered.catch((error) => missed(request, error, exchange));
    requests.note(method, answer.status);
    requests.waited(performance.now() - start);
    await drainUnread(request);
    return bodiless(request, answer);
  }

  /** What was not found may be resolved, for who came by a connection. */
  async function missed(
    request: Request,
    error: unknown,
    exchange: Exchange | undefined,
  ): Promise<Response> {
    if (exchange !== undefined && error instanceof Problem && error.type === "not-found") {
      const asked = unmatched.resolve(exchange);
      const resolved = asked === undefined ? undefined : await asked;
      if (resolved !== undefined) return resolved;
    }
    return await edge(request, error);
  }

  async function answer(exchange: Exchange): Promise<Response> {
    try {
      return await dispatch(exchange);
    } catch (error) {
      return await edge(exchange.request, error);
    }
  }

  /** Where everything thrown becomes a Response. */
  async function edge(request: Request, error: unknown): Promise<Response> {
    const accept = request.headers.get("accept");
    const head = request.method === "HEAD";
    // Nobody reads this answer, and nothing failed; the number is nginx's for that.
    if (isCallerGone(error)) return new Response(null, { status: 499 });
    if (!(error instanceof Problem)) {
      const shown = error instanceof Error ? error.stack ?? error.message : String(error);
      machine.log(`failed: ${request.method} ${pathForLog(request.url)}: ${shown}`);
      const detail = "Cannot answer: the machine failed in a way nobody foresaw; its log says more";
      return problemResponse(new Problem("internal", detail), accept, head);
    }
    // A method nobody knows is its sender's fault; strangers shall not fill the log with them.
    if (error.status >= 500 && error.status !== 501) {
      const why = error.cause instanceof Error ? ` (${error.cause.message})` : "";
      machine.log(
        `${error.status}: ${request.method} ${pathForLog(request.url)}: ${error.detail}${why}`,
      );
    }
    return await shellInstead(request, accept, error) ?? problemResponse(error, accept, head);
  }

  /** A browser that goes where nothing is, or where it may not, gets the shell, which can ask who it is. */
  async function shellInstead(request: Request, accept: string | null, problem: Problem) {
    const shown = problem.status === 401 || problem.status === 403 || problem.status === 404;
    if (!shown || problem.type === "unknown-host" || problem.type === "foreign-origin") return;
    if (request.method !== "GET" && request.method !== "HEAD") return;
    if (accept === null || !accept.includes("text/html")) return;
    if (acceptable(accept, ["application/json", "text/plain", "text/html"])[0] !== "text/html") {
      return;
    }
    // Without the Basic challenge, or the browser would ask in a window of its own and keep the answer.
    const headers: Record<string, string> = problem.status === 401
      ? { "www-authenticate": 'Bearer realm="elastik"' }
      : {};
    try {
      return await respondShell(machine.store, request, { status: problem.status, headers });
    } catch {
      return; // the shell cannot be read; the problem itself still can
    }
  }

  return { fetch, answer, closeStreams: () => streams.close() };
}

/**
 * Hono answers HEAD with an emptied body and its length; ours shall say what GET would. Rooms look at
 * the exchange alone, and the request's own URL may be one that cannot be parsed (`Host: 1.2.3.4.5`).
 */
function enter(room: Hono<RouteEnv>, exchange: Exchange): Response | Promise<Response> {
  const { request } = exchange;
  return room.fetch(request.method === "HEAD" ? new Request("http://machine/") : request, exchange);
}

/** `/bin/proc/status` is `/proc/status`: the same exchange, one segment shorter. */
function unalias(exchange: Exchange): Exchange {
  const name = exchange.target.name.slice("bin/".length);
  if (inNamespace(name) || name === "bin" || name.startsWith("bin/")) {
    throw new Problem(
      "not-found",
      `Cannot find ${exchange.target.path}: /bin holds routes, and this is none`,
    );
  }
  return { ...exchange, target: { ...exchange.target, name, path: `/${name}` } };
}

/** The request's path without its query, which may hold what no log should. */
function pathForLog(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const end = url.indexOf("?", start);
  return url.slice(Math.max(start, 0), end < 0 ? undefined : end).slice(0, 200);
}
