/**
 * HTTP on a connection that the caller has accepted. `Deno.serve` has no limit of connections
 * and no timeouts, and an accept error ends it (Deno 2.9.6). Deno has a function for
 * one connection, which it uses in its own listener, but it is not public. This module finds it and
 * checks its form; without it the server uses `Deno.serve`.
 */

/** Answers one request on a connection. */
export type ConnectionHandler = (
  request: Request,
  info: Deno.ServeHandlerInfo,
) => Response | Promise<Response>;

/** HTTP on one connection. */
export interface ServedConnection {
  /** Settles when the connection has ended; rejects if the client broke it. */
  readonly finished: Promise<void>;
  /** Ends the connection after the open requests. */
  shutdown(): Promise<void>;
}

/** The part of an `AbortSignal` that Deno uses. */
export interface CloseSignal {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void): void;
}

/**
 * Serves HTTP/1 or HTTP/2 on an accepted connection.
 *
 * @param signal closes the connection at once
 * @param onError creates the response if the handler throws
 * @param onListen called before the first request
 */
export type ServeConnection = (
  connection: Deno.Conn,
  signal: CloseSignal,
  handler: ConnectionHandler,
  onError: (error: unknown) => Response,
  onListen: () => void,
) => ServedConnection;

/**
 * Returns the function of this runtime that serves one connection.
 *
 * @param runtime the `Deno` namespace
 * @returns undefined if this version of Deno does not have it in the known form
 */
export function findServeConnection(runtime: object = Deno): ServeConnection | undefined {
  const symbol: unknown = Reflect.get(runtime, "internal");
  if (typeof symbol !== "symbol") return undefined;
  const internals: unknown = Reflect.get(runtime, symbol);
  if (typeof internals !== "object" || internals === null) return undefined;
  const serve: unknown = Reflect.get(internals, "serveHttpOnConnection");
  // The number of parameters is the only part of its form that can be checked before a call.
  return typeof serve === "function" && serve.length === 5 ? serve as ServeConnection : undefined;
}
