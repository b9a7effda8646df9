/**
 * `/proc/plugins/<name>/log`: the last lines of a plugin, for T3 and for the caller that wrote its source.
 * `/stream/proc/plugins/<name>/log` sends the same lines and every later one.
 */

import type { Caller } from "../../auth/caller.ts";
import { assertAllowed, decidePluginLog, readsAllPluginWords } from "../../auth/policy.ts";
import { createTypeChooser } from "../../http/negotiate.ts";
import { Problem } from "../../http/problem.ts";
import { readQueryNumber } from "../../http/query.ts";
import { MAX_PLUGIN_LOG_LINES } from "../../log_limits.ts";
import type { PluginLogLine } from "../../request/plugin_routes.ts";
import { assertValidName, type RequestContext } from "../../request/request_context.ts";
import type { ServerContext } from "../../request/server_context.ts";
import { jsonResponse, textResponse } from "../../response/json_response.ts";

const chooseType = createTypeChooser(["application/json", "text/plain"], "application/json");
const PATH = /^(?:\/stream)?\/proc\/plugins\/([^/]+)\/log$/;

/** What a caller gets of a log. */
export interface LogAccess {
  /** World of the source, `lib/gpu`. */
  readonly name: string;
  /** Only lines of sources that this caller wrote; undefined for all. */
  readonly writer: string | undefined;
}

/** Returns the world of the plugin whose log a path is about; undefined for other paths. */
export function parseLogPath(path: string): string | undefined {
  const [, name] = PATH.exec(path) ?? [];
  return name === undefined ? undefined : `lib/${name}`;
}

/**
 * Decides what a caller gets of the log of a plugin. A caller below T3 must have written the current
 * source, and gets the lines of sources that it wrote. A refusal does not tell whether the plugin exists.
 *
 * @param name world of the source, `lib/gpu`
 * @throws {Problem} `unauthorized`, `forbidden`, `not-found`
 */
export async function readLogAccess(
  { plugins, store }: Pick<ServerContext, "plugins" | "store">,
  caller: Caller,
  name: string,
): Promise<LogAccess> {
  assertValidName(name, "read");
  const { logs } = plugins.admin;
  if (readsAllPluginWords(caller)) {
    if (store.stat(name) !== undefined || logs.read(name, undefined).length > 0) {
      return { name, writer: undefined };
    }
    throw new Problem(
      "not-found",
      `Cannot read the log of /${name}: there is no source and no log; PUT one first`,
    );
  }
  assertAllowed(decidePluginLog(caller, `/${name}`, await logs.findWriter(name)));
  return { name, writer: caller.by };
}

/**
 * `GET /proc/plugins/<name>/log?limit=`: the last lines as a JSON array, the oldest first, or as text for
 * a client that prefers it.
 */
export async function readPluginLog(
  server: Pick<ServerContext, "plugins" | "store">,
  context: RequestContext,
): Promise<Response> {
  const { target: { path, query }, request, caller } = context;
  const { name, writer } = await readLogAccess(server, caller, parseLogPath(path) ?? "lib/");
  const limit = readQueryNumber(query, "limit", MAX_PLUGIN_LOG_LINES) ?? MAX_PLUGIN_LOG_LINES;
  const lines = server.plugins.admin.logs.read(name, writer).slice(-limit);
  const headers = { "vary": "Accept" };
  if (chooseType(request.headers.get("accept")) !== "text/plain") {
    return jsonResponse(lines, headers);
  }
  return textResponse(lines.map((line) => `${formatLogLine(line)}\n`).join(""), headers);
}

/** A line as text: time, level, version of the source, text. */
function formatLogLine({ time, level, version, text }: PluginLogLine): string {
  return `${time} ${level} v${version} ${text}`;
}
