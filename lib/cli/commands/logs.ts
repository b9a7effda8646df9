/**
 * The command `logs`: prints the last lines of a plugin, and with `-f` every later one until Ctrl-C. A
 * lost connection is opened again.
 */

import { getTextOption, type OptionValues, UsageError } from "../parse_args.ts";
import type { CommandContext } from "../command.ts";
import {
  followLog,
  type LogRequest,
  readLogLines,
  type ReceivedLine,
  unfoldLine,
} from "../client/plugin_log_client.ts";
import { refusalText, resolveServer, UnreachableError } from "../client/server_client.ts";
import { selectTokens } from "../client/stored_token.ts";
import { readEnvironment } from "../../config.ts";
import { sanitizeText } from "../../base/sanitize_text.ts";
import { MAX_PLUGIN_LOG_LINES } from "../../log_limits.ts";
import { untilInterrupted } from "./on_interrupt.ts";

const DEFAULT_LINES = 100;

/**
 * Prints the log of a plugin.
 *
 * @param words name of the plugin
 * @returns 0, 1 if the server refused, 3 if it is unreachable
 * @throws {UsageError} if the name, the number of lines or the URL is malformed
 * @throws {ConfigError} if a setting is invalid
 */
export async function run(
  [name = ""]: readonly string[],
  _context: CommandContext,
  options: OptionValues,
): Promise<number> {
  // As part of an address, it would name another path of the server.
  if (/[/\\?#%]|^\.{1,2}$/.test(name)) {
    throw new UsageError(
      `Cannot run logs: ${sanitizeText(name)} is not the name of a plugin, such as hello`,
    );
  }
  const limit = parseLimit(getTextOption(options, "limit"));
  try {
    const url = getTextOption(options, "url");
    const { client, token, approveToken } = await selectTokens(
      resolveServer(await readEnvironment(), url),
      url !== undefined,
    );
    const request: LogRequest = { client, name, credential: approveToken ?? token };
    const lines = await readLogLines(request, limit);
    if ("refused" in lines) {
      console.error(refusalText(lines.refused));
      return 1;
    }
    const print = (line: ReceivedLine): void =>
      console.log(Deno.stdout.isTerminal() ? unfoldLine(line) : line.text);
    for (const line of lines) print(line);
    if (options.follow !== true) return 0;
    const refused = await untilInterrupted((signal) =>
      followLog(request, lines.at(-1)?.id, signal, print)
    );
    if (refused === undefined) return 0;
    console.error(refusalText(refused));
    return 1;
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    console.error(error.message);
    return 3;
  }
}

function parseLimit(text: string | undefined): number {
  if (text === undefined) return DEFAULT_LINES;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= MAX_PLUGIN_LOG_LINES) return limit;
  throw new UsageError(
    `Cannot run logs: --limit is ${sanitizeText(text)}; a whole number from 1 to ` +
      `${MAX_PLUGIN_LOG_LINES} is needed`,
  );
}
