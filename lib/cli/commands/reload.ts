/**
 * The command `reload`: lets a running server read its tokens, its certificate and the settings of its
 * logs again, and reports what the server did. It sends SIGHUP to the process that holds the data
 * folder. A signal needs no token, so the command also works when the token is what changed.
 */

import type { CommandContext } from "../command.ts";
import { readConfig, readEnvironment } from "../../config.ts";
import { sanitizeText } from "../../base/sanitize_text.ts";
import { readReloadResult, type ReloadResult } from "../../server/reload_result.ts";
import { findFolderHolder } from "../../world/file/data_folder.ts";

/** Longest wait for the server, and the pause between two looks at its result, in milliseconds. */
const RESULT_TIMEOUT_MS = 30_000;
const RESULT_STEP_MS = 25;

/**
 * Reloads the settings of a server.
 *
 * @param words the data folder; by default that of the settings
 * @returns 0 if all changes are in effect, 1 if something kept its old value, 2 if nothing was tried, 3
 * if no server runs or it does not report
 * @throws {ConfigError} if a setting is invalid
 */
export async function run(
  [folder]: readonly string[],
  _context: CommandContext,
): Promise<number> {
  if (Deno.build.os === "windows") {
    console.error("Cannot reload: Windows has no SIGHUP; restart the server");
    return 2;
  }
  const data = folder ?? readConfig(await readEnvironment()).data;
  const pid = findFolderHolder(data);
  if (pid === undefined) {
    console.error(
      sanitizeText(`Cannot reload: no server of this user holds the data folder ${data}`),
    );
    return 3;
  }
  const sentAt = Date.now();
  Deno.kill(pid, "SIGHUP");
  const result = await awaitResult(data, pid, sentAt);
  if (result === undefined) {
    console.error(
      `Cannot reload: process ${pid} did not report within ${
        RESULT_TIMEOUT_MS / 1000
      } s; see its log`,
    );
    return 3;
  }
  for (const line of formatResult(result)) console.log(sanitizeText(line));
  for (const fault of result.faults) console.error(sanitizeText(fault));
  return result.faults.length === 0 && result.restart.length === 0 ? 0 : 1;
}

async function awaitResult(
  data: string,
  pid: number,
  sentAt: number,
): Promise<ReloadResult | undefined> {
  const end = performance.now() + RESULT_TIMEOUT_MS;
  while (performance.now() < end) {
    const result = readReloadResult(data);
    if (result?.pid === pid && result.startedAt >= sentAt) return result;
    if (findFolderHolder(data) !== pid) return undefined;
    await new Promise((resolve) => setTimeout(resolve, RESULT_STEP_MS));
  }
  return undefined;
}

/** Formats what a reload changed, one sentence a line. */
export function formatResult(
  { changed, faults, restart, fixed }: Omit<ReloadResult, "pid" | "startedAt">,
): string[] {
  return [
    ...changed.map((name) => `Reloaded ${name}`),
    ...(restart.length > 0 ? [`Restart the server to apply ${restart.join(", ")}`] : []),
    ...(changed.length + faults.length + restart.length === 0 ? ["Nothing has changed"] : []),
    ...(fixed.length > 0
      ? [`Only a restart rereads the environment, which sets ${fixed.join(", ")}`]
      : []),
  ];
}
