/**
 * The command `plugins`: lists the plugins of a running server with state, health and routes: a table on
 * a terminal, one line with tabs per plugin in a pipe.
 */

import { getTextOption, type OptionValues } from "../parse_args.ts";
import type { CommandContext } from "../command.ts";
import {
  readProperty,
  refusalText,
  resolveServer,
  UnreachableError,
} from "../client/server_client.ts";
import { selectTokens } from "../client/stored_token.ts";
import { readEnvironment } from "../../config.ts";
import { sanitizeText } from "../../base/sanitize_text.ts";

const HEAD = ["name", "state", "health", "routes"] as const;

/**
 * Lists the plugins.
 *
 * @returns 0, 1 if the server refused, 3 if it is unreachable
 * @throws {UsageError} if the URL is malformed
 * @throws {ConfigError} if a setting is invalid
 */
export async function run(
  _words: readonly string[],
  _context: CommandContext,
  options: OptionValues,
): Promise<number> {
  try {
    const url = getTextOption(options, "url");
    const { client, token, approveToken } = await selectTokens(
      resolveServer(await readEnvironment(), url),
      url !== undefined,
    );
    const response = await client.request("GET", "/proc/plugins", {
      credential: approveToken ?? token,
      headers: { accept: "application/json" },
    });
    if (response.status !== 200 || !Array.isArray(response.json)) {
      console.error(refusalText(response));
      return 1;
    }
    const rows = response.json.map(toRow);
    if (Deno.stdout.isTerminal()) {
      if (rows.length === 0) console.error(`There are no plugins on ${client.base}`);
      else for (const line of formatTable([HEAD, ...rows])) console.log(line);
    } else for (const row of rows) console.log(row.join("\t"));
    return 0;
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    console.error(error.message);
    return 3;
  }
}

/** Name, state, health and routes of a plugin. The texts come from a plugin, so they are sanitized. */
function toRow(plugin: unknown): readonly string[] {
  const routes = readProperty(plugin, "routes");
  const health = readProperty(plugin, "fault") === undefined
    ? readProperty(readProperty(plugin, "health"), "state")
    : "fault";
  return [
    readProperty(plugin, "name"),
    readProperty(plugin, "state"),
    health,
    Array.isArray(routes) && routes.length > 0 ? routes.join(" ") : "-",
  ].map((value) => sanitizeText(String(value ?? "-")));
}

/**
 * Aligns the columns of a table.
 *
 * @param rows cells without line breaks; all rows have as many
 */
export function formatTable(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(...rows.map((row) => row[at]?.length ?? 0))
  );
  return rows.map((row) =>
    row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  ").trimEnd()
  );
}
