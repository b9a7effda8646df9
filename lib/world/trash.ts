/** The trash: what is known of deleted worlds, and how it is queried. Types, and the check of an id. */

import type { Within } from "./changes.ts";

/** A deleted world. */
export interface TrashEntry {
  /** Id of the removal, unique and safe in URLs. An operator can put several worlds under one id. */
  readonly id: string;
  /** Name that the world had. */
  readonly name: string;
  /** Version that was current. */
  readonly version: number;
  /** RFC 3339 time in UTC with milliseconds. */
  readonly deletedAt: string;
  /** The caller that deleted it, as its event names it; `""` if it is not known. */
  readonly by: string;
  readonly ext: string;
  /** Size of its file in bytes, approximately. */
  readonly bytes: number;
}

/** An entry with what only the store needs. */
export interface TrashRecord extends TrashEntry {
  /** Whether only T3 can read the world. */
  readonly restricted: boolean;
}

/** A place in the order of the trash, newest first. */
export type TrashPosition = Pick<TrashEntry, "deletedAt" | "id" | "name">;

/** A query of the trash. */
export interface TrashQuery {
  /** What is covered. */
  readonly within: readonly Within[];
  /** Continue after this entry; absent begins with the newest. */
  readonly after?: TrashPosition;
  /** Maximum number of entries, at least 1. */
  readonly limit: number;
}

/** A page of the trash, newest first. */
export interface TrashPage {
  readonly entries: readonly TrashEntry[];
  /** Whether further entries may follow. */
  readonly more: boolean;
}

/** Figures about the trash. */
export interface TrashCounts {
  readonly entries: number;
  /** Bytes of the files, approximately. */
  readonly bytes: number;
  /** Worlds that were deleted for good since the start because their time was over. */
  readonly expired: number;
}

/** Whether a text can be the id of an entry in the trash: one plain name of a folder. */
export function isTrashId(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(text);
}
