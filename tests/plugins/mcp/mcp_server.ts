/** A server with the plugin `mcp`, and raw messages to it. Not a test itself. */

import { bearer, type TestServer, TOKEN } from "../../support/test_server.ts";
import { withPluginServer } from "../../support/plugin_server.ts";
import type { Reply } from "../../support/wire.ts";

/** Headers of a caller. */
export type As = Readonly<Record<string, string>>;

/** T2 of the test server. */
export const T2: As = bearer(TOKEN);
/** The version in which every request describes itself. */
export const STATELESS = "2026-07-28";

/** Members of an object of a message. */
export type Members = Record<string, unknown>;

/** The result of a tool. */
export interface ToolResult {
  readonly isError: boolean;
  readonly texts: readonly string[];
  readonly structured: Members;
  readonly meta: Members;
}

/** Runs a test on a server with the plugin. */
export function withMcp(test: (server: TestServer) => Promise<void>): Promise<void> {
  return withPluginServer({ plugins: ["mcp"] }, test);
}

/** URL of the endpoint. */
export function endpointUrl(server: TestServer): URL {
  return new URL(`http://127.0.0.1:${server.port}/mcp`);
}

/** Sends a body to the endpoint, with the headers that a client sends. */
export function post(
  server: TestServer,
  as: As,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  return server.send({
    method: "POST",
    target: "/mcp",
    headers: {
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      ...as,
      ...headers,
    },
    body,
  });
}

/** Sends a request of a version with sessions. */
export async function sendRpc(
  server: TestServer,
  as: As,
  method: string,
  params: Members = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<Members> {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  return JSON.parse((await post(server, as, body, headers)).text);
}

/** Members and headers of a request of the stateless version. */
export function statelessRequest(
  method: string,
  params: Members = {},
  id: string | number = 1,
): { readonly body: string; readonly headers: Record<string, string> } {
  const name = params["name"] ?? params["uri"];
  const meta = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientInfo": { name: "raw", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  return {
    body: JSON.stringify({ jsonrpc: "2.0", id, method, params: { _meta: meta, ...params } }),
    headers: {
      "mcp-protocol-version": STATELESS,
      "mcp-method": method,
      ...(typeof name === "string" && { "mcp-name": name }),
    },
  };
}

/** Calls a tool without a session. */
export async function callTool(
  server: TestServer,
  as: As,
  name: string,
  args: Members = {},
): Promise<ToolResult> {
  const { body, headers } = statelessRequest("tools/call", { name, arguments: args });
  const reply = await post(server, as, body, headers);
  const { result } = JSON.parse(reply.text);
  if (result === undefined) throw new Error(`${reply.status} ${reply.text}`);
  const content: readonly { text?: string }[] = result.content;
  return {
    isError: result.isError === true,
    texts: content.map(({ text = "" }) => text),
    structured: result.structuredContent ?? {},
    meta: result._meta ?? {},
  };
}

/** Begins a session; returns the headers of its requests. */
export async function beginSession(
  server: TestServer,
  as: As,
  version = "2025-11-25",
): Promise<Record<string, string>> {
  const params = {
    protocolVersion: version,
    capabilities: {},
    clientInfo: { name: "raw session", version: "1" },
  };
  const body = JSON.stringify({ jsonrpc: "2.0", id: 0, method: "initialize", params });
  const reply = await post(server, as, body);
  const session = reply.headers.get("mcp-session-id");
  if (session === undefined) throw new Error(`${reply.status} ${reply.text}`);
  return { "mcp-session-id": session, "mcp-protocol-version": version };
}
