/**
 * `POST /lib/?check`: answers what an approval of the source in the content would answer, and stores
 * nothing. The source runs once in a cell without any permission.
 */

import { assertCan } from "../auth/policy.ts";
import { sha256Hex } from "../base/hash.ts";
import { Problem } from "../http/problem.ts";
import { hasQuery, readQueryValue } from "../http/query.ts";
import { readBody } from "../http/read_body.ts";
import { assertValidName, type RequestContext } from "../request/request_context.ts";
import type { ServerContext } from "../request/server_context.ts";
import { jsonResponse } from "../response/json_response.ts";

/** The name of a plugin that is not given. */
const UNNAMED = "check";

/** Whether a request checks a source. */
export function isPluginCheck({ target }: Pick<RequestContext, "target">): boolean {
  return target.name === "lib" && target.isCollection && hasQuery(target.query, "check");
}

/**
 * Checks a source (T3, because this runs it). `&name=` is the name that it would have: with it, the
 * routes of an active plugin of this name are free.
 *
 * @throws {Problem} `unprocessable` (422) with the reason, as an approval answers
 */
export async function checkPlugin(
  { plugins, config }: Pick<ServerContext, "plugins" | "config">,
  context: RequestContext,
): Promise<Response> {
  const { request, target, caller, connection } = context;
  const short = readQueryValue(target.query, "name") ?? UNNAMED;
  const name = `lib/${short}`;
  assertCan(caller, "activate", `/${name}`);
  assertValidName(name, "check");
  if (short.includes("/")) {
    throw new Problem(
      "bad-name",
      `Cannot check /${name}: the name of a plugin is one segment below /lib`,
    );
  }
  const body = await readBody(request, config.maxBodyBytes, connection);
  const asks = await plugins.admin.checkSource(name, body);
  return jsonResponse({ name: short, sha256: sha256Hex(body), asks });
}
