/**
 * `/proc/source/`: the files the running program is made of, for T3. It hands out what the program's
 * source says is in it, under exactly the names of its list, and looks at no path of its own.
 */

import { assertCan } from "../../auth/policy.ts";
import type { Hono } from "../../deps/hono.ts";
import { createTypeChooser } from "../../http/negotiate.ts";
import { Problem } from "../../http/problem.ts";
import type { ServerContext } from "../../request/server_context.ts";
import { type ProgramSource, SourceUnavailableError } from "../../source/program_source.ts";
import { toMediaType } from "../../world/media_type.ts";
import { jsonResponse } from "../../response/json_response.ts";
import { onlyMethods, restOf, type RouteEnv } from "../handler.ts";

const LIST = "/proc/source";
const FILE = "/proc/source/:path{.+}";
const choose = createTypeChooser(["text/plain", "application/json"], "text/plain");

/** Adds the routes to an app. */
export function addSourceRoutes(app: Hono<RouteEnv>, server: Pick<ServerContext, "source">): void {
  app.get(LIST, async ({ env }) => {
    assertCan(env.caller, "read", LIST);
    const [source, files] = await from(server, async (found) => [found, await found.list()]);
    const vary = { vary: "Accept" };
    if (choose(env.request.headers.get("accept")) === "application/json") {
      return jsonResponse({ main: source.main, files }, vary);
    }
    const lines = files.map((path) => `${path}\n`).join("");
    return new Response(lines, { headers: { ...headersOf("list.txt"), ...vary } });
  });

  app.get(FILE, async ({ env }) => {
    assertCan(env.caller, "read", env.target.path);
    const path = restOf(env, `${LIST}/`);
    const bytes = await from(server, (found) => found.read(path));
    if (bytes !== undefined) {
      const headers = { ...headersOf(path), "content-length": String(bytes.length) };
      return new Response(bytes, { headers });
    }
    throw new Problem(
      "not-found",
      `Cannot find ${env.target.path}: the program has no such file; ${LIST}/ lists them`,
    );
  });

  for (const path of [LIST, FILE]) app.all(path, onlyMethods("GET, HEAD"));
}

async function from<T>(
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
  // Most of it is text that the machine's own page may not run, nor a browser guess about.
  return {
    "content-type": type,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox",
  };
}
