/** The source of the server: single modules, and the entries of its archive. */

import { encodePath } from "../kit/encode_path.ts";
import { inOrder } from "./archive.ts";
import type { Env } from "./env.ts";
import type { ArchiveEntry } from "./tar.ts";

const SOURCE = "/proc/source";
const MAIN_MODULE = "main.ts";

/** A response of the server that becomes the response of the plugin. */
export class ServerRefusal extends Error {
  override readonly name = "ServerRefusal";
  readonly response: Response;

  constructor(response: Response) {
    super(`Cannot read the source: the server responded with ${response.status}`);
    this.response = response;
  }
}

/**
 * Lists the source.
 *
 * @returns path of the main module, and paths of all files
 * @throws {ServerRefusal} if the server has no source, as a compiled binary
 */
export async function listSource(env: Env): Promise<{ main: string; files: readonly string[] }> {
  const response = await env.machine.fetch(`${SOURCE}/`, {
    headers: { accept: "application/json" },
  });
  if (!response.ok) throw new ServerRefusal(response);
  return await response.json();
}

/** Responds with one file of the source; modules get a media type that Deno accepts. */
export async function moduleResponse(
  request: Request,
  env: Env,
  path: string,
): Promise<Response> {
  const response = await env.machine.fetch(`${SOURCE}/${path}`);
  if (response.status === 404 && path === MAIN_MODULE) return await redirectToMain(response, env);
  if (!response.ok) return response;
  const headers = new Headers(response.headers);
  if (/\.[cm]?tsx?$/.test(path)) headers.set("content-type", "application/typescript");
  if (request.method !== "HEAD") return new Response(response.body, { headers });
  await response.body?.cancel();
  return new Response(null, { headers });
}

/** If the program is a single file with another name, the main module is that file. */
async function redirectToMain(notFound: Response, env: Env): Promise<Response> {
  const { main } = await listSource(env);
  if (main === MAIN_MODULE) return notFound;
  await notFound.body?.cancel();
  // A relative URL is valid behind a proxy with another path as well.
  return new Response(null, {
    status: 307,
    headers: { location: `./${encodeURIComponent(main)}`, "cache-control": "no-store" },
  });
}

/** Makes the archive entries of the source, in the order of the paths. */
export function sourceEntries(env: Env, paths: readonly string[]): AsyncGenerator<ArchiveEntry> {
  return inOrder(paths, (path) => sourceEntry(env, path));
}

/** One file of the source; undefined if it was removed after it was listed. */
async function sourceEntry(env: Env, path: string): Promise<ArchiveEntry | undefined> {
  const response = await env.machine.fetch(`${SOURCE}/${encodePath(path)}`);
  if (response.status === 404) {
    await response.body?.cancel();
    return undefined;
  }
  if (!response.ok) {
    throw new Error(`Cannot read ${path}: the server responded with ${response.status}`);
  }
  const body = await response.bytes();
  const isExecutable = body[0] === 0x23 && body[1] === 0x21; // "#!"
  return { path, mode: isExecutable ? 0o755 : 0o644, length: body.length, body };
}
