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

/**
 * Asks the server whether it would approve a source, so that one that it refuses does not stop the
 * active plugin. Nothing is stored.
 *
 * @returns the response: 200, or the reason
 * @throws {UnreachableError}
 */
export async function checkInstallation(
  { client, approve }: InstallAccess,
  name: string,
  { text }: StoredSource,
): Promise<ClientResponse> {
  const path = `/lib/?check&name=${encodeURIComponent(name)}`;
  return await client.request("POST", path, { credential: approve, body: text });
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
