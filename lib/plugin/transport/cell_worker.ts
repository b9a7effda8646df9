/**
 * The program in the Worker of every cell. It locks the realm down, loads the plugin from a `data:`
 * URL and passes requests to it. It must not hold a secret or an authority, and the server trusts
 * nothing that it sends. So a plugin that takes over this code gains nothing.
 */

import { concatBytes } from "../../base/concat_bytes.ts";
import { splitSourceMap } from "../../base/source_map.ts";
import { MAX_QUERY_IMAGE_BYTES } from "../../cell_limits.ts";
import type { CellInit } from "../wire/cell_init.ts";
import { appendHeaders } from "../wire/message_heads.ts";
import type { InboundRequest } from "../wire/rpc_calls.ts";
import { isEventHandlerName } from "../wire/plugin_event.ts";
import { RpcEndpoint } from "../wire/rpc_endpoint.ts";
import { FrameReader, FrameWriter, SIDE, VERB } from "../wire/frames.ts";
import { createConsole } from "../realm/console.ts";
import { ErrorPositions, PLUGIN_URL_START } from "../realm/error_positions.ts";
import { createEnvFiles, createResolvePath, type FileReference } from "../realm/env_files.ts";
import { createEnvFetchFactory } from "../realm/env_fetch.ts";
import {
  createQueryDatabase,
  type QueryDatabase,
  type SqliteModule,
  withSyncRealPath,
} from "../realm/sql_query.ts";
import { decodeSqlQuery, encodeSqlError, encodeSqlResult } from "../realm/sql_codec.ts";
import { createEnvKv } from "../realm/env_kv.ts";
import { createEnvSql } from "../realm/env_sql.ts";
import { installLazyNatives } from "../realm/lazy_natives.ts";
import { lockDownRealm } from "../realm/lockdown.ts";
import { LOCATE_URL, locateSyntaxError } from "../realm/locate_syntax_error.ts";
import { createUncaughtErrors } from "../realm/uncaught_errors.ts";

/** Shortest time between two reports of uncaught errors to the server, in milliseconds. */
const UNCAUGHT_INTERVAL_MS = 1000;

/** Handlers of a plugin. The first argument is a request or an event. */
type Handler = (subject: unknown, env: unknown, ctx: unknown) => unknown;

/** Fields of the manifest, all plain data. */
const FIELDS = [
  "routes",
  "auth",
  "subject",
  "config",
  "grants",
  "description",
  "fallback",
  "patience",
  "cron",
  "on",
  "kv",
];

/**
 * Starts the cell. The Worker's main module calls it with the first message.
 *
 * @param init what the cell runs and what it is granted
 * @param port private channel to the server; its messages are bytes of frames
 */
export async function start(init: CellInit, port: MessagePort): Promise<void> {
  const native = Deno;
  const defer: (callback: () => void) => unknown = Reflect.get(globalThis, "setImmediate");
  const { apply } = Reflect;
  const post = MessagePort.prototype.postMessage;
  const writer = new FrameWriter();
  let scheduled = false;
  const flush = (): void => {
    scheduled = false;
    endpoint.flush();
    if (writer.length > 0) apply(post, port, [writer.take()]);
  };
  const scheduleFlush = (): void => {
    if (scheduled) return;
    scheduled = true;
    defer(flush);
  };
  const { setSignal, hasBufferedBody } = installLazyNatives();
  const { get: getReference, set: setReference } = WeakMap.prototype;
  const fileReferences = new WeakMap<Response, FileReference>();
  const rememberFile = (response: Response, file: FileReference): void =>
    void apply(setReference, fileReferences, [response, file]);
  let serve: (inbound: InboundRequest) => Promise<Response> = () =>
    Promise.reject(new Error("Not ready"));
  const { code, map } = splitSourceMap(init.code);
  const positions = new ErrorPositions(init.name, map);
  const endpoint = new RpcEndpoint({
    side: SIDE.CELL,
    writer,
    scheduleFlush,
    serve: (inbound) => serve(inbound),
    hasBufferedBody,
    formatFailure: (error) => {
      try {
        return positions.formatError(error);
      } catch {
        return undefined; // the plugin patched what it uses, or the error has a getter that throws
      }
    },
    toFileReference: (response) => {
      const file: FileReference | undefined = apply(getReference, fileReferences, [response]);
      return file === undefined || response.bodyUsed ? undefined : file;
    },
    maxInboundCalls: 0xffff,
  });
  const { console, print } = createConsole(
    (level, line) => {
      writer.writeText(VERB.LOG, SIDE.CELL, level, line);
      scheduleFlush();
    },
    native.inspect,
    init.maxLogLinesPerSecond,
    (line) => positions.namePositions(line),
  );
  const { now } = performance;
  let nextReport = 0;
  const reportUncaught = (id: number, text: string): void => {
    print(2, text);
    const time = apply(now, performance, []);
    if (time >= nextReport) {
      nextReport = time + UNCAUGHT_INTERVAL_MS;
      writer.writeText(VERB.UNCAUGHT, SIDE.CELL, id, text);
    }
    // The code that would have responded may never do so.
    endpoint.failUnanswered(id, new Error(text));
    scheduleFlush();
  };
  const uncaught = init.kind === "serve"
    ? createUncaughtErrors(
      new (await import("node:async_hooks")).AsyncLocalStorage<number>(),
      (id, error) => reportUncaught(id, `Uncaught ${positions.formatError(error)}`),
    )
    : undefined;
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    const id = uncaught?.currentRequest() ?? 0;
    reportUncaught(id, `Unhandled rejection: ${positions.formatError(event.reason)}`);
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    reportUncaught(
      uncaught?.currentRequest() ?? 0,
      `Uncaught ${positions.formatError(event.error)}`,
    );
  });
  const paths = init.kind === "query" ? withSyncRealPath(native) : native;
  const resolve = createResolvePath(paths, init.folders);
  const files = init.folders.length > 0 ? createEnvFiles(native, resolve, rememberFile) : undefined;
  const queryDatabase = init.kind === "query"
    // `@types/node` lacks members that Deno has; `SqliteModule` declares the used ones.
    ? createQueryDatabase(native, await import("node:sqlite") as unknown as SqliteModule, resolve)
    : undefined;
  const stripTypes = init.kind === "strip"
    ? (await import("node:module")).stripTypeScriptTypes
    : undefined;
  const createFetch = createEnvFetchFactory(endpoint, init.maxCalls);
  lockDownRealm(console, uncaught?.bindTimer);

  const reader = new FrameReader();
  port.onmessage = (event) => {
    reader.push(event.data, (frame) => {
      if (frame.verb === VERB.PING) {
        writer.writeBytes(VERB.PONG, SIDE.HOST, frame.id);
        scheduleFlush();
      } else {
        endpoint.receive(frame);
      }
    });
  };

  try {
    let declaration = "";
    if (stripTypes) {
      serve = async ({ head, body }) => {
        const text = await new Response(body).text();
        try {
          return new Response(stripTypes(text));
        } catch (error) {
          throw await locateSyntaxError(text, error, head.url === LOCATE_URL);
        }
      };
    } else if (queryDatabase) {
      serve = ({ body }) => answerQuery(queryDatabase, body);
    } else {
      const module: Record<string, unknown> = await import(
        // Not the media type of the bootstrap, so that a stack trace distinguishes the two.
        PLUGIN_URL_START +
          new TextEncoder().encode(code).toBase64()
      );
      const handlers = findHandlers(module);
      if (init.kind === "probe") {
        serve = createProbeHandler(module);
      } else {
        serve = createRequestHandler(handlers);
        // The server compares it with what was approved.
        declaration = JSON.stringify({
          manifest: manifestOf(module),
          permissions: await permissionsOf(module, { ...init.config }),
        });
      }
    }
    writer.writeText(VERB.READY, SIDE.CELL, 0, declaration);
  } catch (error) {
    writer.writeText(VERB.UNFIT, SIDE.CELL, 0, positions.formatError(error));
  }
  scheduleFlush();

  function createRequestHandler(
    handlers: ReadonlyMap<string, Handler>,
  ): (inbound: InboundRequest) => Promise<Response> {
    const fetch = handlers.get("fetch");
    const shared = {
      config: Object.freeze({ ...init.config }),
      vars: Object.freeze({ ...init.vars }),
      ...(files && { files }),
    };
    const envOf = (id: number, origin: string, caller: object) => {
      const machine = { fetch: createFetch("machine", id, origin) };
      return {
        ...shared,
        ...caller,
        machine,
        sql: createEnvSql(createFetch("sql", id, origin)),
        ...(init.kv === undefined ? {} : { kv: createEnvKv(machine.fetch, init.kv) }),
      };
    };
    const handleEvent = async ({ id, head, body, signal }: InboundRequest): Promise<Response> => {
      const [type] = head.note;
      const handler = handlers.get(type);
      if (handler === undefined) throw new TypeError(`${type}() is missing`);
      const event = { ...JSON.parse(await new Response(body).text()), type, signal };
      const serveEvent = () => handler(event, envOf(id, originOf(head.url), {}), contextOf(id));
      await (uncaught?.run(id, serveEvent) ?? serveEvent());
      return new Response(null, { status: 204 });
    };
    return async function handle(inbound) {
      const { id, head, body } = inbound;
      const { method, url } = head;
      if (isEventHandlerName(head.note[0])) return await handleEvent(inbound);
      if (fetch === undefined) throw new TypeError("fetch() is missing");
      // The most common request needs no init object, which would add a quarter to its cost.
      const withoutHeaders = method === "GET" && body === null
        ? new Request(url)
        : new Request(url, { method, body });
      const request = appendHeaders(withoutHeaders, head.headers);
      setSignal(request, () => inbound.signal);
      const [tier, by, tag] = head.note;
      const origin = originOf(head.url);
      const caller = { tier, by, tag, fetch: createFetch("caller", id, origin) };
      const env = envOf(id, origin, { caller });
      const serveRequest = () => fetch(request, env, contextOf(id));
      const response = await (uncaught?.run(id, serveRequest) ?? serveRequest());
      if (!(response instanceof Response)) throw new TypeError("fetch() did not return a Response");
      return response;
    };
  }

  function contextOf(id: number): unknown {
    let open = 0;
    const done = (): void => {
      if (--open > 0) return;
      writer.writeBytes(VERB.DONE, SIDE.HOST, id);
      scheduleFlush();
    };
    return {
      waitUntil(work: unknown): void {
        if (open++ === 0) {
          writer.writeBytes(VERB.HOLD, SIDE.HOST, id);
          scheduleFlush();
        }
        Promise.resolve(work).then(done, (error) => {
          print(2, `waitUntil: ${positions.formatError(error)}`);
          done();
        });
      },
      passThroughOnException(): void {},
    };
  }
}

function originOf(url: string): string {
  const end = url.indexOf("/", url.indexOf("//") + 2);
  return end < 0 ? url : url.slice(0, end);
}

/**
 * Returns the methods of the default export that the plugin needs for what it declares.
 *
 * @throws {TypeError} one is missing
 */
function findHandlers(module: Record<string, unknown>): ReadonlyMap<string, Handler> {
  const found = module.default;
  const owner = typeof found === "object" && found !== null || typeof found === "function"
    ? found
    : {};
  const isUsed = (field: string): boolean => {
    const list = module[field];
    return Array.isArray(list) && list.length > 0;
  };
  const isCalledByServer = isUsed("cron") || isUsed("on");
  const needed = [
    ["fetch", "request", isUsed("routes") || module.fallback === true || !isCalledByServer],
    ["scheduled", "event", isUsed("cron")],
    ["change", "event", isUsed("on")],
  ] as const;
  const handlers = new Map<string, Handler>();
  for (const [name, subject, isNeeded] of needed) {
    if (!isNeeded) continue;
    const handler: unknown = Reflect.get(owner, name);
    if (typeof handler !== "function") {
      throw new TypeError(`export default does not have a method ${name}(${subject}, env, ctx)`);
    }
    handlers.set(name, handler.bind(owner));
  }
  return handlers;
}

/** Answers `GET /manifest`, and `POST /permissions` whose body is the config worlds as JSON. */
function createProbeHandler(
  module: Record<string, unknown>,
): (inbound: InboundRequest) => Promise<Response> {
  return async function handle({ head, body }) {
    if (head.url.endsWith("/manifest")) return Response.json(manifestOf(module));
    return Response.json(await permissionsOf(module, await new Response(body).json()));
  };
}

function manifestOf(module: Record<string, unknown>): Record<string, unknown> {
  const manifest: Record<string, unknown> = {};
  for (const field of FIELDS) manifest[field] = module[field];
  return manifest;
}

async function permissionsOf(
  { permissions }: Record<string, unknown>,
  config: unknown,
): Promise<unknown> {
  const declared = typeof permissions === "function" ? await permissions({ config }) : permissions;
  return declared ?? {};
}

async function answerQuery(
  queryDatabase: QueryDatabase,
  body: InboundRequest["body"],
): Promise<Response> {
  try {
    const { query, image } = decodeSqlQuery(await readBody(body));
    return new Response(encodeSqlResult(await queryDatabase(query, image)));
  } catch (error) {
    return new Response(encodeSqlError(error));
  }
}

async function readBody(body: InboundRequest["body"]): Promise<Uint8Array<ArrayBuffer>> {
  if (!(body instanceof ReadableStream)) return body ?? new Uint8Array();
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body) {
    length += piece.length;
    if (length > MAX_QUERY_IMAGE_BYTES) {
      throw Object.assign(
        new Error(`Cannot query the database: it has more than ${MAX_QUERY_IMAGE_BYTES} bytes`),
        { name: "QuotaExceededError" },
      );
    }
    pieces[pieces.length] = piece;
  }
  return concatBytes(pieces, length);
}
