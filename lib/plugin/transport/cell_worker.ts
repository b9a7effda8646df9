/**
 * What every cell's Worker runs: takes its private port, strips the realm, loads the plugin from a
 * computed `data:` URL, and answers requests with it. It holds no secret and no authority; the host
 * believes nothing it sends. So a plugin that broke it open would have won nothing.
 */

import { concatBytes } from "../../base/concat_bytes.ts";
import { MAX_QUERY_IMAGE_BYTES } from "../../limits.ts";
import type { CellInit } from "../wire/cell_init.ts";
import { appendHeaders } from "../wire/message_heads.ts";
import type { InboundRequest } from "../wire/rpc_calls.ts";
import { RpcEndpoint } from "../wire/rpc_endpoint.ts";
import { FrameReader, FrameWriter, SIDE, VERB } from "../wire/frames.ts";
import { createConsole } from "../realm/console.ts";
import { createEnvFiles, createResolvePath, type FileReference } from "../realm/env_files.ts";
import { createEnvFetchFactory } from "../realm/env_fetch.ts";
import {
  createQueryDatabase,
  type QueryDatabase,
  type SqliteModule,
  withSyncRealPath,
} from "../realm/sql_query.ts";
import { decodeSqlQuery, encodeSqlError, encodeSqlResult } from "../realm/sql_codec.ts";
import { createEnvSql } from "../realm/env_sql.ts";
import { installLazyNatives } from "../realm/lazy_natives.ts";
import { lockDownRealm } from "../realm/lockdown.ts";

interface Plugin {
  fetch(request: Request, env: unknown, ctx: unknown): Response | Promise<Response>;
}

/** Fields of the manifest that are plain data. */
const FIELDS = ["routes", "auth", "config", "grants", "description", "fallback", "patience"];

/**
 * Starts the cell with the one message its Worker is sent.
 *
 * @param init what to be
 * @param port the private way to the host, in bytes
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
    peer.flush();
    if (writer.length > 0) apply(post, port, [writer.take()]);
  };
  const wake = (): void => {
    if (scheduled) return;
    scheduled = true;
    defer(flush);
  };
  const { setSignal, hasBufferedBody: isWhole } = installLazyNatives();
  const { get: take, set: keep } = WeakMap.prototype;
  const handed = new WeakMap<Response, FileReference>();
  const hand = (response: Response, file: FileReference): void =>
    void apply(keep, handed, [response, file]);
  let serve: (served: InboundRequest) => Promise<Response> = () =>
    Promise.reject(new Error("Not ready"));
  const peer = new RpcEndpoint({
    side: SIDE.CELL,
    writer,
    scheduleFlush: wake,
    serve: (served) => serve(served),
    hasBufferedBody: isWhole,
    toFileReference: (response) => {
      const file: FileReference | undefined = apply(take, handed, [response]);
      return file === undefined || response.bodyUsed ? undefined : file;
    },
    maxInboundCalls: 0xffff,
  });
  const { console, print } = createConsole(
    (level, line) => {
      writer.writeText(VERB.LOG, SIDE.CELL, level, line);
      wake();
    },
    native.inspect,
    init.maxLogLinesPerSecond,
  );
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    print(2, `Unhandled rejection: ${words(event.reason)}`);
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    print(2, `Uncaught ${words(event.error)}`);
  });
  const paths = init.kind === "query" ? withSyncRealPath(native) : native;
  const resolve = createResolvePath(paths, init.folders);
  const files = init.folders.length > 0 ? createEnvFiles(native, resolve, hand) : undefined;
  const query = init.kind === "query"
    // The published types lag behind the runtime; `Sqlite` says what is used of it.
    ? createQueryDatabase(native, await import("node:sqlite") as unknown as SqliteModule, resolve)
    : undefined;
  const stripTypes = init.kind === "strip"
    ? (await import("node:module")).stripTypeScriptTypes
    : undefined;
  const fetches = createEnvFetchFactory(peer, init.maxCalls);
  lockDownRealm(console);

  const reader = new FrameReader();
  port.onmessage = (event) => {
    reader.push(event.data, (frame) => {
      if (frame.verb === VERB.PING) {
        writer.writeBytes(VERB.PONG, SIDE.HOST, frame.id);
        wake();
      } else {
        peer.receive(frame);
      }
    });
  };

  try {
    if (stripTypes) {
      serve = async ({ body }) => new Response(stripTypes(await new Response(body).text()));
    } else if (query) {
      serve = ({ body }) => answerQuestion(query, body);
    } else {
      const module: Record<string, unknown> = await import(
        // Another media type than the bootstrap's, so that a stack tells the two apart.
        "data:text/javascript;charset=utf-8;base64," +
          new TextEncoder().encode(init.code).toBase64()
      );
      const plugin = pluginOf(module);
      serve = init.kind === "probe" ? probe(module) : answerWith(plugin);
    }
    writer.writeBytes(VERB.READY, SIDE.CELL, 0);
  } catch (error) {
    writer.writeText(VERB.UNFIT, SIDE.CELL, 0, words(error));
  }
  wake();

  function answerWith(plugin: Plugin): (served: InboundRequest) => Promise<Response> {
    const shared = {
      config: Object.freeze({ ...init.config }),
      vars: Object.freeze({ ...init.vars }),
      ...(files && { files }),
    };
    return async function answer(served) {
      const { id, head, body } = served;
      const { method, url } = head;
      // The commonest request needs no second argument, which costs a quarter of the first.
      const bare = method === "GET" && body === null
        ? new Request(url)
        : new Request(url, { method, body });
      const request = appendHeaders(bare, head.headers);
      setSignal(request, () => served.signal);
      const [tier, by, tag] = head.note;
      const origin = originOf(head.url);
      const env = {
        ...shared,
        caller: { tier, by, tag, fetch: fetches("caller", id, origin) },
        machine: { fetch: fetches("machine", id, origin) },
        sql: createEnvSql(fetches("sql", id, origin)),
      };
      const response = await plugin.fetch(request, env, contextOf(id));
      if (!(response instanceof Response)) throw new TypeError("fetch() gave no Response");
      return response;
    };
  }

  function contextOf(id: number): unknown {
    let open = 0;
    const done = (): void => {
      if (--open > 0) return;
      writer.writeBytes(VERB.DONE, SIDE.HOST, id);
      wake();
    };
    return {
      waitUntil(work: unknown): void {
        if (open++ === 0) {
          writer.writeBytes(VERB.HOLD, SIDE.HOST, id);
          wake();
        }
        Promise.resolve(work).then(done, (error) => {
          print(2, `waitUntil: ${words(error)}`);
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

function pluginOf(module: Record<string, unknown>): Plugin {
  const found = module.default;
  if (typeof found === "object" && found !== null || typeof found === "function") {
    if (typeof Reflect.get(found, "fetch") === "function") return found as Plugin; // just checked
  }
  throw new TypeError("export default has no fetch(request, env, ctx)");
}

/** A probe answers `GET /manifest`, and `POST /permissions` with the config's JSON as body. */
function probe(module: Record<string, unknown>): (served: InboundRequest) => Promise<Response> {
  return async function answer({ head, body }) {
    if (head.url.endsWith("/manifest")) {
      const manifest: Record<string, unknown> = {};
      for (const field of FIELDS) manifest[field] = module[field];
      return Response.json(manifest);
    }
    const { permissions } = module;
    const config = await new Response(body).json();
    const asked = typeof permissions === "function" ? await permissions({ config }) : permissions;
    return Response.json(asked ?? {});
  };
}

async function answerQuestion(
  query: QueryDatabase,
  body: InboundRequest["body"],
): Promise<Response> {
  try {
    const { question, image } = decodeSqlQuery(await collect(body));
    return new Response(encodeSqlResult(await query(question, image)));
  } catch (error) {
    return new Response(encodeSqlError(error));
  }
}

async function collect(body: InboundRequest["body"]): Promise<Uint8Array<ArrayBuffer>> {
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

/** An error in words, without the text of the plugin that its stack names as a URL. */
function words(error: unknown): string {
  const text = error instanceof Error
    ? `${error.name}: ${error.message}\n${error.stack ?? ""}`
    : String(error);
  const place = /data:text\/javascript[^\s)]*?:(\d+):(\d+)/.exec(text);
  const said = error instanceof Error ? `${error.name}: ${error.message}` : text;
  const scrubbed = said.replace(/data:\w+\/javascript\S*/g, "plugin");
  return (place ? `${scrubbed} (line ${place[1]})` : scrubbed).slice(0, 4000);
}
