/**
 * What an installation finds under the name of a plugin, and how it is put back if the new source is
 * refused. Nothing is put back over a change that another program made in between, and a plugin is
 * approved again only if it asks for exactly what it had.
 */

import {
  type ClientResponse,
  problemText,
  readProperty,
  type ServerClient,
} from "./server_client.ts";

/** The server and the tokens of the operator. */
export interface InstallAccess {
  readonly client: ServerClient;
  /** Stores sources; undefined if the server has no tokens. */
  readonly token: string | undefined;
  /** Approves and deletes (T3). */
  readonly approve: string;
}

/** A source to store. */
export interface StoredSource {
  readonly text: string;
  /** Extension of its world. */
  readonly ext: "ts" | "js";
}

/** The source under a name before an installation. */
export interface EarlierPlugin {
  /** 0 if there is none. */
  readonly version: number;
  /** `active`, `disabled`, `pending`; empty if there is no source. */
  readonly state: string;
  /**
   * Digest of what an active plugin asks for. Absent if it asks for other permissions than it has: an
   * approval would grant them.
   */
  readonly asks?: string;
}

/**
 * Reads what is under a name.
 *
 * @param name name of the plugin, such as `gpu`
 * @returns the plugin, or the response that refused to show it
 * @throws {UnreachableError}
 */
export async function readEarlierPlugin(
  { client, approve: credential }: InstallAccess,
  name: string,
): Promise<EarlierPlugin | { readonly refused: ClientResponse }> {
  const shown = await client.request("GET", `/lib/${name}/state`, { credential });
  if (shown.status === 404) return { version: 0, state: "" };
  const version = readProperty(shown.json, "version");
  const state = readProperty(shown.json, "state");
  if (shown.status !== 200 || typeof version !== "number" || typeof state !== "string") {
    return { refused: shown };
  }
  if (state !== "active") return { version, state };
  const { json } = await client.request("GET", `/lib/${name}/state?asks`, { credential });
  const asks = readProperty(json, "asks");
  const digest = readProperty(asks, "digest");
  const has = JSON.stringify(readProperty(json, "permissions"));
  const isSame = has !== undefined && has === JSON.stringify(readProperty(asks, "permissions"));
  return { version, state, ...(isSame && typeof digest === "string" ? { asks: digest } : {}) };
}

/** Follows the name of the plugin in a temporary name. */
const TEMPORARY_MARK = ".check-";
const TEMPORARY_NAME = new RegExp(
  `(?<=/lib/[\\w-]+)${RegExp.escape(TEMPORARY_MARK)}[0-9a-f]{8}`,
  "g",
);

/** Names the plugin in a text about the source under its temporary name. */
export function withoutTemporaryName(text: string): string {
  return text.replace(TEMPORARY_NAME, "");
}

/**
 * Has the server evaluate a source under a temporary name, so that a source that cannot be approved
 * does not stop the active plugin.
 *
 * @returns the response that refused it, and what it refused; no action if the source can be approved
 * @throws {UnreachableError}
 */
export async function evaluateBeside(
  { client, token, approve }: InstallAccess,
  name: string,
  { text, ext }: StoredSource,
): Promise<{ readonly action?: "store" | "approve"; readonly response: ClientResponse }> {
  const path = `/lib/${name}${TEMPORARY_MARK}${crypto.randomUUID().slice(0, 8)}`;
  const stored = await client.request("PUT", `${path}?ext=${ext}`, {
    credential: token,
    headers: { "if-none-match": "*" },
    body: text,
  });
  if (stored.status !== 201) return { action: "store", response: stored };
  const response = await client.request("GET", `${path}/state?asks`, { credential: approve });
  await client.request("DELETE", path, { credential: approve });
  return response.status === 200 ? { response } : { action: "approve", response };
}

/**
 * Puts back what was under the name.
 *
 * @param stored version of the source that the installation stored
 * @returns what is there now, as the end of a message
 * @throws {UnreachableError}
 */
export async function restoreEarlierPlugin(
  { client, token, approve }: InstallAccess,
  name: string,
  stored: number,
  { version, state, asks }: EarlierPlugin,
): Promise<string> {
  const path = `/lib/${name}`;
  const headers = { "if-match": `"${stored}"` };
  if (version === 0) {
    const { status } = await client.request("DELETE", path, { credential: approve, headers });
    return status === 200
      ? `${name} was removed again`
      : `${name} is stored but not active, DELETE ${client.base}${path} removes it`;
  }
  const from = `${path}?from=${version}`;
  const restored = await client.request("PUT", from, { credential: token, headers });
  if (restored.status !== 200) {
    const found = `version ${version} cannot be restored: ${problemText(restored)}`;
    return `${name} is stored but not active, and ${found}`;
  }
  const again = `version ${version} of ${name} is`;
  if (state === "pending") return `${again} stored again`;
  if (state !== "active" || asks !== undefined) {
    const body = state === "active" ? JSON.stringify({ state, asks }) : state;
    const change = await client.request("PUT", `${path}/state`, { credential: approve, body });
    if (change.status === 200) return `${again} ${state} again`;
  }
  return state === "active"
    ? `${again} stored again but not active, PUT active to ${client.base}${path}/state approves it`
    : `${again} stored again`;
}
