/**
 * The command `mint`: a token for less, asked of the running machine as T3. The token is all that goes
 * to the standard output, so that a shell can take it; what it may do is told to whoever watches.
 */

import { type Options, textOption, UsageError } from "../parse_args.ts";
import type { CommandContext } from "../command.ts";
import { durationSeconds, durationWords } from "../client/duration.ts";
import { addressed, field, Unreachable, words } from "../client/server_client.ts";
import { readEnvironment } from "../../config.ts";
import { encodePath } from "../../http/path.ts";
import { oneLine } from "../../base/sanitize_text.ts";

const TTL = "1h";
const MODE = "rw";

/**
 * Mints.
 *
 * @param words one prefix, with or without its leading slash
 * @returns 0 minted, 1 refused, 2 nothing was tried, 3 nobody answers
 * @throws {UsageError} for a time, a mode or a URL that is none, {@link ConfigError}
 */
export async function run(
  [prefix = ""]: readonly string[],
  _context: CommandContext,
  options: Options,
): Promise<number> {
  const span = textOption(options, "ttl") ?? TTL;
  const ttl = durationSeconds(span);
  if (ttl === undefined) {
    throw new UsageError(`Cannot mint for ${oneLine(span)}: 90s, 15m, 1h or 7d would be a time`);
  }
  const mode = textOption(options, "mode") ?? MODE;
  if (mode !== "r" && mode !== "rw") {
    throw new UsageError(`Cannot mint with mode ${oneLine(mode)}: there are r and rw`);
  }
  try {
    const to = addressed(await readEnvironment(), textOption(options, "url"));
    const credential = to.approveToken ?? await to.machine.keptToken(to.data);
    if (credential === undefined) {
      console.error(
        `Cannot mint: ELASTIK_APPROVE_TOKEN is not set, and the machine at ${to.machine.base} ` +
          `keeps none in ${to.data}/; set it to the machine's T3 token`,
      );
      return 2;
    }
    const path = prefix.startsWith("/") ? prefix : `/${prefix}`;
    const query = `prefix=${encodePath(path)}&ttl=${ttl}&mode=${mode}`;
    const answer = await to.machine.ask("POST", `/auth/mint?${query}`, { credential });
    const token = field(answer.json, "token");
    if (answer.status !== 200 || typeof token !== "string" || !/^[\w.-]+$/.test(token)) {
      console.error(words(answer));
      return 1;
    }
    console.log(token);
    if (Deno.stdout.isTerminal()) console.error(explanation(to.machine.base, path, mode, ttl));
    return 0;
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    console.error(error.message);
    return 3;
  }
}

/** What a token may do, and how it is shown. */
export function explanation(base: string, path: string, mode: "r" | "rw", ttl: number): string {
  const may = mode === "r" ? "reads" : "reads and writes";
  return [
    "",
    `It ${may} ${path} and everything below it, for ${durationWords(ttl)}, and nothing else.`,
    `The machine keeps no list of such tokens: this one ends by itself.`,
    `  curl ${base}${encodePath(path)}/ -H 'Authorization: Bearer <the token>'`,
  ].join("\n");
}
