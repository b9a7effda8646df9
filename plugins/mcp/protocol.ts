/**
 * Versions of the Model Context Protocol: which one a request uses, and what its headers must contain.
 * Until 2025-11-25 a client begins with `initialize`. Since 2026-07-28 every request carries version
 * and client in `_meta`, and headers repeat parts of the body.
 */

import { isRecord } from "../kit/json_record.ts";
import { type Members, RPC_CODES, RpcError, type RpcMessage } from "./json_rpc.ts";
import { MAX_CLIENT_CHARS } from "./limits.ts";

/** The version in which every request describes itself. */
export const STATELESS_VERSION = "2026-07-28";
/** The versions that begin with `initialize`, newest first. */
export const HANDSHAKE_VERSIONS: readonly string[] = ["2025-11-25", "2025-06-18"];
/** All versions, newest first. */
export const SUPPORTED_VERSIONS: readonly string[] = [STATELESS_VERSION, ...HANDSHAKE_VERSIONS];

/** Keys of `_meta` that the protocol defines. */
export const META_KEYS = {
  version: "io.modelcontextprotocol/protocolVersion",
  clientInfo: "io.modelcontextprotocol/clientInfo",
  clientCapabilities: "io.modelcontextprotocol/clientCapabilities",
  serverInfo: "io.modelcontextprotocol/serverInfo",
  subscription: "io.modelcontextprotocol/subscriptionId",
} as const;

/** Name and version of this server, for display. */
export const SERVER_INFO = { name: "elastik", title: "elastik", version: "1.0.0" } as const;

const VERSION_HEADER = "mcp-protocol-version";
const METHOD_HEADER = "mcp-method";
const NAME_HEADER = "mcp-name";
/** Methods whose `Mcp-Name` header repeats a parameter, by method. */
const NAMED_PARAMETERS: ReadonlyMap<string, string> = new Map([
  ["tools/call", "name"],
  ["resources/read", "uri"],
  ["prompts/get", "name"],
]);
const BASE64_VALUE = /^=\?base64\?([A-Za-z0-9+/]*={0,2})\?=$/;

/** The version of a request, and who sent it. */
export interface RequestVersion {
  readonly version: string;
  /** Whether the request describes itself, since 2026-07-28. */
  readonly isStateless: boolean;
  /** Name of the client as it gave it; `""` if the request does not contain it. */
  readonly client: string;
}

/**
 * Determines the version of a request and checks what that version demands of it.
 *
 * @param message the body
 * @param headers headers of the request
 * @returns the version; of a request without one the oldest version that has no sessions in its name
 * @throws {RpcError} the version is not supported, or header and body differ
 */
export function readVersion(
  message: Exclude<RpcMessage, { kind: "response" }>,
  headers: Headers,
): RequestVersion {
  const sent = headers.get(VERSION_HEADER);
  const meta = message.params["_meta"];
  const claimed = isRecord(meta) ? meta[META_KEYS.version] : undefined;
  const isNamed = claimed !== undefined || sent === STATELESS_VERSION;
  if (!isNamed || isHandshake(message, sent, claimed)) return handshakeVersion(message, sent);
  if (message.kind === "notification") {
    return { version: STATELESS_VERSION, isStateless: true, client: "" };
  }
  const fields = isRecord(meta) ? meta : {};
  assertVersions(sent, claimed);
  assertHeaders(message, headers);
  if (!isRecord(fields[META_KEYS.clientCapabilities])) {
    throw new RpcError(
      RPC_CODES.invalidParams,
      `Cannot process the request: _meta has no ${META_KEYS.clientCapabilities}`,
      400,
    );
  }
  const client = clientName(fields[META_KEYS.clientInfo]);
  return { version: STATELESS_VERSION, isStateless: true, client };
}

/**
 * Checks the version header of GET and DELETE, which the stateless version does not have.
 *
 * @returns whether a version with sessions is meant
 */
export function isSessionVersion(headers: Headers): boolean {
  const sent = headers.get(VERSION_HEADER);
  return sent === null || HANDSHAKE_VERSIONS.includes(sent);
}

/**
 * Returns the name that a client gave itself, as the value of a header: visible ASCII and spaces.
 *
 * @param info `clientInfo` of a request
 * @returns `""` if it has no name
 */
export function clientName(info: unknown): string {
  const name = isRecord(info) ? info["name"] : undefined;
  if (typeof name !== "string") return "";
  return name.slice(0, MAX_CLIENT_CHARS).replace(/[^\x20-\x7e]/g, "?").trim();
}

/**
 * Whether a request that names a version belongs to one with sessions: an `initialize`, or header and
 * body name the same version with sessions.
 */
function isHandshake(
  { method }: { readonly method: string },
  sent: string | null,
  claimed: unknown,
): boolean {
  if (claimed === STATELESS_VERSION || sent === STATELESS_VERSION) return false;
  return method === "initialize" ||
    sent !== null && sent === claimed && HANDSHAKE_VERSIONS.includes(sent);
}

function handshakeVersion(message: { method: string }, sent: string | null): RequestVersion {
  const isSupported = sent === null || HANDSHAKE_VERSIONS.includes(sent);
  if (!isSupported && message.method !== "initialize") throw unsupported(sent);
  const version = isSupported ? sent : null;
  return { version: version ?? HANDSHAKE_VERSIONS.at(-1) ?? "", isStateless: false, client: "" };
}

function assertVersions(sent: string | null, claimed: unknown): void {
  if (claimed === undefined || typeof claimed !== "string") {
    throw new RpcError(
      RPC_CODES.invalidParams,
      `Cannot process the request: _meta has no ${META_KEYS.version}`,
      400,
    );
  }
  if (sent === null) throw mismatch("the header MCP-Protocol-Version is missing");
  if (sent !== claimed) {
    throw mismatch("MCP-Protocol-Version differs from the version in _meta of the body");
  }
  if (claimed !== STATELESS_VERSION) throw unsupported(claimed);
}

function assertHeaders(
  { method, params }: { readonly method: string; readonly params: Members },
  headers: Headers,
): void {
  const sentMethod = headers.get(METHOD_HEADER);
  if (sentMethod === null) throw mismatch("the header Mcp-Method is missing");
  if (sentMethod !== method) throw mismatch("Mcp-Method differs from the method in the body");
  const parameter = NAMED_PARAMETERS.get(method);
  if (parameter === undefined) return;
  const sentName = headers.get(NAME_HEADER);
  if (sentName === null) throw mismatch("the header Mcp-Name is missing");
  if (decodeHeader(sentName) !== params[parameter]) {
    throw mismatch(`Mcp-Name differs from "${parameter}" in the body`);
  }
}

/** Decodes a header value that may be in Base64; undefined if it is invalid. */
function decodeHeader(value: string): string | undefined {
  if (/[^\x20-\x7e\t]/.test(value)) return undefined;
  const encoded = BASE64_VALUE.exec(value)?.[1];
  if (encoded === undefined) return value;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.fromBase64(encoded));
  } catch {
    return undefined; // it equals no parameter
  }
}

function mismatch(reason: string): RpcError {
  return new RpcError(RPC_CODES.headerMismatch, `Cannot process the request: ${reason}`, 400);
}

function unsupported(requested: string): RpcError {
  return new RpcError(RPC_CODES.unsupportedVersion, "Unsupported protocol version", 400, {
    supported: SUPPORTED_VERSIONS,
    requested: requested.slice(0, MAX_CLIENT_CHARS),
  });
}
