/**
 * The command `boot`: runs the self-test that the lower layer contains as `/home/boot` against a
 * server. If possible it passes the approve token from the data folder to the test.
 */

import { stripTypeScriptTypes } from "node:module";
import { resolveServer, type ServerClient, UnreachableError } from "../client/server_client.ts";
import { readEnvironment } from "../../config.ts";
import { lowerWorlds } from "../../../worlds/mod.ts";

/**
 * Runs the self-test.
 *
 * @param words URL of the server, if it is not the one of the settings
 * @returns 0 if all checks pass, otherwise 1
 * @throws {UsageError} if the URL is malformed
 * @throws {ConfigError} if a setting is invalid
 */
export async function run([url]: readonly string[]): Promise<number> {
  const env = await readEnvironment();
  const selfTest = await loadSelfTest();
  const { client, data, token, approveToken } = resolveServer(env, url);
  const failed = await selfTest({
    base: client.base,
    token,
    approveToken: approveToken ?? await readToken(client, data),
    write: (line: string) => console.log(line),
    colour: Deno.stdout.isTerminal() && env("NO_COLOR") === undefined,
    folder: `boot-${crypto.randomUUID().slice(0, 8)}`,
  });
  return failed === 0 ? 0 : 1;
}

/** If the server is unreachable, the self-test reports it. */
async function readToken(client: ServerClient, data: string): Promise<string | undefined> {
  try {
    return await client.readStoredToken(data);
  } catch (error) {
    if (error instanceof UnreachableError) return undefined;
    throw error;
  }
}

/** Loads the text of the world as a module, so that the test is the one that the server serves. */
async function loadSelfTest(): Promise<(options: unknown) => Promise<number>> {
  // A compiled program cannot import TypeScript.
  const bytes = new TextEncoder().encode(stripTypeScriptTypes(lowerWorlds["home/boot.ts"] ?? ""));
  const module: unknown = await import(`data:text/javascript;base64,${bytes.toBase64()}`);
  if (typeof module === "object" && module !== null && "selfTest" in module) {
    const { selfTest } = module;
    if (typeof selfTest === "function") return (options) => selfTest(options);
  }
  throw new TypeError("Cannot run the self-test: this program does not include it");
}
