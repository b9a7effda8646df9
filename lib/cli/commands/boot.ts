/**
 * The command `boot`: runs the self-test that every machine carries as `/home/boot` against a
 * machine. It adds to the test what only somebody with the data folder can know, the approve token
 * that a fresh machine made for itself.
 */

import { stripTypeScriptTypes } from "node:module";
import { addressed, type MachineClient, Unreachable } from "../client/server_client.ts";
import { readEnvironment } from "../../config.ts";
import { birthWorlds } from "../../../worlds/mod.ts";

/**
 * Runs the self-test.
 *
 * @param words the machine's URL, if it is not the one that the settings describe
 * @returns 0 when all is well, 1 otherwise
 * @throws {UsageError} for a URL that is none, {@link ConfigError}
 */
export async function run([url]: readonly string[]): Promise<number> {
  const env = await readEnvironment();
  const selfTest = await loadSelfTest();
  const { machine, data, token, approveToken } = addressed(env, url);
  const failed = await selfTest({
    base: machine.base,
    token,
    approveToken: approveToken ?? await keptToken(machine, data),
    write: (line: string) => console.log(line),
    colour: Deno.stdout.isTerminal() && env("NO_COLOR") === undefined,
    folder: `boot-${crypto.randomUUID().slice(0, 8)}`,
  });
  return failed === 0 ? 0 : 1;
}

/** Where nobody answers, the test itself says so. */
async function keptToken(machine: MachineClient, data: string): Promise<string | undefined> {
  try {
    return await machine.keptToken(data);
  } catch (error) {
    if (error instanceof Unreachable) return undefined;
    throw error;
  }
}

/** The world's own text as a module: what is tested with is what the machine serves. */
async function loadSelfTest(): Promise<(options: unknown) => Promise<number>> {
  // A compiled program reads JavaScript alone.
  const bytes = new TextEncoder().encode(stripTypeScriptTypes(birthWorlds["home/boot.ts"] ?? ""));
  const module: unknown = await import(`data:text/javascript;base64,${bytes.toBase64()}`);
  if (typeof module === "object" && module !== null && "selfTest" in module) {
    const { selfTest } = module;
    if (typeof selfTest === "function") return (options) => selfTest(options);
  }
  throw new TypeError("Cannot run the self-test: this program was built without it");
}
