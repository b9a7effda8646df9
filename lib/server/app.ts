/**
 * The server as one function from Request to Response. All routes of the core are registered here,
 * in one list, and all errors become responses here. `lib/routes` contains what each route does.
 *
 * To add a route: export a handler from `lib/routes`, register it below, and describe it in
 * `lib/request/core_routes.ts`. To add a header to every response: `handle` and `finish`.
 */

import type { Caller } from "../auth/caller.ts";
import { canReadQuota } from "../auth/quota_access.ts";
import { DavLimiter } from "../dav/resource/dav_limiter.ts";
import type { DavRouter } from "../dav/router.ts";
import { Hono } from "../deps/hono.ts";
import { contentEncodingFault, withResourcePolicy } from "../http/headers.ts";
import { drainBody } from "../http/drain_body.ts";
import { toHeadResponse } from "../http/head_response.ts";
import { pathForLog } from "../http/path.ts";
import { Problem, type ProblemType, toProblemResponse } from "../http/problem.ts";
import { RequestCounts } from "../observe/request_counts.ts";
import { CORE_ROUTES, RESERVED_SEGMENTS } from "../request/core_routes.ts";
import { type CheckedRequest, createGate, type GateOptions } from "../request/gate.ts";
import { judgeAgain } from "../request/judge_again.ts";
import {
  bindToCaller,
  type Connection,
  createStartingProblem,
  isClientGone,
  type RequestContext,
  throwLoadProblem,
} from "../request/request_context.ts";
import {
  assertQuery,
  logQueryOf,
  ROUTE_QUERIES,
  streamQueryOf,
  worldQueryOf,
} from "../request/route_query.ts";
import type { ServerContext } from "../request/server_context.ts";
import * as shared from "../request/shared_store.ts";
import { toSiteTarget } from "../request/site_file.ts";
import { ResponseEncoder } from "../response/response_encoder.ts";
import { addFirstAnswers, respondShellInstead } from "../response/shell_page.ts";
import { toStoreProblem } from "../response/store_problem.ts";
import { mintCapability, whoami } from "../routes/auth.ts";
import { Fallback } from "../routes/fallback.ts";
import { handleMethods, type Handler } from "../routes/handler.ts";
import { createPluginStateHandler } from "../routes/plugin_state.ts";
import { createMetricsHandler } from "../routes/proc/metrics.ts";
import { readChanges } from "../routes/proc/changes.ts";
import { Health } from "../routes/proc/health.ts";
import { audit, listProc, readLog, status, uptimeSeconds, version } from "../routes/proc/proc.ts";
import { readPluginLog } from "../routes/proc/plugin_log.ts";
import { listNodes } from "../routes/proc/nodes_list.ts";
import { listPlugins } from "../routes/proc/plugins_list.ts";
import { respondSignedSnapshot, respondSnapshot } from "../routes/proc/snapshot.ts";
import { searchWorlds } from "../routes/proc/search.ts";
import { listSource, readSource } from "../routes/proc/source.ts";
import { expungeTrash, listTrash } from "../routes/proc/trash.ts";
import { createUsageHandler } from "../routes/proc/usage.ts";
import { listWorlds } from "../routes/proc/worlds_list.ts";
import { listPluginFolder, listRoot, rootOptions, serverOptions } from "../routes/root_folders.ts";
import { listRoutes } from "../routes/route_list.ts";
import { readWorld } from "../routes/read_world.ts";
import { StreamPlaces } from "../routes/stream/stream_places.ts";
import { Streams } from "../routes/stream/stream.ts";
import { Waits } from "../routes/stream/waits.ts";
import { createWorldHandler } from "../routes/worlds.ts";
import { currentLockBudget, LockBudget, withLockBudget } from "../world/lock_wait.ts";
import { currentWriteChecks, WriteChecks } from "../world/write_checks.ts";
import { createLocks, type LockFactory } from "./create_locks.ts";
import { collectFirstAnswers } from "./first_answers.ts";
import { isInNamespace, namespaceOf, NAMESPACES } from "../world/name.ts";

/** The server, ready to answer requests. */
export interface App {
  /**
   * Answers a request from outside; never throws.
   *
   * @param peer address of the other end of the connection
   * @param onAdmitted called with the context that the gate created, if the gate admits the request
   */
  handle(
    request: Request,
    peer: string,
    connection?: Connection,
    onAdmitted?: (context: RequestContext) => void,
  ): Response | Promise<Response>;
  /** Answers a request without the gate: the subrequest of a plugin. Never throws. */
  handleInternal(context: RequestContext): Promise<Response>;
  /** Paths and patterns of all routes, as registered. */
  readonly routes: readonly string[];
  /** Ends every event stream. */
  closeStreams(): void;
}

/** Methods whose content the core never reads. */
const WITHOUT_CONTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Mounts and devices store what they receive, as worlds do. Other plugins decode their own content. */
function storesContent(path: string): boolean {
  return path.startsWith("/mnt/") || path.startsWith("/dev/");
}

/** Refuses encoded content. */
function assertNotEncoded({ method, headers }: Request, path: string): void {
  if (WITHOUT_CONTENT.has(method)) return;
  const fault = contentEncodingFault(headers.get("content-encoding"));
  if (fault === undefined) return;
  throw new Problem(
    "unsupported-media-type",
    `Cannot ${method} ${path}: ${fault}; send the content without Content-Encoding`,
    { "accept-encoding": "identity" },
  );
}

/** Value of Clear-Site-Data (W3C Clear Site Data §3.1). */
const CLEARED_DATA = '"cache", "storage"';

/** The environment of the router: the request context in place of bindings. */
interface AppEnv {
  Bindings: RequestContext;
}

/**
 * The request that Hono receives. Its router uses only the path in the context. The URL of the real
 * request may be invalid (`Host: 1.2.3.4.5`), and Hono 4 answers HEAD itself, asynchronously and
 * without Content-Length.
 */
const ROUTER_REQUEST = new Request("http://localhost/");

/** Problems with a status of 5xx that only the client can avoid. */
const ERRORS_OF_CLIENTS: ReadonlySet<ProblemType> = new Set<ProblemType>([
  "not-implemented",
  "foreign-destination",
  "loop-detected",
  "quota-exceeded",
]);

/**
 * Paths outside the namespaces whose text is sent with a content coding. Not `/auth`: the length of
 * compressed content tells about a secret in it. Plugins choose codings themselves.
 */
const ENCODED_PATH = /^\/(?:bin|dev|mnt|proc(?:\/.+)?|[^/]+\.(?:txt|svg|xml|webmanifest))?$/;

/** Whether a request reads a world. `/lib/<name>/state` is not a world, so /lib passes the router. */
function isWorldRead({ request: { method }, target: { name } }: RequestContext): boolean {
  return method === "GET" && isInNamespace(name) && !name.startsWith("lib/");
}

/**
 * Creates the app of a server.
 *
 * @param lockFactory creates the WebDAV locks; by default they are in memory
 */
export function createApp(
  server: ServerContext,
  gateOptions: GateOptions,
  lockFactory?: LockFactory,
): App {
  const { store, plugins } = server;
  const gate = createGate(gateOptions);
  const locks = createLocks(server, lockFactory);
  const davLimiter = new DavLimiter(server.config.davLimits);
  const requests = new RequestCounts();
  const places = new StreamPlaces(server.config.streamLimits);
  const streams = new Streams(server, places);
  const waits = new Waits(server, places);
  const fallback = new Fallback(server);
  const encoder = new ResponseEncoder(server.precompressed, server.monotonic);

  const app = new Hono<AppEnv>({
    // Hono types the environment as unknown; `dispatch` below always passes a context.
    getPath: (_request, options) => (options?.env as RequestContext).target.path,
  });
  // The first matching handler answers. Hono answers synchronously only if exactly one matches.
  const route = (path: string, handler: Handler) => app.all(path, ({ env }) => handler(env));

  const { none, mint, changes, search, worlds, trash, trashBelow, usage } = ROUTE_QUERIES;
  const world = createWorldHandler(server, locks, waits, moveWorld);
  route("/lib/:name/state", createPluginStateHandler(server));
  for (const namespace of NAMESPACES) route(`/${namespace}/*`, world);
  route("/stream/*", handleMethods({ GET: (context) => streams.open(context) }, streamQueryOf));
  route("/dav/*", dav);
  route("/auth/whoami", handleMethods({ GET: (context) => whoami(server, context) }, none));
  route("/auth/mint", handleMethods({ POST: (context) => mintCapability(server, context) }, mint));
  route("/proc", handleMethods({ GET: (context) => listProc(server, context) }, none));
  route(
    "/proc/audit/:world{.+}",
    handleMethods({ GET: (context) => audit(server, context) }, none),
  );
  const logs = handleMethods({ GET: (context) => readLog(server, context) }, logQueryOf);
  route("/proc/log", logs);
  route("/proc/log/:world{.+}", logs);
  const followed = handleMethods(
    { GET: (context) => readChanges(server, waits, context) },
    changes,
  );
  route("/proc/changes", followed);
  route("/proc/changes/:prefix{.+}", followed);
  const searched = handleMethods({ GET: (context) => searchWorlds(server, context) }, search);
  route("/proc/search", searched);
  route("/proc/search/:prefix{.+}", searched);
  route(
    "/proc/metrics",
    handleMethods(
      {
        GET: createMetricsHandler(
          server,
          { requests, streams, waits, locks, davLimiter, encoder },
        ),
      },
      none,
    ),
  );
  route(
    "/proc/snapshot/:world{.+}",
    handleMethods({
      GET: (context) => respondSnapshot(server, context),
      POST: (context) => respondSignedSnapshot(server, context),
    }, none),
  );
  route(
    "/proc/plugins",
    afterStart(handleMethods({ GET: (context) => listPlugins(server, context) }, none)),
  );
  route(
    "/proc/plugins/:name/log",
    handleMethods({ GET: (context) => readPluginLog(server, context) }, ROUTE_QUERIES.pluginLog),
  );
  route("/proc/source", handleMethods({ GET: (context) => listSource(server, context) }, none));
  route(
    "/proc/source/:path{.+}",
    handleMethods({ GET: (context) => readSource(server, context) }, none),
  );
  route("/proc/nodes", handleMethods({ GET: (context) => listNodes(server, context) }, none));
  const health = new Health(server);
  route("/proc/health", handleMethods({ GET: (context) => health.respond(context) }, none));
  route("/proc/status", handleMethods({ GET: (context) => status(server, context) }, none));
  route("/proc/uptime", handleMethods({ GET: (context) => uptimeSeconds(server, context) }, none));
  route("/proc/version", handleMethods({ GET: (context) => version(server, context) }, none));
  route(
    "/proc/trash",
    handleMethods({
      GET: (context) => listTrash(server, context),
      DELETE: (context) => expungeTrash(server, context),
    }, trash),
  );
  route(
    "/proc/trash/:prefix{.+}",
    handleMethods({ GET: (context) => listTrash(server, context) }, trashBelow),
  );
  const used = handleMethods({ GET: createUsageHandler(server) }, usage);
  route("/proc/usage", used);
  route("/proc/usage/:prefix{.+}", used);
  route("/proc/worlds", handleMethods({ GET: (context) => listWorlds(store, context) }, worlds));
  route(
    "/bin",
    afterStart(handleMethods({ GET: (context) => listRoutes(server, context) }, none)),
  );
  route("/bin/*", handleAlias);
  route(
    "/dev",
    afterStart(handleMethods({ GET: (context) => listPluginFolder(server, context) }, none)),
  );
  route(
    "/mnt",
    afterStart(handleMethods({ GET: (context) => listPluginFolder(server, context) }, none)),
  );
  const root: Handler = (context) => listRoot(server, context);
  route("/", handleMethods({ GET: root, OPTIONS: rootOptions }, none));
  app.notFound(({ env }) => handleUnrouted(env));
  // `handle` and `handleInternal` convert errors; here they are only rethrown.
  app.onError((error) => {
    throw error;
  });

  /**
   * Passes a request that the gate allowed to its handler. Two kinds bypass the router. A read of
   * a world goes to the handler that the router would choose: the router costs 5 to 7 % of a read from
   * memory (`deno task bench:dispatch`, 2 cores, Deno 2.9.6, 2026-11-27). Routes of plugins are added
   * and removed while the server runs, and Hono cannot add a route after its first match.
   */
  function dispatch(context: RequestContext): Response | Promise<Response> {
    const { request, target: { name, path, query } } = context;
    if (isWorldRead(context)) {
      // `?raw` is checked by the handler, because many reads have it.
      if (query !== "" && query !== "raw") assertQuery(context, worldQueryOf(context));
      return readWorld(server, waits, context);
    }
    const plugin = RESERVED_SEGMENTS.has(namespaceOf(name)) ? undefined : plugins.match(path);
    if (plugin === undefined || storesContent(path)) assertNotEncoded(request, path);
    if (plugin === undefined) return app.fetch(ROUTER_REQUEST, context);
    if (store.isShared) currentWriteChecks()?.recordEffect();
    return plugin.handle(context);
  }

  /**
   * Limits how long the whole request waits for locked worlds. A read of a world waits once, and a
   * stream can wait again later, so they have no common limit.
   */
  function dispatchWithBudget(context: RequestContext): Response | Promise<Response> {
    const isLimited = !isWorldRead(context) && !context.target.path.startsWith("/stream/");
    if (!isLimited) {
      // The runtime can call the server in the context of another request.
      return currentLockBudget() === undefined
        ? dispatch(context)
        : withLockBudget(undefined, () => dispatch(context));
    }
    const budget = new LockBudget();
    const response = withLockBudget(budget, () => dispatch(context));
    if (response instanceof Promise) return response.finally(() => budget.end());
    budget.end();
    return response;
  }

  const isLinearizable = server.config.reads === "linearizable";

  /**
   * Answers a request when the store has what the request may depend on.
   *
   * @param isFresh whether the request has waited for that
   */
  function answer(context: RequestContext, isFresh = false): Response | Promise<Response> {
    if (!store.isShared) return dispatchWithBudget(context);
    const waiting = isFresh ? undefined : shared.waitForStore(store, context, isLinearizable);
    if (isWorldRead(context)) {
      const read = () => dispatchWithBudget(context);
      return shared.addStoreHeaders(store, context, waiting?.then(read) ?? read());
    }
    const isCurrent = isLinearizable || waiting !== undefined;
    const judge = async () => {
      await server.authenticator.pending;
      return await dispatchWithBudget(context);
    };
    const createChecks = () => new WriteChecks(shared.checkCaller(server.authenticator, context));
    return Promise.resolve(waiting)
      .then(() => judgeAgain(store, context, isCurrent, judge, createChecks))
      .then((response) => shared.addStoreHeaders(store, context, response));
  }

  /** WebDAV is loaded on first use, because its XML parser would slow every start. */
  let davRouter: DavRouter | undefined;
  async function loadDav(): Promise<DavRouter> {
    const { DavRouter } = await import("../dav/router.ts").catch((cause) =>
      throwLoadProblem(cause)
    );
    return davRouter ??= new DavRouter(server, locks, davLimiter);
  }
  function dav(context: RequestContext): Response | Promise<Response> {
    // Mounts belong to plugins, which have parameters of their own.
    if (!context.target.name.startsWith("dav/mnt/")) assertQuery(context, none);
    return davRouter?.handle(context) ?? loadDav().then((router) => router.handle(context));
  }

  function moveWorld(context: RequestContext): Promise<Response> {
    return loadDav().then((router) => router.movePlain(context));
  }

  /** Makes a path that depends on plugins wait until they have been started; one may own it then. */
  function afterStart(handler: Handler): Handler {
    return function handleAfterStart(context) {
      return plugins.starting?.then(() => dispatch(context)) ?? handler(context);
    };
  }

  /** `/bin/proc/status` is an alias of `/proc/status`. Worlds and `/bin` itself have no alias. */
  function handleAlias(context: RequestContext): Response | Promise<Response> {
    const name = context.target.name.slice("bin/".length);
    if (isInNamespace(name) || name === "bin" || name.startsWith("bin/")) {
      throw new Problem(
        "not-found",
        `Cannot find ${context.target.path}: /bin contains routes, and this is not one`,
      );
    }
    return dispatch({ ...context, target: { ...context.target, name, path: `/${name}` } });
  }

  /** Answers a path without a route: a plugin that is still being started, or a site file. */
  function handleUnrouted(context: RequestContext): Response | Promise<Response> {
    const { path, name } = context.target;
    if (plugins.readingRoutes !== undefined && !RESERVED_SEGMENTS.has(namespaceOf(name))) {
      return plugins.readingRoutes.then(() => dispatch(context));
    }
    const site = toSiteTarget(context.request.method, context.target);
    if (site !== undefined && store.stat(site.name) !== undefined) {
      return dispatch({ ...context, target: site });
    }
    // Deno gives the target `*` the URL of `/*`, which is not the name of a world.
    if (context.request.method === "OPTIONS" && path === "/*") return serverOptions();
    // A 404 would be false: the path can be the route of one of them.
    if (plugins.isStarting && !RESERVED_SEGMENTS.has(namespaceOf(name))) {
      throw createStartingProblem(context);
    }
    const found = Object.hasOwn(CORE_ROUTES, path)
      ? `the path of a world must follow, such as ${path}/home/x`
      : "nothing is here; worlds are below /home, and /bin lists the routes";
    throw new Problem(
      "not-found",
      `Cannot find ${path}: ${found}`,
      plugins.wasRoute(path) ? clearSiteData(context.request) : {},
    );
  }

  /** Last step of the gate; the content is bound to the caller. */
  function admit(
    checked: CheckedRequest,
    caller: Caller,
    connection: Connection | undefined,
    onAdmitted: ((context: RequestContext) => void) | undefined,
  ): RequestContext {
    const admitted = gate.admit(checked, caller);
    onAdmitted?.(admitted);
    if (connection === undefined) return admitted;
    if (WITHOUT_CONTENT.has(admitted.request.method)) return { ...admitted, connection };
    const { authenticator } = server;
    const bound = bindToCaller(connection, caller, (of) => authenticator.isCurrent(of));
    return { ...admitted, connection: bound };
  }

  function handle(
    request: Request,
    peer: string,
    connection?: Connection,
    onAdmitted?: (context: RequestContext) => void,
  ): Response | Promise<Response> {
    let context: RequestContext | undefined;
    try {
      const checked = gate.check(request, peer);
      const caller = gate.authenticate(checked);
      const waiting = shared.waitForCaller(server, checked, caller, isLinearizable);
      if (waiting !== undefined) return handleLater(checked, waiting, connection, onAdmitted);
      context = admit(checked, caller, connection, onAdmitted);
      const response = answer(context);
      if (response instanceof Promise) return finish(request, response, context);
      if (request.method !== "GET") return finish(request, Promise.resolve(response), context);
      requests.countResponse("GET", response.status);
      // The representation of a world has the policy and `Vary`, and the look would cost 0.5 µs
      // (Deno 2.9.6).
      if (!isWorldRead(context)) return encode(context, withResourcePolicy(response));
      const { headers = request.headers } = context;
      return headers.get("accept-encoding") === null ? response : encode(context, response);
    } catch (error) {
      return finish(request, Promise.reject(error), context);
    }
  }

  /** Answers a request whose caller is known only when memory has followed the store. */
  async function handleLater(
    checked: CheckedRequest,
    waiting: Promise<void>,
    connection: Connection | undefined,
    onAdmitted: ((context: RequestContext) => void) | undefined,
  ): Promise<Response> {
    const start = performance.now();
    let context: RequestContext | undefined;
    try {
      await waiting.catch((error) => {
        throw toStoreProblem(error, checked.request.method, checked.target.path);
      });
      context = admit(checked, gate.authenticate(checked), connection, onAdmitted);
      return await finish(checked.request, Promise.resolve(answer(context, true)), context, start);
    } catch (error) {
      return await finish(checked.request, Promise.reject(error), context, start);
    }
  }

  /**
   * Last step of a response that is a promise. Only these responses are timed, because reading the
   * clock would slow reads from memory.
   */
  async function finish(
    request: Request,
    pending: Promise<Response>,
    context: RequestContext | undefined,
    start = performance.now(),
  ): Promise<Response> {
    const { method } = request;
    let response = await pending.catch((error) => toResponse(error, request, context));
    const isRead = method === "GET" || method === "HEAD";
    const respond = isRead ? addFirstAnswers(response) : undefined;
    if (respond !== undefined && context !== undefined) {
      response = await collectFirstAnswers(context, answer).then(respond)
        .catch((error) => toResponse(error, request, context));
    }
    requests.countResponse(method, response.status);
    requests.observeWait(performance.now() - start);
    await drainBody(request);
    const framed = response.status === 205 ? toNoContent(response) : response;
    const complete = withResourcePolicy(framed);
    if (!isRead) return complete;
    const sent = context === undefined ? complete : await encode(context, complete);
    return toHeadResponse(request, sent);
  }

  /** Sends text with a content coding that the client of a GET or HEAD accepts. */
  function encode(context: RequestContext, response: Response): Response | Promise<Response> {
    const { request, headers = request.headers, target, connection } = context;
    if (!isInNamespace(target.name) && !ENCODED_PATH.test(target.path)) return response;
    return encoder.encode({
      headers,
      resource: `${target.path}?${target.query}`,
      ownContent: () => connection?.ownContent?.(),
    }, response);
  }

  async function handleInternal(context: RequestContext): Promise<Response> {
    try {
      return await answer(context);
    } catch (error) {
      return await toResponse(error, context.request, context);
    }
  }

  /** The only place where an error becomes a response. */
  async function toResponse(
    thrown: unknown,
    request: Request,
    context: RequestContext | undefined,
  ): Promise<Response> {
    // The client has disconnected and nothing failed; nginx logs such requests as 499.
    if (isClientGone(thrown, request)) return new Response(null, { status: 499 });
    const path = context?.target.path ?? "/";
    const error = toStoreProblem(
      shared.refuseFirst(thrown, context),
      request.method,
      path,
      (subject) => context !== undefined && canReadQuota(context.caller, subject),
    );
    if (error instanceof Problem && error.type === "not-found" && context !== undefined) {
      const resolved = await fallback.resolve(context);
      if (resolved !== undefined) return withClearedData(resolved, error.headers);
    }
    const problem = error instanceof Problem ? error : reportFailure(error, request);
    requests.countProblem(problem.type);
    if (problem === error) logProblem(problem, request, context);
    const accept = request.headers.get("accept");
    return await respondShellInstead(store, problem, request) ??
      toProblemResponse(problem, accept, request.method === "HEAD");
  }

  /** An unexpected error: the log gets its stack, the client a problem without it. */
  function reportFailure(error: unknown, request: Request): Problem {
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    server.log(`failed: ${request.method} ${pathForLog(request.url)}: ${text}`, "failed");
    return new Problem("internal", "Cannot answer: internal error; see the server log");
  }

  /**
   * Logs a problem that concerns the operator. Lines of one status are limited together, except that
   * each damaged world has lines of its own: clients cannot choose how many worlds are damaged.
   */
  function logProblem(
    problem: Problem,
    request: Request,
    context: RequestContext | undefined,
  ): void {
    const { status, detail, cause, type } = problem;
    if (status < 500 || ERRORS_OF_CLIENTS.has(type)) return;
    const why = cause instanceof Error ? ` (${cause.message})` : "";
    const kind = type === "world-damaged" ? `${type} ${context?.target.path}` : String(status);
    server.log(`${status}: ${request.method} ${pathForLog(request.url)}: ${detail}${why}`, kind);
  }

  return {
    handle,
    handleInternal,
    routes: app.routes.map(({ path }) => path),
    closeStreams() {
      streams.close();
      waits.close();
    },
  };
}

/**
 * Deno sends a 205 without Content-Length, so the client waits for content (2.9.6; RFC 9110
 * §15.3.6).
 */
function toNoContent({ headers }: Response): Response {
  return new Response(null, { status: 204, headers });
}

/** Keeps the `Clear-Site-Data` of a 404 that the fallback answers. */
function withClearedData(
  response: Response,
  { "clear-site-data": cleared }: Problem["headers"],
): Response {
  if (cleared !== undefined) response.headers.set("clear-site-data", cleared);
  return response;
}

/**
 * Headers of the 404 at a path of a plugin that was disabled or deleted: a browser deletes what the
 * plugin's pages left in its cache, and what an earlier version of the server let them store for the
 * whole origin, service workers included. Not for requests of the shell: they would sign its user out.
 */
function clearSiteData({ headers }: Request): Readonly<Record<string, string>> {
  const mode = headers.get("sec-fetch-mode");
  return mode === null || mode === "navigate" ? { "clear-site-data": CLEARED_DATA } : {};
}
