/**
 * What lies below `/mnt`, as the plugin that holds that route tells it: files by the headers of a HEAD,
 * folders by their JSON listing. What a plugin tells is read as any stranger's words are.
 */

import type { RequestContext } from "../../request/request_context.ts";
import { Problem } from "../../http/problem.ts";
import { MAX_MOUNT_LISTING_CHARS } from "../../limits.ts";
import type { PluginRoutes } from "../../request/plugin_routes.ts";
import { nameFault } from "../../world/name.ts";

/** Where mounts stand. */
export const MOUNT_ROOT = "/mnt";

/** A file or folder of a mount. */
export interface MountResource {
  /** Canonical path, `/mnt/work/a.txt`. */
  readonly path: string;
  readonly collection: boolean;
  /** Length in bytes, where it is told. */
  readonly length?: number;
  /** Media type, where it is told. */
  readonly type?: string;
  /** Unix milliseconds of the last change, where it is told. */
  readonly changed?: number;
  readonly etag?: string;
}

/** Whether a path is the mounts' folder or lies in it. */
export function isMountPath(path: string): boolean {
  return path === MOUNT_ROOT || path.startsWith(`${MOUNT_ROOT}/`);
}

/** Whether any plugin brings mounts. */
export function hasMounts(plugins: Pick<PluginRoutes, "list">): boolean {
  return plugins.list().some(({ path }) => isMountPath(path));
}

/**
 * Has the plugin of a path answer, as the caller.
 *
 * @param context of the WebDAV request, its target already the mount's
 * @param headers in place of the request's own
 * @throws {Problem} `not-found` where no plugin holds the path
 */
export async function fetchMount(
  plugins: Pick<PluginRoutes, "match">,
  context: RequestContext,
  method: string,
  headers: Headers,
  slash: boolean = context.target.isCollection,
): Promise<Response> {
  const { request, target, connection } = context;
  const route = plugins.match(target.path);
  if (route === undefined) {
    throw new Problem("not-found", `Cannot find ${target.path}: nothing is mounted there`);
  }
  const asked = new Request("http://machine/", {
    method,
    headers,
    // Who came by a connection is watched there; even to look at their signal costs.
    ...(connection === undefined ? { signal: request.signal } : {}),
    ...(method === "PUT" ? { body: request.body } : {}),
  });
  return await route.handle({
    ...context,
    request: asked,
    target: { ...target, query: "", isCollection: slash },
  });
}

/**
 * What is at a mount's path.
 *
 * @throws {Problem} what the plugin refuses it for
 */
export async function findMountResource(
  plugins: Pick<PluginRoutes, "match">,
  context: RequestContext,
): Promise<MountResource> {
  const { path } = context.target;
  if (path === MOUNT_ROOT) return { path, collection: true };
  const headers = new Headers({ accept: "application/json" });
  const answer = await fetchMount(plugins, context, "HEAD", headers, false);
  await answer.body?.cancel();
  if (answer.status !== 200) throw refusalOf(answer.status, path, undefined);
  // Bytes have a version of their own; a listing has none.
  if (!answer.headers.has("x-mount-version")) return { path, collection: true };
  const length = Number(answer.headers.get("content-length") ?? NaN);
  const changed = Date.parse(answer.headers.get("last-modified") ?? "");
  const type = answer.headers.get("content-type");
  const etag = answer.headers.get("etag");
  return {
    path,
    collection: false,
    ...(isLength(length) ? { length } : {}),
    ...(Number.isNaN(changed) ? {} : { changed }),
    ...(type === null ? {} : { type }),
    ...(etag === null ? {} : { etag }),
  };
}

/**
 * What lies in a mount's folder; nothing where the plugin cannot list, as of a web server.
 *
 * @throws {Problem} what the plugin refuses it for
 */
export async function listMountFolder(
  plugins: Pick<PluginRoutes, "match">,
  context: RequestContext,
): Promise<MountResource[]> {
  const { path } = context.target;
  if (plugins.match(path) === undefined) return [];
  const headers = new Headers({ accept: "application/json" });
  const answer = await fetchMount(plugins, context, "GET", headers, true);
  const text = await textOf(answer, path);
  if (answer.status !== 200) throw refusalOf(answer.status, path, text);
  return rowsOf(text).flatMap((row) => resourceOf(path, row));
}

async function textOf(answer: Response, path: string): Promise<string> {
  if (answer.body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  for await (const part of answer.body) {
    text += decoder.decode(part, { stream: true });
    if (text.length > MAX_MOUNT_LISTING_CHARS) {
      throw new Problem(
        "bad-gateway",
        `Cannot list ${path}: the listing is longer than ${MAX_MOUNT_LISTING_CHARS} bytes`,
      );
    }
  }
  return text;
}

function rowsOf(text: string): readonly unknown[] {
  try {
    const rows: unknown = JSON.parse(text);
    return Array.isArray(rows) ? rows : [];
  } catch {
    return []; // no JSON, so no listing
  }
}

function resourceOf(folder: string, row: unknown): MountResource[] {
  if (typeof row !== "object" || row === null || !("name" in row) || !("dir" in row)) return [];
  const { name, dir } = row;
  if (typeof name !== "string" || typeof dir !== "boolean") return [];
  // Lines that tell of a problem, and names that no path can hold, are nobody's to open.
  const path = `${folder}/${name}`;
  const unfit = name.includes("/") || "problem" in row || nameFault(`home/${name}`) !== undefined;
  if (unfit || ("reachable" in row && row.reachable === false)) return [];
  const length = "len" in row ? Number(row.len) : NaN;
  const time = "updated_at" in row ? Date.parse(String(row.updated_at)) : NaN;
  return [{
    path,
    collection: dir,
    ...(isLength(length) ? { length } : {}),
    ...(Number.isNaN(time) ? {} : { changed: time }),
  }];
}

function isLength(length: number): boolean {
  return Number.isSafeInteger(length) && length >= 0;
}

/** The plugin's refusal as the machine's own, in its words where it sent a problem. */
function refusalOf(status: number, path: string, text: string | undefined): Problem {
  const words = detailOf(text);
  const detail = words ?? `Cannot look at ${path}: its mount answers ${status}`;
  if (status === 401) return new Problem("unauthorized", detail);
  if (status === 403) return new Problem("forbidden", detail);
  if (status === 404) return new Problem("not-found", detail);
  return new Problem("bad-gateway", detail);
}

function detailOf(text: string | undefined): string | undefined {
  try {
    const told: unknown = JSON.parse(text ?? "");
    const known = typeof told === "object" && told !== null && "detail" in told;
    return known && typeof told.detail === "string" ? told.detail.slice(0, 1000) : undefined;
  } catch {
    return undefined; // not a problem document
  }
}
