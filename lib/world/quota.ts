/** Quotas of a store: types only. The list is parsed in quota_list.ts. */

/** A quota, and how much of it is used. */
export interface QuotaState {
  /** What is limited: `prefix:/home/team`, `name:kestrel`, `user:ada`, `plugin:gpu`. */
  readonly subject: string;
  /** `Infinity` without a limit. */
  readonly bytes: number;
  readonly worlds: number;
  readonly used: { readonly bytes: number; readonly worlds: number };
}

/** Figures about quotas. */
export interface QuotaCounts {
  /** Rules of the list, and those of which nothing is left. */
  readonly rules: number;
  readonly full: number;
  /** Changes since the start that were refused, by what they needed; `size` is more than a whole quota. */
  readonly refused: Readonly<Record<"bytes" | "worlds" | "size" | "trash", number>>;
}

/** Whether a mark of a collection changed something; undefined if an earlier try of it may have done so. */
export type MarkResult = boolean | undefined;

/** Who makes a collection. */
export interface MadeCollection {
  /** The caller, as events name it. */
  readonly by: string;
  /** The old name, if the collection moves. */
  readonly from?: string;
}

/** The resource that a world is kept for. */
export interface QuotaOwner {
  /** Name of the resource. */
  readonly name: string;
  /** The caller that caused the world, as events name it. */
  readonly by: string;
}

/**
 * Worlds that the server keeps for other resources, such as the properties of WebDAV. They count for
 * the quotas of their owner, with their bytes and not as worlds.
 */
export interface AttachedWorlds {
  /** Whether a world can be one; its caller is `""` as long as it is not known. */
  readonly isAttached: (entry: { readonly name: string; readonly by: string }) => boolean;
  /** Reads the owner from the content; undefined if it has none. */
  readonly ownerOf: (
    world: { readonly name: string; readonly body: Uint8Array },
  ) => QuotaOwner | undefined;
}

/** What the write of an attached world has in addition. */
export interface AttachedWrite {
  readonly owner?: QuotaOwner;
  /** Name of an attached world that is removed after the write. */
  readonly from?: string;
  /** Runs when the quotas have the space, before the write. If it throws, nothing is written. */
  readonly before?: () => Promise<void>;
}
