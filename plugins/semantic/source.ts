/** The source of a shape: a world or mounted file, read with the authority of the caller only. */

import { decodeUtf8 } from "../kit/decode_utf8.ts";
import type { PluginFetch } from "../kit/env.ts";
import { Problem } from "../kit/problem.ts";
import { problemHeaders, readProblem } from "../kit/read_problem.ts";
import { readStart } from "../kit/read_start.ts";
import { sha256Hex } from "../kit/sha256.ts";
import { NAMESPACES } from "../kit/world_name.ts";
import type { Env } from "./env.ts";

/** Path of the route of this plugin. */
const SHAPED_PATH = "/shaped";
/** Asks the server for problem details (RFC 9457) instead of text. */
const PROBLEM_ACCEPT = { accept: "application/problem+json, */*;q=0.5" };

/** Entity tag of the bytes of a world: version and hash of what this caller sees. */
const WORLD_TAG = /^"\d+-[\da-f]{16}\.raw"$/;

export interface Source {
  readonly text: string;
  /** Names the bytes that were read; part of the key. */
  readonly tag: string;
  /** `<bytes read>/<all bytes>` if the text is only the beginning; `*` for an unknown length. */
  readonly cut?: string;
}

/**
 * Returns the path of the source that a shape is requested of.
 *
 * @param pathname path of the request, `/shaped/home/x`
 * @throws {Problem} `not-found` if the rest is neither a world nor a mounted file
 */
export function parseSourcePath(pathname: string): string {
  const path = pathname.slice(SHAPED_PATH.length);
  const first = path.split("/", 2)[1] ?? "";
  if (NAMESPACES.includes(first) || first === "mnt") return path;
  throw new Problem(
    "not-found",
    `Cannot shape ${path === "" ? "/" : path}: it is not the path of a world or a mounted file; ` +
      `an example is ${SHAPED_PATH}/home/x`,
  );
}

/**
 * Returns the entity tag of the source if it is a world, without reading its bytes. The server checks
 * that the caller can read it.
 *
 * @returns undefined if the source has no such tag, so that its bytes must be read and hashed
 * @throws {Problem} what the server answers to a direct read
 */
export async function readSourceTag(
  { fetch, tag = "" }: Env["caller"],
  path: string,
): Promise<string | undefined> {
  if (path.startsWith("/mnt")) return undefined;
  // The server read the world already, with the authority of the caller.
  if (WORLD_TAG.test(tag)) return tag;
  const response = await fetch(`${path}?raw`, { method: "HEAD" });
  if (response.status !== 200) {
    throw await sourceProblem(await fetch(`${path}?raw`, { headers: PROBLEM_ACCEPT }), path);
  }
  const found = response.headers.get("etag") ?? "";
  return WORLD_TAG.test(found) ? found : undefined;
}

/**
 * Reads the text of the source.
 *
 * @param fetch acts with the authority of the caller
 * @param limit bytes to read at most
 * @throws {Problem} what the server answers to a direct read; `unsupported-media-type` if the bytes
 * are not UTF-8 text; `unprocessable` if the text is empty
 */
export async function readSource(
  fetch: PluginFetch,
  path: string,
  limit: number,
): Promise<Source> {
  const response = await fetch(`${path}?raw`, { headers: PROBLEM_ACCEPT });
  if (response.status !== 200) throw await sourceProblem(response, path);
  const { bytes, whole } = await readStart(response, limit);
  const text = decodeUtf8(bytes, whole);
  if (text === undefined || text.includes("\0")) {
    throw new Problem(
      "unsupported-media-type",
      `Cannot shape ${path}: its bytes are not UTF-8 text; read them with GET ${path}?raw`,
    );
  }
  if (text.trim() === "") {
    throw new Problem("unprocessable", `Cannot shape ${path}: it is empty`);
  }
  const etag = response.headers.get("etag") ?? "";
  const isWorld = !path.startsWith("/mnt") && WORLD_TAG.test(etag);
  const tag = isWorld ? etag : `${await sha256Hex(bytes)}${whole ? "" : "+"}`;
  if (whole) return { text, tag };
  return { text, tag, cut: `${bytes.length}/${await readLength(fetch, path)}` };
}

/** Returns the length of the source in bytes; `*` if unknown. */
async function readLength(fetch: PluginFetch, path: string): Promise<string> {
  const { ok, headers } = await fetch(`${path}?raw`, { method: "HEAD" });
  return (ok && /^\d+$/.exec(headers.get("content-length") ?? "")?.[0]) || "*";
}

/** Makes the problem that passes on an error response of the server to a read of the source. */
async function sourceProblem(response: Response, path: string): Promise<Problem> {
  const { status } = response;
  const problem = await readProblem(response);
  if (problem !== undefined && status >= 400) return problem;
  // A mount can answer with text of its own.
  const headers = problemHeaders(response);
  return status >= 400 && status < 500
    ? new Problem(
      { type: "about:blank", status, title: "Source not readable" },
      `Cannot read ${path}: the mount answered ${status}`,
      headers,
    )
    : new Problem("bad-gateway", `Cannot read ${path}: the server answered ${status}`, headers);
}
