/**
 * Converts the permissions of a cell to the Worker option of Deno. A permission that the plugin did
 * not declare must be denied explicitly, because an absent one would be inherited from the process.
 */

import type { CellPermissions } from "../wire/cell_init.ts";

/** Returns the option; a kind without entries is false. */
export function toWorkerPermissions(
  { net, read, write }: CellPermissions,
): Deno.PermissionOptionsObject {
  return {
    net: net.length > 0 ? [...net] : false,
    read: read.length > 0 ? [...read] : false,
    write: write.length > 0 ? [...write] : false,
    env: false,
    run: false,
    ffi: false,
    sys: false,
    import: false,
  };
}
