/** Messages of JSON-RPC 2.0, without batches: the versions of the protocol here have none. */

import { isRecord } from "../kit/json_record.ts";
import { MAX_ID_CHARS, MAX_NESTING } from "./limits.ts";

/** Id of a request. */
export type RpcId = string | number;

/** Members of an object that the client chose. */
export type Members = Readonly<Record<string, unknown>>;

/** A message of a client. */
export type RpcMessage =
  | {
    readonly kind: "request";
    readonly id: RpcId;
    readonly method: string;
    readonly params: Members;
  }
  | { readonly kind: "notification"; readonly method: string; readonly params: Members }
  | { readonly kind: "response" };

/** Error codes of JSON-RPC 2.0 §5.1 and of the protocol. */
export const RPC_CODES = {
  parse: -32700,
  invalidRequest: -32600,
  unknownMethod: -32601,
  invalidParams: -32602,
  internal: -32603,
  /** A resource was not found, until 2025-11-25. */
  noResource: -32002,
  /** A header differs from the body, since 2026-07-28. */
  headerMismatch: -32020,
  /** The version of the protocol is not supported, since 2026-07-28. */
  unsupportedVersion: -32022,
} as const;

/** An error of the protocol: the request cannot be processed at all. */
export class RpcError extends Error {
  override readonly name = "RpcError";

  readonly code: number;
  readonly status: number;
  readonly data?: unknown;

  /**
   * @param code error code, of {@link RPC_CODES}
   * @param message one sentence
   * @param status HTTP status code of the response
   * @param data structured details
   */
  constructor(code: number, message: string, status = 200, data?: unknown) {
    super(message);
    this.code = code;
    this.status = status;
    this.data = data;
  }
}

/** An error in a message whose id could be read. */
export class InvalidMessage extends RpcError {
  readonly id: RpcId | undefined;

  /** @param id id of the request; undefined if it has none that can be used */
  constructor(message: string, id?: RpcId) {
    super(RPC_CODES.invalidRequest, message, 400);
    this.id = id;
  }
}

/**
 * Parses a message.
 *
 * @param text body of a request
 * @throws {RpcError} the text is not JSON, is nested too deeply, or is not one message
 */
export function parseMessage(text: string): RpcMessage {
  if (isTooDeep(text)) {
    throw new InvalidMessage(
      `Cannot read the message: it is nested deeper than ${MAX_NESTING} levels`,
    );
  }
  const value = parseJson(text);
  if (Array.isArray(value)) {
    throw new InvalidMessage(
      "Cannot read the message: it is a batch; send one message per request",
    );
  }
  if (!isRecord(value)) {
    throw new InvalidMessage("Cannot read the message: it is not a JSON object");
  }
  const { jsonrpc, id, method, params } = value;
  const usable = isRpcId(id) ? id : undefined;
  if (jsonrpc !== "2.0") {
    throw new InvalidMessage('Cannot read the message: "jsonrpc" is not "2.0"', usable);
  }
  if (method === undefined && ("result" in value || "error" in value)) return { kind: "response" };
  if (typeof method !== "string") {
    throw new InvalidMessage('Cannot read the message: "method" is not a string', usable);
  }
  if (params !== undefined && !isRecord(params)) {
    throw new InvalidMessage('Cannot read the message: "params" is not an object', usable);
  }
  if (!("id" in value)) return { kind: "notification", method, params: params ?? {} };
  if (usable === undefined) {
    throw new InvalidMessage(
      `Cannot read the message: "id" is neither an integer nor a string of at most ${MAX_ID_CHARS} ` +
        "characters",
    );
  }
  return { kind: "request", id: usable, method, params: params ?? {} };
}

/** Makes the message of a result. */
export function resultMessage(id: RpcId, result: Members): Members {
  return { jsonrpc: "2.0", id, result };
}

/**
 * Makes the message of an error.
 *
 * @param id id of the request; undefined if it could not be read
 */
export function errorMessage(id: RpcId | undefined, { code, message, data }: RpcError): Members {
  return {
    jsonrpc: "2.0",
    ...(id !== undefined && { id }),
    error: { code, message, ...(data !== undefined && { data }) },
  };
}

/** Makes a notification of the server. */
export function notificationMessage(method: string, params: Members = {}): Members {
  return { jsonrpc: "2.0", method, ...(Object.keys(params).length > 0 && { params }) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RpcError(RPC_CODES.parse, "Cannot read the message: it is not JSON", 400);
  }
}

function isRpcId(value: unknown): value is RpcId {
  return typeof value === "string" ? value.length <= MAX_ID_CHARS : Number.isSafeInteger(value);
}

/** Whether brackets are nested too deeply; whether they match is left to the parser. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  let isInString = false;
  // A regular expression that skips strings fails on very long ones.
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') isInString = !isInString;
    else if (isInString && char === "\\") i++;
    else if (isInString) continue;
    else if (char === "[" || char === "{") depth++;
    else if (char === "]" || char === "}") depth--;
    if (depth > MAX_NESTING) return true;
  }
  return false;
}
