/**
 * Decides which tokens a command sends. A token that the operator did not give for this very server,
 * because it is in a file, is sent only to the server that proves that it holds the data folder: another
 * program may have taken the port.
 */

import { isInEnvironment, isLoopbackHost } from "../../config.ts";
import { CHALLENGE_HEADER, checkProof, PROOF_HEADER } from "../../http/server_proof.ts";
import { InvalidSecret, PROOF_KEY_FILE, readSecret } from "../../world/file/data_folder.ts";
import { readProperty, type ServerAccess, type ServerClient } from "./server_client.ts";

/**
 * Removes the tokens that the server must not get, and adds the approve token that it stores.
 *
 * @param server the server of the command line or of the settings
 * @param isExplicit the operator named the server on the command line
 * @returns the server and the tokens to send
 * @throws {UnreachableError} if the server does not respond
 */
export async function selectTokens(
  server: ServerAccess,
  isExplicit: boolean,
): Promise<ServerAccess> {
  const proofKey = readFolderSecret(server.data, PROOF_KEY_FILE);
  const client = proofKey === undefined ? undefined : await findHolder(server.client, proofKey);
  if (client === undefined) {
    // Without a readable folder nothing can be proven, and the operator set these tokens.
    const isTrusted = isExplicit || proofKey === undefined;
    const keep = (name: string, token: string | undefined) =>
      isTrusted && isInEnvironment(name) ? token : undefined;
    return {
      ...server,
      token: keep("ELASTIK_TOKEN", server.token),
      approveToken: keep("ELASTIK_APPROVE_TOKEN", server.approveToken),
    };
  }
  if (server.approveToken !== undefined) return { ...server, client };
  const stored = readFolderSecret(server.data, ".approve-token");
  if (stored === undefined) return { ...server, client };
  // A server with ELASTIK_APPROVE_TOKEN refuses the token that it generated before.
  const { json } = await client.request("GET", "/auth/whoami", { credential: stored });
  return readProperty(json, "tier") === "T3"
    ? { ...server, client, approveToken: stored, isStored: true }
    : { ...server, client };
}

/** Asks the server for its proof. Returns a client of the address at which the holder listens. */
async function findHolder(client: ServerClient, secret: string): Promise<ServerClient | undefined> {
  const url = new URL(client.base);
  if (!isLoopbackHost(url.hostname.replace(/^\[|\]$/g, ""))) return undefined;
  const challenge = crypto.getRandomValues(new Uint8Array(32)).toHex();
  const { headers } = await client.request("GET", "/auth/whoami", {
    headers: { [CHALLENGE_HEADER]: challenge },
  });
  const address = checkProof(secret, challenge, headers.get(PROOF_HEADER), url);
  if (address === undefined) return undefined;
  // The certificate identifies a server with TLS, and it may contain only the name.
  return url.protocol === "https:" ? client : client.at(address);
}

/** A secret of the data folder; undefined if the folder is missing or belongs to another user. */
function readFolderSecret(data: string, file: string): string | undefined {
  try {
    return readSecret(data, file);
  } catch (error) {
    if (error instanceof InvalidSecret) return undefined;
    throw error;
  }
}
