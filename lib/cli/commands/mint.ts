/**
 * The command `mint`: requests a capability from a running server as T3. Only the token is written
 * to the standard output, so that a script can capture it. On a terminal an explanation follows on
 * the standard error.
 */

import { getTextOption, type OptionValues, UsageError } from "../parse_args.ts";
import type { CommandContext } from "../command.ts";
import { formatDuration, parseDurationSeconds } from "../../base/duration.ts";
import {
  problemText,
  readProperty,
  resolveServer,
  UnreachableError,
} from "../client/server_client.ts";
import { selectTokens } from "../client/stored_token.ts";
import { readEnvironment } from "../../config.ts";
import { encodePath } from "../../http/path.ts";
import { MAX_CAPABILITY_TTL_SECONDS } from "../../limits.ts";
import { sanitizeText } from "../../base/sanitize_text.ts";

const DEFAULT_TTL = "1h";
const DEFAULT_MODE = "rw";
/** What each mode allows, as the explanation says it. */
const ACCESS: ReadonlyMap<string, string> = new Map([
  ["r", "read"],
  ["rw", "read and write"],
  ["rwd", "read, write, delete and move"],
]);
const NAME = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * Requests a capability and prints it.
 *
 * @param words one prefix, with or without its leading slash
 * @returns 0 if created, 1 if refused, 2 if nothing was tried, 3 if the server is unreachable
 * @throws {UsageError} if the lifetime, the mode, the name or the URL is malformed
 * @throws {ConfigError} if a setting is invalid
 */
export async function run(
  [prefix = ""]: readonly string[],
  _context: CommandContext,
  options: OptionValues,
): Promise<number> {
  const ttlText = getTextOption(options, "ttl") ?? DEFAULT_TTL;
  const ttl = parseDurationSeconds(ttlText);
  if (ttl === undefined) {
    throw new UsageError(
      `Cannot run mint: --ttl is ${
        sanitizeText(ttlText)
      }; a duration such as 90s, 15m, 1h or 7d is needed`,
    );
  }
  if (ttl > MAX_CAPABILITY_TTL_SECONDS) {
    throw new UsageError(
      `Cannot run mint: --ttl is ${sanitizeText(ttlText)}; at most ${
        MAX_CAPABILITY_TTL_SECONDS / 86_400
      }d is allowed`,
    );
  }
  const mode = getTextOption(options, "mode") ?? DEFAULT_MODE;
  const access = ACCESS.get(mode);
  if (access === undefined) {
    throw new UsageError(
      `Cannot run mint: --mode is ${sanitizeText(mode)}; r, rw or rwd is needed`,
    );
  }
  const name = getTextOption(options, "name");
  if (name !== undefined && !NAME.test(name)) {
    throw new UsageError(
      `Cannot run mint: --name is ${
        sanitizeText(name)
      }; 1 to 64 letters, digits, dots, underscores ` +
        "and hyphens are needed",
    );
  }
  try {
    const url = getTextOption(options, "url");
    const server = await selectTokens(
      resolveServer(await readEnvironment(), url),
      url !== undefined,
    );
    const credential = server.approveToken;
    if (credential === undefined) {
      console.error(
        `Cannot run mint: ELASTIK_APPROVE_TOKEN is not set, and the server at ${server.client.base} ` +
          `stores none in ${server.data}/; set it to the server's T3 token`,
      );
      return 2;
    }
    const path = prefix.startsWith("/") ? prefix : `/${prefix}`;
    const query = `prefix=${encodePath(path)}&ttl=${ttl}&mode=${mode}` +
      (name === undefined ? "" : `&name=${name}`);
    const response = await server.client.request("POST", `/auth/mint?${query}`, { credential });
    const token = readProperty(response.json, "token");
    if (response.status !== 200 || typeof token !== "string" || !/^[\w.-]+$/.test(token)) {
      console.error(problemText(response));
      return 1;
    }
    console.log(token);
    if (Deno.stdout.isTerminal()) {
      const id = readProperty(response.json, "id");
      const shownId = typeof id === "string" ? sanitizeText(id) : "";
      console.error(formatExplanation(server.client.base, { path, access, ttl, id: shownId }));
    }
    return 0;
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    console.error(error.message);
    return 3;
  }
}

/** What the explanation of a capability states. */
interface Explained {
  readonly path: string;
  /** What it allows, as verbs. */
  readonly access: string;
  /** Lifetime in seconds. */
  readonly ttl: number;
  readonly id: string;
}

/** Formats what a token allows, how to send it, and how to end it. */
export function formatExplanation(base: string, { path, access, ttl, id }: Explained): string {
  return [
    "",
    `This token can ${access} ${path} and everything below it for ${formatDuration(ttl)}.`,
    `  curl ${base}${encodePath(path)}/ -H 'Authorization: Bearer <the token>'`,
    `To end it before it expires, add its id to /etc/revoked: ${id}`,
  ].join("\n");
}
