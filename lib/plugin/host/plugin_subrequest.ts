/**
 * Answers subrequests of a plugin to the server. The server decides the authority: the caller's for
 * `env.caller`, the plugin's grants for `env.machine`. The plugin chooses path, method, headers and
 * body; it must not be able to choose the authority.
 */

import type { Caller } from "../../auth/caller.ts";
import { CHALLENGE } from "../../auth/policy.ts";
import type { RequestContext } from "../../request/request_context.ts";
import { KNOWN_METHODS } from "../../request/gate.ts";
import { parseTarget } from "../../http/path.ts";
import { Problem, toProblemResponse } from "../../http/problem.ts";
import type { Subrequest } from "../cell/cell_run.ts";
import type { PluginAuthority } from "./plugin_authority.ts";

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
 * Answers a subrequest. A request that the gate would refuse gets the same problem as from a
 * client.
 *
 * @param authority the authority of the plugin
 * @param dispatch answers a request behind the gate; never throws
 */
export async function answerSubrequest(
  call: Subrequest<Caller>,
  authority: PluginAuthority,
  dispatch: (context: RequestContext) => Promise<Response>,
): Promise<Response> {
  let context: RequestContext;
  try {
    context = toSubrequestContext(call, authority);
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
 * @param authority the authority of the plugin
 * @throws {Problem} the gate would refuse the request, or the caller's credential is not valid any more
 */
export function toSubrequestContext(
  call: Subrequest<Caller>,
  authority: PluginAuthority,
): RequestContext {
  const { request, depth } = call;
  const { method } = request;
  if (call.kind === "caller" && !authority.isCurrent(call.authority)) {
    throw new Problem(
      "unauthorized",
      "Cannot run the subrequest: the caller's credential has expired, was changed or revoked",
      { "www-authenticate": CHALLENGE },
    );
  }
  if (!KNOWN_METHODS.has(method)) {
    throw new Problem("not-implemented", `Cannot ${method}: the method is not supported`);
  }
  // A lock outlives the request with which it was taken.
  if (call.kind === "caller" && method === "LOCK") {
    throw new Problem(
      "forbidden",
      "Cannot LOCK through a plugin: a lock would outlive the request; the caller must send LOCK itself",
    );
  }
  const target = parseTarget(request.url);
  for (const name of REMOVED_HEADERS) request.headers.delete(name);
  const caller = call.kind === "caller" ? authority.delegate(call.authority) : authority.machine;
  return { request, target, caller, depth };
}
