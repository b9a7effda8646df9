/**
 * The command `boot`: runs the self-test that every machine carries as `/home/boot` against a
 * machine. It adds to the test what only somebody with the data folder can know, the approve token
 * that a fresh machine made for itself.
 */

import { readConfig, readEnvironment } from "../config.ts";
import { birthWorlds } from "../../worlds/mod.ts";

/** Most milliseconds to wait for the machine to say who it is. */
const PATIENCE_MS = 5_000;

/**
 * Runs the self-test.
 *
 * @param args the machine's URL, if it is not the one that the settings describe
 * @returns 0 when all is well, 1 otherwise
 */
export async function run(args: readonly string[]): Promise<number> {
  const env = await readEnvironment();
  const { host, port, data } = readConfig(env);
  const name = host.includes(":") ? `[${host}]` : host;
  const base = (args[0] ?? `http://${name}:${port}`).replace(/\/+$/, "");
  const selfTest = await loadSelfTest();
  const failed = await selfTest({
    base,
    token: env("ELASTIK_TOKEN"),
    approveToken: env("ELASTIK_APPROVE_TOKEN") ?? await keptToken(base, data),
    write: (line: string) => console.log(line),
    colour: Deno.stdout.isTerminal() && env("NO_COLOR") === undefined,
    folder: `boot-${crypto.randomUUID().slice(0, 8)}`,
  });
  return failed === 0 ? 0 : 1;
}

/** The world's own text as a module: what is tested with is what the machine serves. */
async function loadSelfTest(): Promise<(options: unknown) => Promise<number>> {
  const bytes = new TextEncoder().encode(birthWorlds["home/boot.ts"] ?? "");
  const module: unknown = await import(`data:application/typescript;base64,${bytes.toBase64()}`);
  if (typeof module === "object" && module !== null && "selfTest" in module) {
    const { selfTest } = module;
    if (typeof selfTest === "function") return (options) => selfTest(options);
  }
  throw new TypeError("Cannot run the self-test: this program was built without it");
}

/**
 * The approve token kept in the data folder, if the machine that answers is the one that holds this
 * folder: it goes to no other.
 */
async function keptToken(base: string, data: string): Promise<string | undefined> {
  try {
    const holder = Number((await Deno.readTextFile(`${data}/.lock`)).trim());
    const answer = await fetch(`${base}/proc/status`, {
      headers: { accept: "application/json" },
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const status: unknown = await answer.json();
    const same = typeof status === "object" && status !== null && "pid" in status &&
      status.pid === holder && answer.url.startsWith(base);
    return same ? (await Deno.readTextFile(`${data}/.approve-token`)).trim() : undefined;
  } catch {
    // No folder here, or nobody there: the test says what it could not check without the token.
    return undefined;
  }
}
