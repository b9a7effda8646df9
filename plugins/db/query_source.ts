/** Queries a world as the caller can read it, or a file below a file mount. */

import type { SqlResult } from "../../lib/plugin/realm/sql_types.ts";
import { encodePath } from "../kit/encode_path.ts";
import { findOtherSpelling } from "../kit/mounted_path.ts";
import { readMountTable } from "../kit/mount_table.ts";
import { Problem } from "../kit/problem.ts";
import { readProblem } from "../kit/read_problem.ts";
import type { Env } from "./env.ts";
import { type MountedFile, resolveFile } from "./mounted_file.ts";
import { queryProblem } from "./query_problem.ts";
import type { Target } from "./target.ts";

/** Most rows of a result. */
const MAX_ROWS = 1000;
/** Longest result in bytes. */
export const MAX_RESULT_BYTES = 16 * 1024 * 1024;
/** Real time of a statement in milliseconds. */
const MAX_QUERY_MS = 2000;

/**
 * Runs a statement.
 *
 * @throws {Problem} if the source cannot be read, or the statement fails
 */
export async function querySource(
  env: Env,
  { world, file = "", content, params }: Target,
  statement: string,
): Promise<SqlResult> {
  const limits = { maxRows: MAX_ROWS, maxBytes: MAX_RESULT_BYTES, timeoutMs: MAX_QUERY_MS };
  const run = (source: string | ReadableStream<Uint8Array>) =>
    env.sql.query(source, statement, params, limits);
  const name = world === undefined ? `the file ${file}` : `/${world}`;
  try {
    if (world !== undefined) return await run(await readWorld(world, content, env));
    const mounted = resolveFile(file, readMountTable(env.config["/etc/fstab"] ?? ""));
    return await runOnFile(mounted, env, run);
  } catch (error) {
    throw error instanceof Problem ? error : queryProblem(error, name, MAX_QUERY_MS);
  }
}

/** A copy of the world's file, or its content, with the rights of the caller. */
async function readWorld(
  world: string,
  content: boolean,
  { caller }: Env,
): Promise<ReadableStream<Uint8Array>> {
  const path = encodePath(world);
  const response = await caller.fetch(content ? `/${path}?raw` : `/proc/snapshot/${path}`, {
    headers: { accept: "application/problem+json" },
  });
  if (response.ok) return response.body ?? new Blob([]).stream();
  const { status } = response;
  const problem = await readProblem(response);
  if (problem === undefined) {
    const detail = `Cannot query /${world}: the server responded with ${status}`;
    throw new Problem("bad-gateway", detail);
  }
  throw new Problem(problem, `Cannot query /${world}: ${problem.message}`, problem.headers);
}

/** Names on the disk may be in NFD, while the path of the request is in NFC. */
async function runOnFile(
  { folder, segments }: MountedFile,
  { files }: Env,
  run: (path: string) => Promise<SqlResult>,
): Promise<SqlResult> {
  try {
    return await run([folder, ...segments].join("/"));
  } catch (error) {
    const isAbsent = error instanceof Error && error.name === "NotFound";
    if (!isAbsent || files === undefined) throw error;
    const nfcSegments = segments.map((segment) => segment.normalize("NFC"));
    const other = await findOtherSpelling(files, folder, nfcSegments);
    if (other === undefined) throw error;
    return await run(other);
  }
}
