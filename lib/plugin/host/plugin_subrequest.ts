/**
 * What a plugin asks of the machine, performed with the authority the host holds for it: the caller's
 * while their request is open, or the plugin's own grants. The plugin's words choose a path, a method,
 * headers and a body; they never choose who is asking.
 */

import { type Caller, type Grants, isExpired } from "../../auth/caller.ts";
import type { RequestContext } from "../../request/request_context.ts";
import { KNOWN_METHODS } from "../../request/gate.ts";
import { parseTarget } from "../../http/path.ts";
import { Problem, toProblemResponse } from "../../http/problem.ts";
import type { Subrequest } from "../cell/cell_run.ts";

/** Headers by which a plugin could pose as somebody else, or speak of a connection that is not there. */
const NOT_TAKEN = ["authorization", "cookie", "host", "forwarded", "x-forwarded-for", "x-real-ip"];

/** Makes the caller a plugin is when it acts on its own. */
export function createPluginCaller(name: string, grants: Grants): Caller {
  return Object.freeze({ tier: "T1", by: `plugin:${name}`, authenticated: true, grants });
}

/**
 * Performs a call back. What the gate would have refused is refused in the machine's words, as it is
 * for any other caller.
 *
 * @param own the plugin itself as a caller
 * @param now Unix milliseconds
 * @param dispatch answers an exchange behind the gate; never throws
 */
export async function answerSubrequest(
  call: Subrequest<Caller>,
  own: Caller,
  now: number,
  dispatch: (context: RequestContext) => Promise<Response>,
): Promise<Response> {
  let context: RequestContext;
  try {
    context = toSubrequestContext(call, own, now);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { headers, method } = call.request;
    return toProblemResponse(error, headers.get("accept"), method === "HEAD");
  }
  const answer = await dispatch(context);
  // A plugin that passes these headers on with another body would promise a length it does not keep.
  if (call.request.method !== "HEAD") answer.headers.delete("content-length");
  return answer;
}

/**
 * Turns a call back into an exchange that enters the machine behind the gate.
 *
 * @param own the plugin itself as a caller
 * @param now Unix milliseconds
 * @throws {Problem} what the gate would have refused, and a caller whose capability has ended
 */
export function toSubrequestContext(
  call: Subrequest<Caller>,
  own: Caller,
  now: number,
): RequestContext {
  const { request, depth } = call;
  const caller = call.kind === "caller" ? call.authority : own;
  if (isExpired(caller, now / 1000)) {
    throw new Problem("unauthorized", "Cannot call back: the caller's capability has expired");
  }
  if (!KNOWN_METHODS.has(request.method)) {
    throw new Problem("not-implemented", `Cannot ${request.method}: the method is not known here`);
  }
  const target = parseTarget(request.url);
  for (const name of NOT_TAKEN) request.headers.delete(name);
  return { request, target, caller, depth };
}
