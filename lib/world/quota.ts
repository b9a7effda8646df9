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
  readonly refused: { readonly bytes: number; readonly worlds: number; readonly size: number };
}

/** Who makes a collection. */
export interface MadeCollection {
  /** The caller, as events name it. */
  readonly by: string;
  /** The old name, if the collection moves. */
  readonly from?: string;
}
