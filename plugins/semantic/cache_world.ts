/**
 * The worlds below `/var/cache/semantic/` that store shapes, `0000`, `0001` and so on. Their metadata
 * describes the shapes. They are overwritten and not deleted, because deleted worlds go to the trash.
 */

import type { PluginFetch } from "../kit/env.ts";
import type { Format } from "./formats/format.ts";
import { findFault } from "./formats/formats.ts";
import type { GenerationInput } from "./generation.ts";
import { formatModelName } from "./model.ts";
import { PROMPT_REVISION } from "./prompt.ts";
import { createShape, type Shape, shapeHeaders } from "./shape.ts";

const CACHE_PATH = "/var/cache/semantic/";

/** The metadata of an existing world. */
export interface CacheWorld {
  readonly name: string;
  /** The hash of the shape; null if the metadata lacks it. */
  readonly hash: string | null;
  /** When it was written, in Unix milliseconds; 0 if unknown. */
  readonly modified: number;
}

/** Returns the name of the world with this number, at least four digits. */
export function cacheWorldName(number: number): string {
  return String(number).padStart(4, "0");
}

/**
 * Lists the names of the existing worlds.
 *
 * @throws {Error} if the response is not a listing
 */
export async function listCacheWorlds(fetch: PluginFetch): Promise<string[]> {
  const response = await fetch(CACHE_PATH, { headers: { accept: "application/json" } });
  if (response.status === 404) {
    await response.body?.cancel();
    return [];
  }
  const rows: unknown = await response.json();
  if (!Array.isArray(rows)) {
    throw new Error(`Cannot list ${CACHE_PATH}: the response is not an array`);
  }
  return rows.flatMap((row: unknown) => {
    const name = typeof row === "object" && row !== null && "name" in row ? row.name : undefined;
    return typeof name === "string" && /^\d{4}$/.test(name) ? [name] : [];
  });
}

/** Reads the metadata of a world. */
export async function inspectCacheWorld(fetch: PluginFetch, name: string): Promise<CacheWorld> {
  const { headers } = await fetch(`${CACHE_PATH}${name}?raw`, { method: "HEAD" });
  const modified = Date.parse(headers.get("last-modified") ?? "") || 0;
  return { name, hash: headers.get("x-meta-key"), modified };
}

/** Deletes a world. */
export async function deleteCacheWorld(fetch: PluginFetch, name: string): Promise<void> {
  await (await fetch(`${CACHE_PATH}${name}`, { method: "DELETE" })).body?.cancel();
}

/**
 * Reads the shape in a world.
 *
 * @returns undefined if the world does not contain the shape with this hash, or if its text does not
 * satisfy the format: other plugins and T3 can write here too
 */
export async function readCacheWorld(
  fetch: PluginFetch,
  name: string,
  hash: string,
  format: Format,
): Promise<Shape | undefined> {
  const response = await fetch(`${CACHE_PATH}${name}?raw`);
  const { headers } = response;
  const text = await response.text();
  if (!response.ok || headers.get("x-meta-key") !== hash) return undefined;
  if (findFault(format, text) !== undefined) return undefined;
  const [model = "unknown", location = ""] = (headers.get("x-meta-gpu") ?? "").split("; ");
  const cut = /^\d+\/[\d*]+$/.exec(headers.get("x-meta-cut") ?? "")?.[0];
  const writer = { name: formatModelName(model, ""), isLocal: location === "local" };
  return await createShape(hash, text, format, shapeHeaders(format, writer, cut));
}

/** Overwrites a world with a shape. Returns false and logs a warning if the server refused it. */
export async function writeCacheWorld(
  fetch: PluginFetch,
  name: string,
  { path, intent, format, hash, source }: GenerationInput,
  shape: Shape,
): Promise<boolean> {
  const metadata: Record<string, string> = {
    "x-meta-key": hash,
    "x-meta-shape": format.type,
    "x-meta-render": PROMPT_REVISION,
    "x-meta-gpu": shape.headers["x-semantic-gpu"] ?? "",
    "x-meta-source": path.slice(0, 1000),
    "x-meta-intent": encodeURIComponent(intent).slice(0, 1000) || "-",
    ...(source.cut === undefined ? {} : { "x-meta-cut": source.cut }),
  };
  // Stored as plain text in every format, so that no browser renders it from here.
  const response = await fetch(`${CACHE_PATH}${name}?ext=txt`, {
    method: "PUT",
    headers: { ...metadata, "content-type": "text/plain; charset=utf-8" },
    body: shape.text,
  });
  const body = await response.text();
  if (!response.ok) {
    console.warn(`Cannot write ${CACHE_PATH}${name}: ${response.status} ${body.slice(0, 300)}`);
  }
  return response.ok;
}
