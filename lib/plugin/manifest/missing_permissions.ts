/**
 * Finds the permissions that a plugin requests and the server does not have. A child process could
 * be started with more permissions than its parent, and an operator that restricts the server does
 * not expect that. A cell must not get more than the server has.
 */

import type { Permissions } from "./permissions.ts";

/** Returns the state of a permission of the server, as `Deno.permissions.query` does. */
export type PermissionQuery = (
  permission: Deno.PermissionDescriptor,
) => Promise<{ readonly state: string }>;

/**
 * Returns the Deno flags that the server lacks, separated by spaces, or undefined if it lacks none.
 *
 * @param permissions permissions that the plugin declared
 * @param query returns the state of a permission of the server
 */
export async function missingPermissions(
  { net, read, write, env }: Permissions,
  query: PermissionQuery,
): Promise<string | undefined> {
  const requested: [flag: string, permission: Deno.PermissionDescriptor][] = [
    ...net.map((host) => [`--allow-net=${host}`, { name: "net", host }] as const),
    ...read.map((path) => [`--allow-read=${path}`, { name: "read", path }] as const),
    ...write.map((path) => [`--allow-write=${path}`, { name: "write", path }] as const),
    ...env.map((variable) => [`--allow-env=${variable}`, { name: "env", variable }] as const),
  ].map(([flag, permission]) => [flag, permission]);
  const lacking: string[] = [];
  for (const [flag, permission] of requested) {
    if ((await query(permission)).state !== "granted") lacking.push(flag);
  }
  return lacking.length > 0 ? lacking.join(" ") : undefined;
}
