/**
 * `/proc/source/`: the files the running program is made of, for T3. It hands out what the program's
 * source says is in it, under exactly the names of its list, and looks at no path of its own.
 */

import { require } from "../../auth/policy.ts";
import type { Hono } from "../../deps/hono.ts";
import { chooser } from "../../http/negotiate.ts";
import { Problem } from "../../http/problem.ts";
import type { Machine } from "../../request/server_context.ts";
import { type ProgramSource, SourceUnavailable } from "../../source/program_source.ts";
import { mediaType } from "../../world/media_type.ts";
import { json } from "../../response/json_response.ts";
import { onlyMethods, restOf, type RouteEnv } from "../handler.ts";

const LIST = "/proc/source";
const FILE = "/proc/source/:path{.+}";
const choose = chooser(["text/plain", "application/json"], "text/plain");

/** Adds the routes to an app. */
export function addSourceRoutes(app: Hono<RouteEnv>, machine: Pick<Machine, "source">): void {
  app.get(LIST, async ({ env }) => {
    require(env.caller, "read", LIST);
    const [source, files] = await from(machine, async (found) => [found, await found.list()]);
    const vary = { vary: "Accept" };
    if (choose(env.request.headers.get("accept")) === "application/json") {
      return json({ main: source.main, files }, vary);
    }
    const lines = files.map((path) => `${path}\n`).join("");
    return new Response(lines, { headers: { ...headersOf("list.txt"), ...vary } });
  });

  app.get(FILE, async ({ env }) => {
    require(env.caller, "read", env.target.path);
    const path = restOf(env, `${LIST}/`);
    const bytes = await from(machine, (found) => found.read(path));
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
  { source }: Pick<Machine, "source">,
  use: (source: ProgramSource) => Promise<T>,
): Promise<T> {
  try {
    return await use(await source());
  } catch (error) {
    if (!(error instanceof SourceUnavailable)) throw error;
    throw new Problem("not-implemented", `Cannot show the program's source: ${error.message}`);
  }
}

function headersOf(path: string): Record<string, string> {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const type = mediaType(name.includes(".") ? name.slice(name.lastIndexOf(".") + 1) : "txt");
  // Most of it is text that the machine's own page may not run, nor a browser guess about.
  return {
    "content-type": type,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-security-policy": "sandbox",
  };
}
