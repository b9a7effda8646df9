/**
 * The quota properties of a collection (RFC 4331): the space of the disk, or of the tightest quota in
 * bytes that the caller may know. Pure.
 */

import { canReadQuota } from "../../auth/quota_access.ts";
import type { Caller } from "../../auth/caller.ts";
import type { QuotaState } from "../../world/quota.ts";
import type { DiskSpace } from "../resource/disk_space.ts";

/** What a caller can still store, and what is stored, in bytes. */
export type QuotaSpace = Pick<DiskSpace, "available" | "used">;

/**
 * Returns what the caller can still store, and what is stored.
 *
 * @param disk the space of the disk; undefined if it is not known
 * @param quotas the quotas that a change has to keep
 */
export function toQuotaSpace(
  disk: QuotaSpace | undefined,
  quotas: readonly QuotaState[],
  caller: Caller,
): QuotaSpace | undefined {
  let space = disk;
  for (const { subject, bytes, used } of quotas) {
    if (bytes === Infinity || !canReadQuota(caller, subject)) continue;
    const left = Math.max(0, bytes - used.bytes);
    if (space === undefined || left < space.available) {
      space = { available: left, used: used.bytes };
    }
  }
  return space;
}
