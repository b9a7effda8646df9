/**
 * Who asks for a long job, for its limits: the credential, or the address of a client without one.
 * The job stops when the client disconnects.
 */

import { credentialKey } from "../auth/caller.ts";
import type { JobCaller } from "../world/store.ts";
import type { RequestContext } from "./request_context.ts";

/**
 * Returns the caller of a long job.
 *
 * Before the response, Deno aborts the signal of a request only if the client has disconnected.
 */
export function toJobCaller({ caller, connection, request }: RequestContext): JobCaller {
  const address = connection?.remoteAddr;
  const peer = address !== undefined && "hostname" in address ? address.hostname : "";
  const client = caller.authenticated ? credentialKey(caller) : `${caller.by} ${peer}`;
  return { client, signal: request.signal };
}
