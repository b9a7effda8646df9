/**
 * `/proc/source/`: the files of the running program, for T3. It serves exactly the names that the
 * program source lists and opens no other path.
 */

import { UNCACHED_HEADERS } from "../../http/headers.ts";
import { assertCan } from "../../auth/policy.ts";
import { createTypeChooser } from "../../http/negotiate.ts";
import { Problem } from "../../http/problem.ts";
import { type RequestContext, restOf } from "../../request/request_context.ts";
import type { ServerContext } from "../../request/server_context.ts";
import { jsonResponse } from "../../response/json_response.ts";
import { type ProgramSource, SourceUnavailableError } from "../../source/program_source.ts";
import { toMediaType } from "../../world/media_type.ts";

const LIST = "/proc/source";
const chooseType = createTypeChooser(["text/plain", "application/json"], "text/plain");

/** `GET /proc/source`: the names of the files, as lines or as JSON with the main module. */
export async function listSource(
  server: Pick<ServerContext, "source">,
  { caller, request }: RequestContext,
): Promise<Response> {
  assertCan(caller, "read", LIST);
  const [source, files] = await withSource(server, async (found) => [found, await found.list()]);
  const vary = { vary: "Accept" };
  if (chooseType(request.headers.get("accept")) === "application/json") {
    return jsonResponse({ main: source.main, files }, vary);
  }
  const lines = files.map((path) => `${path}\n`).join("");
  return new Response(lines, { headers: { ...headersOf("list.txt"), ...vary } });
}

/** `GET /proc/source/<path>`: the bytes of one file. */
export async function readSource(
  server: Pick<ServerContext, "source">,
  context: RequestContext,
): Promise<Response> {
  assertCan(context.caller, "read", context.target.path);
  const path = restOf(context, `${LIST}/`);
  const bytes = await withSource(server, (found) => found.read(path));
  if (bytes !== undefined) {
    const headers = { ...headersOf(path), "content-length": String(bytes.length) };
    return new Response(bytes, { headers });
  }
  throw new Problem(
    "not-found",
    `Cannot find ${context.target.path}: the program has no such file; ${LIST}/ lists them`,
  );
}

async function withSource<T>(
  { source }: Pick<ServerContext, "source">,
  use: (source: ProgramSource) => Promise<T>,
): Promise<T> {
  try {
    return await use(await source());
  } catch (error) {
    if (!(error instanceof SourceUnavailableError)) throw error;
    throw new Problem("not-implemented", `Cannot show the program's source: ${error.message}`);
  }
}

function headersOf(path: string): Record<string, string> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const type = toMediaType(name.includes(".") ? name.slice(name.lastIndexOf(".") + 1) : "txt");
  // The files must neither run in this origin nor be interpreted by content sniffing.
  return {
    "content-type": type,
    ...UNCACHED_HEADERS,
    "content-security-policy": "sandbox",
  };
}
