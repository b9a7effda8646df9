/**
 * SQL queries that only read, over a world or a SQLite file below a file mount. A world is read with
 * the rights of the caller, so no caller queries a world that it cannot read. Files are those that
 * `/etc/fstab` names and no other. The statement runs in a process of its own (`env.sql`), which is
 * stopped when its time is over. Manual: `/usr/share/doc/db.md`.
 */

import type { PluginConfig } from "../kit/env.ts";
import { mountedFolders, mountTableFault, readMountTable } from "../kit/mount_table.ts";
import { Problem, problemResponse } from "../kit/problem.ts";
import type { Env } from "./env.ts";
import { chooseFormat, FORMATS } from "./formats/format.ts";
import { MAX_RESULT_BYTES, querySource } from "./query_source.ts";
import { readStatement } from "./statement.ts";
import { readTarget } from "./target.ts";

export const description = "queries a world or a mounted SQLite file with SQL that only reads";
export const routes = ["/dev/db"];
export const auth = "T2";
/** The path after the route names what is read, and it is read with the rights of the caller. */
export const subject = true;
export const config = ["/etc/fstab"];
/** Reads exactly the mounted folders. A line of the table that cannot be used is reported. */
export const permissions = (
  { config }: { config: PluginConfig },
): { read: readonly string[]; fault?: string } => {
  const table = readMountTable(config["/etc/fstab"] ?? "");
  const fault = mountTableFault(table);
  return { read: mountedFolders(table, "ro"), ...(fault && { fault }) };
};

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    try {
      return await respond(request, env);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const accept = request.headers.get("accept");
      // A client that asked for CSV reads text.
      const options = { textTypes: ["text/csv"] };
      return problemResponse(error, accept, request.method === "HEAD", options);
    }
  },
};

async function respond(request: Request, env: Env): Promise<Response> {
  const { method } = request;
  if (method !== "GET" && method !== "HEAD" && method !== "POST") {
    const detail = `Cannot ${method} /dev/db: POST a statement, or GET with ?sql=`;
    throw new Problem("method-not-allowed", detail, { allow: "GET, HEAD, POST" });
  }
  const url = new URL(request.url);
  const format = chooseFormat(request.headers.get("accept"));
  const target = readTarget(url);
  const statement = await readStatement(request, url.searchParams.getAll("sql"));
  const result = await querySource(env, target, statement);
  const body = new TextEncoder().encode(FORMATS[format].write(result));
  if (body.length > MAX_RESULT_BYTES) {
    throw new Problem(
      "body-too-large",
      `Cannot send the rows: they take ${body.length} bytes as ${format}; at most ` +
        `${MAX_RESULT_BYTES} are allowed`,
    );
  }
  return new Response(method === "HEAD" ? null : body, {
    headers: {
      "content-type": FORMATS[format].type,
      "content-length": String(body.length),
      "cache-control": "no-store",
      "vary": "Accept",
      "x-db-rows": String(result.rows.length),
      ...(result.truncated ? { "x-db-truncated": "true" } : {}),
    },
  });
}
