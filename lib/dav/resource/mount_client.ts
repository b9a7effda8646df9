/**
 * Reads the files and folders below `/mnt` from the plugin that handles that route: a file by the
 * response headers of HEAD, a folder by its JSON listing. Responses of a plugin are untrusted
 * input.
 */

import type { RequestContext } from "../../request/request_context.ts";
import { encodePath, isCanonicalPath } from "../../http/path.ts";
import { Problem } from "../../http/problem.ts";
import { MAX_MOUNT_LISTING_CHARS } from "../../dav_limits.ts";
import { MAX_URL_BYTES } from "../../limits.ts";
import type { PluginRoutes } from "../../request/plugin_routes.ts";

/** Longest encoded path of a resource: a request adds `/dav` and for a folder a slash. */
const MAX_HREF_CHARS = MAX_URL_BYTES - "/dav/".length;
/** Path below which all mounts are. */
export const MOUNT_ROOT = "/mnt";

/** A file or folder of a mount. */
export interface MountResource {
  /** Canonical path, such as `/mnt/work/a.txt`. */
  readonly path: string;
  readonly collection: boolean;
  /** Length in bytes, if the plugin reports it. */
  readonly length?: number;
  /** Media type, if the plugin reports it. */
  readonly type?: string;
  /** Time of the last change in Unix milliseconds, if the plugin reports it. */
  readonly changed?: number;
  readonly etag?: string;
}

/** Whether a path is `/mnt` or below it. */
export function isMountPath(path: string): boolean {
  return path === MOUNT_ROOT || path.startsWith(`${MOUNT_ROOT}/`);
}

/** Whether an active plugin has a route for mounts. */
export function hasMounts(plugins: Pick<PluginRoutes, "list">): boolean {
  return plugins.list().some(({ path }) => isMountPath(path));
}

/**
 * Sends a request to the plugin of a mount path, with the rights of the caller.
 *
 * @param context the WebDAV request; its target is the path below `/mnt`
 * @param headers headers of the request to the plugin
 * @param slash whether the path has a trailing slash
 * @throws {Problem} `not-found` if no plugin handles the path
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
    throw new Problem("not-found", `Cannot find ${target.path}: no mount has this path`);
  }
  const mountRequest = new Request("http://machine/", {
    method,
    headers,
    // Requests from a connection are aborted elsewhere; reading their signal has a cost.
    ...(connection === undefined ? { signal: request.signal } : {}),
    ...(method === "PUT" ? { body: request.body } : {}),
  });
  return await route.handle({
    ...context,
    request: mountRequest,
    target: { ...target, query: "", isCollection: slash },
  });
}

/**
 * Finds the file or folder at a mount path.
 *
 * @throws {Problem} the error response of the plugin
 */
export async function findMountResource(
  plugins: Pick<PluginRoutes, "match">,
  context: RequestContext,
): Promise<MountResource> {
  const { path } = context.target;
  if (path === MOUNT_ROOT) return { path, collection: true };
  const headers = new Headers({ accept: "application/json" });
  const response = await fetchMount(plugins, context, "HEAD", headers, false);
  await response.body?.cancel();
  if (response.status !== 200) throw toMountProblem(response.status, path, undefined);
  // Only files have this header; a folder has a listing.
  if (!response.headers.has("x-mount-version")) return { path, collection: true };
  const length = Number(response.headers.get("content-length") ?? NaN);
  const changed = Date.parse(response.headers.get("last-modified") ?? "");
  const type = response.headers.get("content-type");
  const etag = response.headers.get("etag");
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
 * Lists a folder of a mount; empty if the plugin cannot list it, as for a web server.
 *
 * @throws {Problem} the error response of the plugin
 */
export async function listMountFolder(
  plugins: Pick<PluginRoutes, "match">,
  context: RequestContext,
): Promise<MountResource[]> {
  const { path } = context.target;
  if (plugins.match(path) === undefined) return [];
  const headers = new Headers({ accept: "application/json" });
  const response = await fetchMount(plugins, context, "GET", headers, true);
  const text = await readText(response, path);
  if (response.status !== 200) throw toMountProblem(response.status, path, text);
  const most = response.headers.get("x-mount-truncated");
  if (most !== null) {
    // A client that copies the folder must learn that files are missing in the listing.
    throw new Problem(
      "insufficient-storage",
      `Cannot list ${path}: it has more than ${most.slice(0, 20)} entries; read its files by name`,
    );
  }
  const found = new Map<string, MountResource>();
  for (const row of parseRows(text)) {
    const resource = resourceOf(path, row);
    if (resource !== undefined) found.set(resource.path, resource);
  }
  return [...found.values()];
}

async function readText(response: Response, path: string): Promise<string> {
  if (response.body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  for await (const part of response.body) {
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

function parseRows(text: string): readonly unknown[] {
  try {
    const rows: unknown = JSON.parse(text);
    return Array.isArray(rows) ? rows : [];
  } catch {
    return []; // not JSON, so not a listing
  }
}

/** Returns the resource of a row that a request can name; the names of worlds have more rules. */
function resourceOf(folder: string, row: unknown): MountResource | undefined {
  if (typeof row !== "object" || row === null || !("name" in row) || !("dir" in row)) {
    return undefined;
  }
  const { name, dir } = row;
  if (typeof name !== "string" || typeof dir !== "boolean") return undefined;
  const path = `${folder}/${name}`;
  const isInvalid = name === "" || name.includes("/") || "problem" in row ||
    !isCanonicalPath(path) || encodePath(path).length > MAX_HREF_CHARS;
  if (isInvalid || ("reachable" in row && row.reachable === false)) return undefined;
  const length = "len" in row ? Number(row.len) : NaN;
  const time = "updated_at" in row ? Date.parse(String(row.updated_at)) : NaN;
  return {
    path,
    collection: dir,
    ...(isLength(length) ? { length } : {}),
    ...(Number.isNaN(time) ? {} : { changed: time }),
  };
}

function isLength(length: number): boolean {
  return Number.isSafeInteger(length) && length >= 0;
}

/**
 * Converts an error response of the plugin to a problem, with the detail of the plugin if it has
 * one.
 */
function toMountProblem(status: number, path: string, text: string | undefined): Problem {
  const detail = detailOf(text) ?? `Cannot read ${path}: the mount responded with ${status}`;
  if (status === 401) return new Problem("unauthorized", detail);
  if (status === 403) return new Problem("forbidden", detail);
  if (status === 404) return new Problem("not-found", detail);
  return new Problem("bad-gateway", detail);
}

function detailOf(text: string | undefined): string | undefined {
  try {
    const problem: unknown = JSON.parse(text ?? "");
    const hasDetail = typeof problem === "object" && problem !== null && "detail" in problem;
    return hasDetail && typeof problem.detail === "string"
      ? problem.detail.slice(0, 1000)
      : undefined;
  } catch {
    return undefined; // not a problem document
  }
}
