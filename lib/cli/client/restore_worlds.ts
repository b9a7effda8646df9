/**
 * Restores worlds on a running server: each world that differs from the server's gets a new version with
 * the content and metadata of the backup. Each request requires the version that was compared, so that a
 * change of another caller in the meantime is never lost.
 */

import { sha256Hex } from "../../base/hash.ts";
import { encodePath } from "../../http/path.ts";
import { problemText, readProperty, type ServerClient } from "./server_client.ts";

/** A world as it must become. */
export interface WantedWorld {
  readonly name: string;
  readonly ext: string;
  readonly mediaType: string;
  readonly meta: readonly (readonly [string, string])[];
  readonly body: Uint8Array<ArrayBuffer>;
}

/** The result for one world. */
export interface RestoredWorld {
  readonly name: string;
  readonly done: boolean;
  /** What was done, or why nothing was. */
  readonly text: string;
}

/**
 * Restores one world.
 *
 * @param credential a token of T3
 * @param isDry only compares
 * @throws {UnreachableError} if the server does not respond
 */
export async function restoreWorld(
  client: ServerClient,
  credential: string | undefined,
  world: WantedWorld,
  isDry: boolean,
): Promise<RestoredWorld> {
  const { name, ext, body, meta } = world;
  const path = encodePath(`/${name}`);
  const headers = { prefer: "handling=strict" };
  const head = await client.request("HEAD", `${path}?raw`, { credential, headers });
  if (head.status !== 200 && head.status !== 404) {
    return { name, done: false, text: `skipped: the server answers ${head.status}` };
  }
  const isNew = head.status === 404;
  if (!isNew && isSame(head.headers, world)) return { name, done: true, text: "the same already" };
  const words = isNew ? "written again" : "set to its earlier content";
  if (isDry) return { name, done: true, text: `would be ${words}` };
  const tag = head.headers.get("etag") ?? "";
  const condition: Record<string, string> = isNew ? { "if-none-match": "*" } : { "if-match": tag };
  const response = await client.request("PUT", `${path}?ext=${encodeURIComponent(ext)}`, {
    credential,
    headers: {
      "content-type": "application/octet-stream",
      ...condition,
      ...Object.fromEntries(meta),
    },
    body,
  });
  if (response.status < 200 || response.status > 299) {
    return { name, done: false, text: `skipped: ${problemText(response)}` };
  }
  const version = readProperty(response.json, "version");
  return { name, done: true, text: `${words}, version ${version}` };
}

/** Compares by the hash in the entity tag, the media type and the metadata. */
function isSame(headers: Headers, { mediaType, meta, body }: WantedWorld): boolean {
  const hash = /^"\d+-([0-9a-f]{16})/.exec(headers.get("etag") ?? "")?.[1];
  if (hash === undefined || !sha256Hex(body).startsWith(hash)) return false;
  if (!(headers.get("content-type") ?? "").startsWith(mediaType)) return false;
  const own = [...headers].filter(([name]) => name.startsWith("x-meta-"));
  return own.length === meta.length && meta.every(([name, value]) => headers.get(name) === value);
}
