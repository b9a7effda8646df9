/**
 * Which earlier versions of a world are kept. They are the newest ones, without a gap: a number of
 * versions, and a total of bytes. A version whose next one starts with all of its bytes is a `prefix`;
 * it costs no bytes. All others are `full`; equal contents count once. Pure.
 */

import type { StageRow } from "./editable_world.ts";

/** Limits of a world's earlier versions. */
export interface HistoryLimits {
  /** Maximum number of earlier versions; 0 keeps none. */
  readonly versions: number;
  /** Maximum total size of their contents, in bytes. */
  readonly bytes: number;
}

/** `prefix` if the next version starts with all bytes of the version. */
export type HistoryKind = "full" | "prefix";

/** What the rules need of an earlier version. */
export interface HistoryEntry extends Pick<StageRow, "version" | "len"> {
  readonly kind: HistoryKind;
  /** SHA-256 of its bytes; that of a `prefix` version does not matter. */
  readonly sha256: string | null;
}

/**
 * Whether a version is too long to be kept. Then no earlier version is kept either, because `prefix`
 * versions depend on its bytes.
 */
export function isTooLongToKeep(kind: HistoryKind, len: number, limits: HistoryLimits): boolean {
  return kind === "full" && len > limits.bytes;
}

/**
 * Returns the number of versions that can exceed the limit before they are dropped together, because
 * dropping one at each write costs more. Reads must treat versions beyond the limit as gone.
 */
export function historySlack({ versions }: HistoryLimits): number {
  return versions >> 3;
}

/**
 * Returns how many of the newest earlier versions are kept.
 *
 * @param newestFirst all earlier versions, or the newest ones of them
 */
export function countKept(newestFirst: Iterable<HistoryEntry>, limits: HistoryLimits): number {
  const contents = new Set<string | null>();
  let count = 0;
  let bytes = 0;
  for (const { kind, sha256, len } of newestFirst) {
    if (kind === "full" && !contents.has(sha256)) {
      contents.add(sha256);
      bytes += len;
    }
    if (count >= limits.versions || bytes > limits.bytes) break;
    count += 1;
  }
  return count;
}
