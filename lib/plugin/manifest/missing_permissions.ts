/**
 * What a plugin asks for beyond what the server itself was given. A cell's process could be started
 * with more than its server has; the operator who narrowed the server did not mean that.
 */

import type { Permissions } from "./permissions.ts";

/** Whether the server itself has a permission; `Deno.permissions.query` fits. */
export type PermissionQuery = (
  permission: Deno.PermissionDescriptor,
) => Promise<{ readonly state: string }>;

/**
 * Says what the server lacks, in the words of its own flags, or `undefined` when it lacks nothing.
 */
export async function missingPermissions(
  { net, read, write, env }: Permissions,
  query: PermissionQuery,
): Promise<string | undefined> {
  const asked: [flag: string, permission: Deno.PermissionDescriptor][] = [
    ...net.map((host) => [`--allow-net=${host}`, { name: "net", host }] as const),
    ...read.map((path) => [`--allow-read=${path}`, { name: "read", path }] as const),
    ...write.map((path) => [`--allow-write=${path}`, { name: "write", path }] as const),
    ...env.map((variable) => [`--allow-env=${variable}`, { name: "env", variable }] as const),
  ].map(([flag, permission]) => [flag, permission]);
  const lacking: string[] = [];
  for (const [flag, permission] of asked) {
    if ((await query(permission)).state !== "granted") lacking.push(flag);
  }
  return lacking.length > 0 ? lacking.join(" ") : undefined;
}
