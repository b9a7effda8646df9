/** The HTTP side of the protocol: messages in, results or event streams out. */

import { chooseType } from "../kit/accept.ts";
import type { PluginCaller } from "../kit/env.ts";
import { decodeUtf8 } from "../kit/decode_utf8.ts";
import { Problem } from "../kit/problem.ts";
import { readBody } from "../kit/read_body.ts";
import { commonCollection, readChangedWorlds } from "./changes.ts";
import { type Credential, credentialOf } from "./credential.ts";
import { coveredPrefix } from "./find_tools.ts";
import {
  errorMessage,
  InvalidMessage,
  type Members,
  parseMessage,
  resultMessage,
  RPC_CODES,
  RpcError,
  type RpcId,
  type RpcMessage,
} from "./json_rpc.ts";
import {
  MAX_CALLS_PER_CALLER,
  MAX_HELD_BYTES,
  MAX_HELD_BYTES_PER_CALLER,
  MAX_MESSAGE_BYTES,
} from "./limits.ts";
import { callMethod, initialize } from "./methods.ts";
import { listenEvents, readListenFilter, sessionEvents } from "./notifications.ts";
import { clientName, HANDSHAKE_VERSIONS, isSessionVersion, readVersion } from "./protocol.ts";
import { type ServerCaller, ServerRefusal } from "./server_call.ts";
import { type Session, Sessions, type SessionStream } from "./sessions.ts";
import { OpenStreams } from "./streams.ts";

const SESSION_HEADER = "mcp-session-id";
const NO_STREAM_METHODS = { allow: "POST" };

/** What a caller holds while it has requests in progress. */
interface Share {
  calls: number;
  /** Bytes of their bodies in memory. */
  bytes: number;
}

type RpcRequest = Extract<RpcMessage, { kind: "request" }>;

/** The endpoint of the protocol in one process of the plugin. */
export class McpEndpoint {
  readonly #sessions: Sessions;
  readonly #streams = new OpenStreams();
  /** What each caller holds while it has requests in progress, by {@link Credential.client}. */
  readonly #shares = new Map<string, Share>();
  /** Requests of sessions that can be cancelled, by session and id. */
  readonly #cancellable = new Map<string, AbortController>();
  /** Bytes of all request bodies in memory. */
  #heldBytes = 0;

  /** @param now returns the time in milliseconds */
  constructor(now: () => number) {
    this.#sessions = new Sessions(now);
  }

  /**
   * Answers a message of a client.
   *
   * @throws {Problem} the request is not a message at all, or the caller has too many in progress
   */
  async post(request: Request, caller: PluginCaller): Promise<Response> {
    const type = request.headers.get("content-type") ?? "";
    if (!/^application\/json *(?:;|$)/i.test(type)) {
      throw new Problem(
        "unsupported-media-type",
        "Cannot read the message: the Content-Type is not application/json",
      );
    }
    const credential = await credentialOf(caller, request.signal);
    const { client } = credential;
    const share = this.#shares.get(client) ?? { calls: 0, bytes: 0 };
    if (share.calls >= MAX_CALLS_PER_CALLER) {
      throw new Problem(
        "too-many-requests",
        `Cannot answer: the caller has ${share.calls} requests in progress; wait for one of them`,
        { "retry-after": "1" },
      );
    }
    this.#shares.set(client, share);
    share.calls++;
    try {
      const answer = (text: string | undefined) => this.#answer(request, caller, credential, text);
      return await this.#withText(request, share, answer);
    } finally {
      share.calls--;
      if (share.calls === 0) this.#shares.delete(client);
    }
  }

  /**
   * Opens the stream of a session.
   *
   * @throws {Problem} there is no such session, or too many streams are open
   */
  async openStream(request: Request, caller: PluginCaller): Promise<Response> {
    const { headers, signal } = request;
    const id = headers.get(SESSION_HEADER);
    if (id === null || !isSessionVersion(headers)) {
      throw new Problem(
        "method-not-allowed",
        "Cannot open a stream: only a session has one; send subscriptions/listen with POST",
        NO_STREAM_METHODS,
      );
    }
    const credential = await credentialOf(caller, signal);
    const session = await this.#sessions.find(id, credential);
    if (session === undefined || !session.isComplete) throw unknownSession();
    const kept = this.#sessions.keep(session);
    if (kept === undefined) {
      throw new Problem("unavailable", "Cannot open a stream: too many sessions are kept", {
        "retry-after": "60",
      });
    }
    const stream: SessionStream = { wake: () => {}, close: () => {} };
    const { stream: earlier } = kept;
    // The session has its new stream before the earlier one ends, so that it is kept.
    kept.stream = stream;
    const leave = (): void => {
      if (kept.stream === stream) delete kept.stream;
      this.#sessions.release(session.id);
    };
    // A client that lost its connection opens the stream again, often before the old one has ended.
    earlier?.close();
    const isPrimed = session.version === HANDSHAKE_VERSIONS[0];
    const lastEventId = headers.get("last-event-id");
    const events = (signal: AbortSignal) =>
      sessionEvents(kept, stream, { fetch: caller.fetch, signal }, lastEventId, isPrimed);
    try {
      const { response, close } = this.#streams.open(credential.client, signal, events, leave);
      stream.close = close;
      return response;
    } catch (error) {
      leave();
      throw error;
    }
  }

  /**
   * Ends a session.
   *
   * @throws {Problem} there is no such session
   */
  async endSession({ headers, signal }: Request, caller: PluginCaller): Promise<Response> {
    const id = headers.get(SESSION_HEADER);
    if (id === null || !isSessionVersion(headers)) {
      const detail = "Cannot end a session: the request has no Mcp-Session-Id of a session";
      throw new Problem("method-not-allowed", detail, NO_STREAM_METHODS);
    }
    const session = await this.#sessions.find(id, await credentialOf(caller, signal));
    if (session === undefined) throw unknownSession();
    this.#sessions.end(id);
    return new Response(null, { status: 204 });
  }

  /** Reads the body of a request, and counts it until it is answered. */
  async #withText(
    request: Request,
    share: Share,
    use: (text: string | undefined) => Promise<Response>,
  ): Promise<Response> {
    let length = 0;
    try {
      const body = await readBody(request, {
        maxBytes: MAX_MESSAGE_BYTES,
        tooLong: () =>
          new Problem(
            "body-too-large",
            `Cannot read the message: it is longer than ${MAX_MESSAGE_BYTES} bytes`,
          ),
        onPiece: (bytes) => {
          length += bytes;
          this.#heldBytes += bytes;
          share.bytes += bytes;
          if (share.bytes > MAX_HELD_BYTES_PER_CALLER) {
            throw new Problem(
              "too-many-requests",
              `Cannot read the message: the caller's messages in progress are longer than ` +
                `${MAX_HELD_BYTES_PER_CALLER} bytes; wait for one of them`,
              { "retry-after": "1" },
            );
          }
          if (this.#heldBytes <= MAX_HELD_BYTES) return;
          const detail = "Cannot read the message: other messages use the memory";
          throw new Problem("unavailable", detail, { "retry-after": "1" });
        },
      });
      return await use(decodeUtf8(body));
    } finally {
      this.#heldBytes -= length;
      share.bytes -= length;
    }
  }

  async #answer(
    request: Request,
    caller: PluginCaller,
    credential: Credential,
    text: string | undefined,
  ): Promise<Response> {
    const { headers } = request;
    let id: RpcId | undefined;
    try {
      if (text === undefined) {
        throw new RpcError(RPC_CODES.parse, "Cannot read the message: it is not UTF-8", 400);
      }
      const message = parseMessage(text);
      if (message.kind === "response") {
        if (isSessionVersion(headers)) return accepted();
        throw new InvalidMessage("Cannot read the message: the server has sent no request");
      }
      if (message.kind === "request") id = message.id;
      const { isStateless, client } = readVersion(message, headers);
      const sent = isStateless || message.method === "initialize"
        ? null
        : headers.get(SESSION_HEADER);
      const session = sent === null ? undefined : await this.#sessions.find(sent, credential);
      if (sent !== null && session === undefined) {
        throw new RpcError(
          RPC_CODES.invalidRequest,
          "Session not found: it has ended, or it belongs to another credential; send initialize",
          404,
        );
      }
      if (message.kind === "notification") return this.#notify(message, session);
      if (isStateless && message.method === "subscriptions/listen") {
        return await this.#listen(request, caller, credential, message);
      }
      if (!isStateless && message.method === "initialize") {
        return await begin(this.#sessions, message, credential);
      }
      return await this.#call(request, caller, message, {
        isStateless,
        client: session?.client ?? client,
        ...(session !== undefined && { session }),
      });
    } catch (error) {
      if (error instanceof InvalidMessage) id = error.id;
      const fault = error instanceof ServerRefusal
        ? new RpcError(RPC_CODES.internal, error.message, 200, { status: error.status })
        : error;
      if (!(fault instanceof RpcError)) throw error;
      return jsonMessage(fault.status, errorMessage(id, fault));
    }
  }

  async #call(
    { signal }: Request,
    { fetch }: PluginCaller,
    { id, method, params }: RpcRequest,
    { isStateless, client, session }: {
      readonly isStateless: boolean;
      readonly client: string;
      readonly session?: Session;
    },
  ): Promise<Response> {
    const cancel = new AbortController();
    const key = session === undefined ? undefined : cancelKey(session, id);
    if (key !== undefined && this.#cancellable.has(key)) {
      throw new InvalidMessage("Cannot answer: a request with this id is in progress", id);
    }
    if (key !== undefined) this.#cancellable.set(key, cancel);
    const caller: ServerCaller = {
      fetch,
      signal: AbortSignal.any([signal, cancel.signal]),
      client,
    };
    try {
      const result = await callMethod({
        method,
        params,
        caller,
        isStateless,
        sessions: this.#sessions,
        ...(session !== undefined && { session }),
      });
      return jsonMessage(200, resultMessage(id, result));
    } catch (error) {
      // The client does not expect a response to what it cancelled.
      if (caller.signal.aborted) return emptyStream();
      throw error;
    } finally {
      if (key !== undefined) this.#cancellable.delete(key);
    }
  }

  #notify({ method, params }: { method: string; params: Members }, session?: Session): Response {
    const id = params["requestId"];
    const isId = typeof id === "string" || typeof id === "number";
    if (method === "notifications/cancelled" && session !== undefined && isId) {
      this.#cancellable.get(cancelKey(session, id))?.abort();
    }
    return accepted();
  }

  async #listen(
    request: Request,
    { fetch }: PluginCaller,
    { client }: Credential,
    message: RpcRequest,
  ): Promise<Response> {
    const { headers, signal } = request;
    if (chooseType(headers.get("accept"), ["text/event-stream"]) === undefined) {
      throw new Problem(
        "not-acceptable",
        "Cannot listen: the Accept header does not allow text/event-stream",
      );
    }
    const { uris, isListWanted } = readListenFilter(message.params);
    const list = isListWanted ? await coveredPrefix({ fetch, signal }) : undefined;
    const prefix = commonCollection([
      ...uris.keys(),
      ...list === undefined ? [] : [`${list.name}/x`],
    ]);
    // The position is known before the client learns that it listens: no later change is missed.
    const cursor = uris.size === 0 && list === undefined
      ? undefined
      : (await readChangedWorlds({ fetch, signal }, prefix, "now", 0)).cursor;
    const listening = {
      id: message.id,
      uris,
      prefix,
      isListWanted,
      ...(cursor !== undefined && { cursor }),
    };
    const events = (signal: AbortSignal) => listenEvents(listening, { fetch, signal });
    return this.#streams.open(client, signal, events).response;
  }
}

async function begin(
  sessions: Sessions,
  { id, params }: RpcRequest,
  { holder }: Credential,
): Promise<Response> {
  const result = initialize(params);
  const session = await sessions.begin(
    result.protocolVersion,
    clientName(params["clientInfo"]),
    holder,
  );
  const response = jsonMessage(200, resultMessage(id, result));
  response.headers.set(SESSION_HEADER, session);
  return response;
}

function cancelKey({ id: session }: Session, id: RpcId): string {
  return JSON.stringify([session, id]);
}

function unknownSession(): Problem {
  return new Problem(
    "not-found",
    "Session not found: it has ended, or it belongs to another credential; send initialize",
  );
}

function accepted(): Response {
  return new Response(null, { status: 202 });
}

function emptyStream(): Response {
  return new Response("", {
    headers: { "content-type": "text/event-stream", "cache-control": "no-store" },
  });
}

function jsonMessage(status: number, message: Members): Response {
  return new Response(JSON.stringify(message), {
    status,
    headers: { "content-type": "application/json", "cache-control": "no-store" },
  });
}
