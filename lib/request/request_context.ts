/**
 * The context of one request after the gate: its target and its caller. Routes receive this value
 * and never read the URL or the Authorization header.
 */

import type { Caller } from "../auth/caller.ts";
import { assertAllowed, CHALLENGE, decideCredential } from "../auth/policy.ts";
import type { BodySource } from "../http/read_body.ts";
import type { RequestTarget } from "../http/path.ts";
import { Problem } from "../http/problem.ts";
import type { KeyedEvent } from "../world/changes.ts";
import { nameFault } from "../world/name.ts";

/** A request that has passed the gate. */
export interface RequestContext {
  readonly request: Request;
  /** Copy of the request's headers that is faster to read; absent for a subrequest of a plugin. */
  readonly headers?: Pick<Headers, "get">;
  readonly target: RequestTarget;
  readonly caller: Caller;
  /** Address of the client, not of its proxy; absent for a subrequest of a plugin. */
  readonly client?: string;
  /** Number of plugins that have passed this request on; absent for a request from outside. */
  readonly depth?: number;
  /** The connection of the client; absent for a subrequest of a plugin. */
  readonly connection?: Connection;
  /** Present if the request has an idempotency key and is answered for the first time. */
  readonly keyed?: KeyedRequest;
}

/** A request with an idempotency key. */
export interface KeyedRequest {
  /**
   * Returns the mark for the events of the request.
   *
   * @param body the content; empty for DELETE
   * @param of number of worlds that the request changes, if it is a collection
   */
  mark(body: Uint8Array, of?: number): string;
  /** Worlds that the same request changed before the server stopped; then it continues. */
  readonly done: readonly KeyedEvent[];
}

/** How much of a stream its reader has taken. */
export interface ReaderProgress {
  /** Parts or bytes that the reader has taken. */
  readonly taken: number;
  /** Whether something waits for the reader: a part of the content, or its end. */
  readonly hasUnread: boolean;
  /** Called if the reader takes nothing for too long, before its connection is closed. */
  onGiveUp?(): void;
}

/** What the server knows of the connection of a request. */
export interface Connection extends BodySource {
  readonly remoteAddr: Deno.Addr;
  /** Fulfilled when the response was delivered; rejected if the client disconnected before. */
  readonly completed: Promise<void>;
  /**
   * Says that the content is a stream that is made while the client reads it. The connection is
   * closed if the client takes nothing for too long. Must be called before the response is returned.
   *
   * @param bytes memory of the content that no other client shares
   */
  watchReader?(progress: ReaderProgress, bytes?: number): void;
  /** Says that the content of the response is in memory for this client only. */
  ownContent?(): void;
  /**
   * Says that the response has more than `WATCHED_RESPONSE_BYTES`. Needed only for a response without
   * a promise, whose headers are not looked at: that would cost 0.5 µs for every read.
   */
  largeContent?(): void;
}

/**
 * Returns the connection of a request whose body is accepted only if the credential of its caller is
 * still valid when the body has arrived.
 *
 * @param isCurrent whether the credential of a caller is valid
 */
export function bindToCaller(
  connection: Connection,
  caller: Caller,
  isCurrent: (caller: Caller) => boolean,
): Connection {
  return {
    get remoteAddr() {
      return connection.remoteAddr;
    },
    get completed() {
      return connection.completed;
    },
    ...(connection.receiveBody && { receiveBody: connection.receiveBody.bind(connection) }),
    ...(connection.watchReader && { watchReader: connection.watchReader.bind(connection) }),
    ...(connection.ownContent && { ownContent: connection.ownContent.bind(connection) }),
    assertCurrent() {
      if (isCurrent(caller)) return;
      throw new Problem(
        "unauthorized",
        "Cannot accept the content: the credential expired, was changed or revoked while it was sent; " +
          "nothing was stored",
        { "www-authenticate": CHALLENGE },
      );
    },
  };
}

/**
 * Checks whether an operation failed only because the client disconnected, or because the plugin that
 * sent the request does not wait for it any more.
 */
export function isClientGone(error: unknown, request: Request): boolean {
  if (error instanceof Problem) return false;
  if (error instanceof DOMException && error.name === "AbortError") return true;
  const { signal } = request;
  return signal.aborted && error === signal.reason;
}

/**
 * Throws if a name cannot be the name of a world.
 *
 * @param name canonical name without its leading slash, `home/x`
 * @param action the attempted action as a verb, for the error message: `write`
 * @throws {Problem} `bad-name`
 */
export function assertValidName(name: string, action: string): void {
  const fault = nameFault(name);
  if (fault === undefined) return;
  throw new Problem("bad-name", `Cannot ${action} /${name}: as the name of a world ${fault}`);
}

/**
 * Returns the part of the canonical path after the prefix of a route.
 *
 * @param context the request
 * @param prefix the prefix with its trailing slash: `/proc/audit/`
 * @returns `home/x` of `/proc/audit/home/x`
 */
export function restOf(context: RequestContext, prefix: string): string {
  return context.target.path.slice(prefix.length);
}

/**
 * Throws the problem of a request that needs a module which cannot be loaded, such as without free
 * file descriptors. A later attempt can succeed.
 *
 * @param cause what the import threw, for the log
 * @param onFailure called before, to forget the failed attempt
 * @throws {Problem} `unavailable`
 */
export function throwLoadProblem(cause: unknown, onFailure = (): void => {}): never {
  onFailure();
  const problem = new Problem(
    "unavailable",
    "Cannot answer: a part of the server could not be loaded; send the request again later",
    { "retry-after": "5" },
  );
  problem.cause = cause;
  throw problem;
}

/**
 * Creates the problem for a path that can be a route of a plugin which is still being started.
 *
 * @throws {Problem} `unauthorized` if the caller sent a credential that is not valid
 */
export function createStartingProblem({ caller, target: { path } }: RequestContext): Problem {
  assertAllowed(decideCredential(caller, "find", path));
  return new Problem(
    "unavailable",
    `Cannot find ${path} yet: the server is still starting plugins; send the request again later`,
    { "retry-after": "1" },
  );
}
