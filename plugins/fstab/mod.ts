/**
 * Mounts: folders of this computer and web servers, below `/mnt/<name>/`. The table is the world
 * `/etc/fstab`, which T3 can write. The plugin can access exactly the folders and hosts that the
 * table names. Any caller that can read the server can read a mount; writing takes T2 and a mount
 * that is `rw`. Manual: `/usr/share/doc/mounts.md`.
 */

import type { PluginConfig } from "../kit/env.ts";
import {
  MOUNT_TABLE,
  mountedFolders,
  type MountTable,
  mountTableFault,
  readMountTable,
} from "../kit/mount_table.ts";
import { hostAndPort } from "../kit/net_permission.ts";
import { Problem, problemResponse } from "../kit/problem.ts";
import { listMounts } from "./list_mounts.ts";
import {
  allowedMethods,
  assertAllowed,
  assertNames,
  decodeSegments,
  type MountEnv,
} from "./mount_request.ts";
import { readFile } from "./read_file.ts";
import { readUpstream } from "./upstream/respond.ts";
import { writeFile } from "./write_file.ts";

export const description = "mounts folders and web servers, as /etc/fstab says";
export const routes = ["/mnt"];
/** For reading. The plugin itself checks the tier for writing. */
export const auth = "T1";
export const config = ["/etc/fstab"];

/** The mounted folders and hosts, and the faults of the table. */
export function permissions({ config }: { config: PluginConfig }): {
  net: string[];
  read: string[];
  write: string[];
  fault?: string;
} {
  const table = readMountTable(config[MOUNT_TABLE] ?? "");
  const net = new Set<string>();
  for (const { base } of table.mounts.values()) if (base !== undefined) net.add(hostAndPort(base));
  const fault = mountTableFault(table);
  return {
    net: [...net],
    read: mountedFolders(table, "ro"),
    write: mountedFolders(table, "rw"),
    ...(fault === undefined ? {} : { fault }),
  };
}

export default {
  async fetch(request: Request, env: MountEnv): Promise<Response> {
    try {
      return await respond(request, env);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return problemResponse(error, request.headers.get("accept"), request.method === "HEAD");
    }
  },
};

let latest: { readonly text: string; readonly table: MountTable } | undefined;

/** The table is parsed again only when it changed. */
function currentTable(text: string): MountTable {
  if (latest?.text !== text) latest = { text, table: readMountTable(text) };
  return latest.table;
}

async function respond(request: Request, env: MountEnv): Promise<Response> {
  const { method } = request;
  const url = new URL(request.url);
  const table = currentTable(env.config[MOUNT_TABLE] ?? "");
  const isCollection = url.pathname.endsWith("/");
  const [, name = "", ...below] = decodeSegments(url.pathname);
  if (name === "") return await listMounts(request, table, env.files);
  const segments = isCollection ? below.slice(0, -1) : below;
  const path = `/mnt/${[name, ...segments].join("/")}${isCollection ? "/" : ""}`;
  const mount = table.mounts.get(name);
  if (mount === undefined) {
    const detail = `Cannot find ${path}: nothing is mounted there; GET /mnt/ lists the mounts`;
    throw new Problem("not-found", detail);
  }
  const { folder, base, kind } = mount;
  if (folder === undefined && base === undefined) {
    const detail = `Cannot reach ${path}: ${kind}:// has no adapter; use file, http or https`;
    const type = "/usr/share/doc/mounts.md";
    throw new Problem({ type, status: 501, title: "No adapter for this scheme" }, detail);
  }
  assertAllowed(method, path, mount, env.caller);
  if (method === "OPTIONS") {
    return new Response(null, { status: 204, headers: { allow: allowedMethods(mount) } });
  }
  assertNames(segments, path, mount);
  const mounted = { request, url, env, mount, segments, isCollection, path };
  if (base !== undefined) return await readUpstream(mounted, base);
  return method === "PUT" || method === "POST" ? await writeFile(mounted) : await readFile(mounted);
}
