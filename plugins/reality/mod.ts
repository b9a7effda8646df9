/**
 * Copies of the server: `/self` is its source and `/__reality__` its worlds, each as a tar.gz for T3,
 * made while it is sent. `/self/main.ts` and all paths below `/self/` are the modules, from which
 * another server can run. No key, token or setting of this server is in any of them: the copied worlds
 * are signed with a key made for the copy. Manual: `/usr/share/doc/reality.md`.
 */

import { Problem, problemResponse } from "../kit/problem.ts";
import { refusalUnlessAllowed } from "./access.ts";
import { archiveResponse } from "./archive.ts";
import type { Env } from "./env.ts";
import { listSource, moduleResponse, ServerRefusal, sourceEntries } from "./source.ts";
import { listWorlds, worldEntries } from "./worlds.ts";

export const description = "the server as archives (T3), and its source as modules to run from";
export const routes = ["/self", "/__reality__"];
/** A capability has T2. All callers but T3 and holders of one for `/self` are refused below. */
export const auth = "T2";
export const grants = { "/proc/source/": "r" } as const;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    try {
      return await respond(request, env);
    } catch (error) {
      if (error instanceof ServerRefusal) return error.response;
      if (!(error instanceof Problem)) throw error;
      return problemResponse(error, request.headers.get("accept"), request.method === "HEAD");
    }
  },
};

async function respond(request: Request, env: Env): Promise<Response> {
  const { method } = request;
  const { pathname } = new URL(request.url);
  if (method !== "GET" && method !== "HEAD") {
    const detail = `Cannot ${method} ${pathname}: it is read-only; use GET or HEAD`;
    throw new Problem("method-not-allowed", detail, { allow: "GET, HEAD" });
  }
  if (pathname.replace(/\/$/, "") === "/__reality__") {
    const refusal = await refusalUnlessAllowed(env, []);
    if (refusal !== undefined) return refusal;
    const worlds = await listWorlds(env);
    return archiveResponse(request, "data.tar.gz", () => worldEntries(env, worlds));
  }
  const refusal = await refusalUnlessAllowed(env, ["/self"]);
  if (refusal !== undefined) return refusal;
  const path = pathname.slice("/self/".length);
  if (path !== "") return await moduleResponse(request, env, path);
  const { files } = await listSource(env);
  return archiveResponse(request, "elastik.tar.gz", () => sourceEntries(env, files));
}
