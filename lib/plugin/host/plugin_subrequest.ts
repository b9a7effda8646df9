/**
 * Answers subrequests of a plugin to the server. The server decides the authority: the caller's for
 * `env.caller`, the plugin's grants for `env.machine`. The plugin chooses path, method, headers and
 * body; it must not be able to choose the authority.
 */

import { type Caller, type Grants, isExpired } from "../../auth/caller.ts";
import type { RequestContext } from "../../request/request_context.ts";
import { KNOWN_METHODS } from "../../request/gate.ts";
import { parseTarget } from "../../http/path.ts";
import { Problem, toProblemResponse } from "../../http/problem.ts";
import type { Subrequest } from "../cell/cell_run.ts";

/**
 * Headers that are removed: they carry credentials, or describe a connection that does not exist.
 */
const REMOVED_HEADERS = [
  "authorization",
  "cookie",
  "host",
  "forwarded",
  "x-forwarded-for",
  "x-real-ip",
];

/**
 * Creates the caller for `env.machine`: tier T1 with the plugin's grants.
 *
 * @param name name of the plugin without its namespace
 */
export function createPluginCaller(name: string, grants: Grants): Caller {
  return Object.freeze({ tier: "T1", by: `plugin:${name}`, authenticated: true, grants });
}

/**
 * Answers a subrequest. A request that the gate would refuse gets the same problem as from a
 * client.
 *
 * @param pluginCaller the caller for `env.machine`
 * @param now current time in Unix milliseconds
 * @param dispatch answers a request behind the gate; never throws
 */
export async function answerSubrequest(
  call: Subrequest<Caller>,
  pluginCaller: Caller,
  now: number,
  dispatch: (context: RequestContext) => Promise<Response>,
): Promise<Response> {
  let context: RequestContext;
  try {
    context = toSubrequestContext(call, pluginCaller, now);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { headers, method } = call.request;
    return toProblemResponse(error, headers.get("accept"), method === "HEAD");
  }
  const response = await dispatch(context);
  // A plugin may forward these headers with another body, so the length must not be among them.
  if (call.request.method !== "HEAD") response.headers.delete("content-length");
  return response;
}

/**
 * Converts a subrequest to the context of a request that has passed the gate.
 *
 * @param pluginCaller the caller for `env.machine`
 * @param now current time in Unix milliseconds
 * @throws {Problem} the gate would refuse the request, or the caller's capability has expired
 */
export function toSubrequestContext(
  call: Subrequest<Caller>,
  pluginCaller: Caller,
  now: number,
): RequestContext {
  const { request, depth } = call;
  const caller = call.kind === "caller" ? call.authority : pluginCaller;
  if (isExpired(caller, now / 1000)) {
    throw new Problem(
      "unauthorized",
      "Cannot run the subrequest: the caller's capability has expired",
    );
  }
  if (!KNOWN_METHODS.has(request.method)) {
    throw new Problem("not-implemented", `Cannot ${request.method}: the method is not supported`);
  }
  const target = parseTarget(request.url);
  for (const name of REMOVED_HEADERS) request.headers.delete(name);
  return { request, target, caller, depth };
}
