/**
 * How much memory a process holds, seen from outside it. Only Linux says so in a file; elsewhere, or
 * where the server may not read it, the answer is that nothing is known and the cell's own report counts.
 */

/** Bytes of one page, which Linux counts in; 4096 on every platform Deno is built for there. */
const PAGE_KIB = 4;

/** Resident memory of process `pid` in KiB, or `undefined` when it cannot be known. */
export function readResidentKiB(pid: number): number | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    const pages = Number(Deno.readTextFileSync(`/proc/${pid}/statm`).split(" ")[1]);
    return Number.isFinite(pages) ? pages * PAGE_KIB : undefined;
  } catch {
    // No such process any more, or no permission to look: either way nothing is known.
    return undefined;
  }
}
