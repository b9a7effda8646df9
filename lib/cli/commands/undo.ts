/**
 * The command `undo`: undoes what one caller did below a prefix since a time. Every world that the
 * caller changed gets a new version with its earlier content; what it deleted is restored, what it
 * created is deleted, what it moved is moved back. One line per world; a world that another caller
 * changed since is skipped.
 */

import { sanitizeText } from "../../base/sanitize_text.ts";
import { readEnvironment } from "../../config.ts";
import { resolveServer, UnreachableError } from "../client/server_client.ts";
import { parseSince } from "../client/parse_since.ts";
import { selectTokens } from "../client/stored_token.ts";
import { undoChanges, UndoRefused } from "../client/undo_changes.ts";
import type { CommandContext } from "../command.ts";
import { getTextOption, type OptionValues, UsageError } from "../parse_args.ts";

/**
 * Undoes changes and prints one line for each world.
 *
 * @param words one prefix, with or without its leading slash
 * @returns 0 if all was undone, 1 if a world was skipped, 2 if nothing was tried, 3 if the server is
 * unreachable
 * @throws {UsageError} if an option is missing or malformed
 * @throws {ConfigError} if a setting is invalid
 */
export async function run(
  [prefix = ""]: readonly string[],
  _context: CommandContext,
  options: OptionValues,
): Promise<number> {
  const by = requireOption(options, "by", "a caller as `by` shows it, or #name");
  const sinceText = requireOption(options, "since", "a time such as 10:00, 2026-11-28T10:00 or 2h");
  const since = parseSince(sinceText, Date.now());
  if (since === undefined) {
    throw new UsageError(
      `Cannot run undo: --since is ${
        sanitizeText(sinceText)
      }; a time such as 10:00, 2026-11-28T10:00 or 2h is needed`,
    );
  }
  const path = `/${prefix.replace(/^\/|\/$/g, "")}`;
  const isDry = options["dry-run"] === true;
  try {
    const url = getTextOption(options, "url");
    const server = await selectTokens(
      resolveServer(await readEnvironment(), url),
      url !== undefined,
    );
    const isTerminal = Deno.stderr.isTerminal();
    let count = 0;
    const results = await undoChanges(server.client, {
      prefix: path,
      by,
      since,
      isDry,
      credential: server.approveToken ?? server.token,
      onResult({ name, text }, total) {
        count += 1;
        console.log(`/${sanitizeText(name)}: ${sanitizeText(text)}`);
        if (isTerminal && total > 1) console.error(`${count} of ${total}`);
      },
    });
    if (results.length === 0) {
      console.error(
        `Nothing to undo: ${sanitizeText(by)} changed nothing below ${
          sanitizeText(path)
        } since ${since}`,
      );
    }
    return results.every(({ done }) => done) ? 0 : 1;
  } catch (error) {
    if (error instanceof UndoRefused) {
      console.error(error.message);
      return 2;
    }
    if (!(error instanceof UnreachableError)) throw error;
    console.error(error.message);
    return 3;
  }
}

function requireOption(options: OptionValues, name: string, needed: string): string {
  const text = getTextOption(options, name);
  if (text !== undefined && text !== "") return text;
  throw new UsageError(`Cannot run undo: --${name} is missing; ${needed} is needed`);
}
