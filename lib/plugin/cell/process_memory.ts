/**
 * Reads the resident memory of another process from `/proc` (Linux). On other systems, or without
 * the permission to read it, the result is undefined, and the report of the cell itself is used.
 */

/** Size of a memory page in KiB; 4 on every Linux platform that Deno supports. */
const PAGE_KIB = 4;

/** Returns the resident memory of process `pid` in KiB, or undefined if it is not known. */
export function readResidentKiB(pid: number): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    const pages = Number(Deno.readTextFileSync(`/proc/${pid}/statm`).split(" ")[1]);
    return Number.isFinite(pages) ? pages * PAGE_KIB : undefined;
  } catch {
    // The process has ended, or the permission is missing.
    return undefined;
  }
}
