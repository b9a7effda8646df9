/**
 * The command `boot`: runs the self-test that the lower layer contains as `/usr/bin/boot` against
 * a server. It passes the approve token of the data folder to the test if the server holds that folder.
 */

import { resolveServer, UnreachableError } from "../client/server_client.ts";
import { selectTokens } from "../client/stored_token.ts";
import { readEnvironment } from "../../config.ts";
import { lowerWorlds } from "../../../worlds/mod.ts";

/**
 * Runs the self-test.
 *
 * @param words URL of the server, if it is not the one of the settings
 * @returns 0 if all checks pass, 1 if one fails, 3 if no server responds
 * @throws {UsageError} if the URL is malformed
 * @throws {ConfigError} if a setting is invalid
 */
export async function run([url]: readonly string[]): Promise<number> {
  const env = await readEnvironment();
  const selfTest = await loadSelfTest();
  try {
    const { client, token, approveToken } = await selectTokens(
      resolveServer(env, url),
      url !== undefined,
    );
    // The self-test would report a missing server as a failed check.
    await client.request("GET", "/proc/version");
    const failed = await selfTest({
      base: client.origin,
      token,
      approveToken,
      write: (line: string) => console.log(line),
      colour: Deno.stdout.isTerminal() && env("NO_COLOR") === undefined,
      fetch: (target: string, init: RequestInit) => client.fetch(target, init),
      folder: `boot-${crypto.randomUUID().slice(0, 8)}`,
    });
    return failed === 0 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    console.error(error.message);
    return 3;
  }
}

/** Loads the text of the world as a module, so that the test is the one that the server serves. */
async function loadSelfTest(): Promise<(options: unknown) => Promise<number>> {
  const { stripTypeScriptTypes } = await import("node:module");
  // A compiled program cannot import TypeScript.
  const bytes = new TextEncoder().encode(
    stripTypeScriptTypes(lowerWorlds["usr/bin/boot.ts"] ?? ""),
  );
  const module: unknown = await import(`data:text/javascript;base64,${bytes.toBase64()}`);
  if (typeof module === "object" && module !== null && "selfTest" in module) {
    const { selfTest } = module;
    if (typeof selfTest === "function") return (options) => selfTest(options);
  }
  throw new TypeError("Cannot run the self-test: this program does not include it");
}
