/**
 * The permissions of a cell's Worker in the runtime's own words. What a plugin did not declare is
 * denied by name, so that nothing is inherited.
 */

import type { CellPermissions } from "../wire/cell_init.ts";

/** What is not listed is none. */
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
