/**
 * Shared by the unit tests: the server as the plugin sees it, in memory, with a model whose output the
 * test controls. Not a test itself.
 */

import type { Env } from "../../../plugins/semantic/env.ts";
import { sha256Hex } from "../../../plugins/kit/sha256.ts";

/** A stored world. */
export interface FakeWorld {
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
  readonly version: number;
}

/** A request that the plugin sent. */
export interface SentRequest {
  readonly method: string;
  readonly path: string;
  readonly accept: string | null;
  readonly body: string;
}

/** Answers the requests of the plugin. */
export class FakeServer {
  readonly worlds = new Map<string, FakeWorld>();
  readonly sent: SentRequest[] = [];
  /** Responses that replace the usual one, by method and path without query. */
  readonly responses = new Map<string, () => Response>();
  /** The JSON of `GET /dev/gpu`. */
  identity: unknown = { backend: "fake", model: "m1", local: true, configured: true };
  /** Answers `POST /dev/gpu/stream`. */
  generate: (prompt: string, signal: AbortSignal | undefined) => Response = () =>
    modelResponse(["shaped ", "text"]);
  #clock = Date.UTC(2026, 0, 1);

  /** Stores a world; the next version if it exists. */
  put(path: string, body: FakeWorld["body"], headers: Record<string, string> = {}): void {
    this.#clock += 1000;
    this.worlds.set(path, {
      body,
      version: (this.worlds.get(path)?.version ?? 0) + 1,
      headers: { ...headers, "last-modified": new Date(this.#clock).toUTCString() },
    });
  }

  /** The requests with this method and path. */
  count(method: string, path: string): number {
    return this.sent.filter((sent) => sent.method === method && sent.path === path).length;
  }

  /** Answers one request; bound, so that it can be passed as a function. */
  readonly fetch = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const method = init.method ?? "GET";
    const body = typeof init.body === "string" ? init.body : "";
    const headers = new Headers(init.headers);
    this.sent.push({ method, path, accept: headers.get("accept"), body });
    const [name = ""] = path.split("?");
    const response = this.responses.get(`${method} ${name}`);
    if (response !== undefined) return response();
    if (path === "/dev/gpu") return Response.json(this.identity);
    if (path === "/dev/gpu/stream") return this.generate(body, init.signal ?? undefined);
    if (path === "/var/cache/semantic/") return this.#list(path);
    if (method === "PUT") {
      const metadata = [...headers].filter(([name]) => name.startsWith("x-meta-"));
      this.put(name, body, Object.fromEntries(metadata));
      return Response.json({ version: this.worlds.get(name)?.version });
    }
    if (method === "DELETE") this.worlds.delete(name);
    const world = this.worlds.get(name);
    if (world === undefined) return notFound(name);
    const etag = `"${world.version}-${(await sha256Hex(world.body.toString())).slice(0, 16)}.raw"`;
    const length = new Blob([world.body]).size;
    return new Response(method === "HEAD" ? null : world.body, {
      headers: { ...world.headers, etag, "content-length": String(length) },
    });
  };

  /** Returns the `env` that the plugin receives with a request. */
  env(config: Readonly<Record<string, string | undefined>> = {}): Env {
    return { config, caller: { fetch: this.fetch }, machine: { fetch: this.fetch } };
  }

  #list(folder: string): Response {
    const names = [...this.worlds.keys()].filter((path) => path.startsWith(folder));
    if (names.length === 0) return notFound(folder);
    return Response.json(names.map((path) => ({ name: path.slice(folder.length) })));
  }
}

/** The server's 404. */
export function notFound(path: string): Response {
  const detail = `Cannot read ${path}: it does not exist`;
  const problem = { type: "/usr/share/doc/problems/not-found.md", title: "Not found", detail };
  return Response.json({ ...problem, status: 404 }, {
    status: 404,
    headers: { "content-type": "application/problem+json" },
  });
}

/** The event stream of a model: pieces of text, then an event. */
export function modelEvents(
  pieces: readonly string[],
  end = "event: done\ndata: stop\n\n",
): string {
  return pieces.map((piece) => `data: ${piece.replaceAll("\n", "\ndata: ")}\n\n`).join("") + end;
}

/** A response of `/dev/gpu/stream`. */
export function modelResponse(
  pieces: readonly string[],
  end?: string,
  headers: Record<string, string> = { "x-gpu-backend": "fake", "x-gpu-model": "m1" },
): Response {
  return new Response(modelEvents(pieces, end), { headers });
}

/** A model whose output the test sends. */
export class HeldModel {
  readonly #stream = new TransformStream<Uint8Array, Uint8Array>();
  readonly #writer = this.#stream.writable.getWriter();
  /** Resolves when the plugin has cancelled the stream. */
  readonly cancelled: Promise<void> = this.#writer.closed.catch(() => undefined);

  /** The response; its stream is cancelled with the signal. */
  response(signal?: AbortSignal): Response {
    signal?.addEventListener("abort", () => this.#writer.abort(signal.reason), { once: true });
    return new Response(this.#stream.readable, {
      headers: { "x-gpu-backend": "fake", "x-gpu-model": "m1" },
    });
  }

  /** Sends text of the event stream; resolves when the plugin has read it. */
  async send(text: string): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(text));
  }

  /** Ends the stream. */
  async end(): Promise<void> {
    await this.#writer.close();
  }
}
