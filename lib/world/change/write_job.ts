/**
 * The jobs that change one world, and their result. Every engine of the store runs the same jobs with
 * the functions of this folder. Data from clients must be validated before it becomes part of a job.
 */

import type { CommittedEvent } from "../changes.ts";
import type { Edit } from "../edit_format.ts";
import type { Meta, Precondition } from "../store.ts";

/** The lower-layer world that a change would cover. */
export interface LowerWorld {
  readonly sha256: string;
  readonly ext: string;
  readonly meta: Meta;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly updatedAt: string;
}

/** Fields of all jobs that change a world. */
export interface JobBase {
  readonly name: string;
  readonly by: string;
  readonly precondition?: Precondition;
  /** The mark of a request with an idempotency key. */
  readonly idem?: string;
  readonly lower?: LowerWorld;
  /** Longest content that the change may leave, in bytes; else it fails with `over-limit`. */
  readonly maxBytes?: number;
  /** Version in the catalog when the change was submitted; absent if the name had no world. */
  readonly known?: number;
}

/** Replaces or creates a world. */
export interface PutJob extends JobBase {
  readonly kind: "put";
  readonly body: Uint8Array<ArrayBuffer>;
  readonly ext: string;
  /** Whether the world that is replaced can keep its extension; see `keepTextExt`. */
  readonly isExtGuess?: boolean;
  readonly meta: Meta;
  readonly state: string;
  readonly eventFields: Readonly<Record<string, unknown>>;
}

/** Appends to a world, or creates it. */
export interface AppendJob extends JobBase {
  readonly kind: "append";
  readonly body: Uint8Array<ArrayBuffer>;
  readonly ext: string;
  readonly state: string;
}

/** Edits a part of a world. */
export interface PatchJob extends JobBase {
  readonly kind: "patch";
  readonly edit: Edit;
  /** Pairs that replace those of the same names; an empty value removes a name. */
  readonly meta: Meta;
  readonly state: string;
}

/** Changes the state of a world. */
export interface TransitionJob extends JobBase {
  readonly kind: "transition";
  readonly to: string;
  readonly eventFields: Readonly<Record<string, unknown>>;
}

/** Appends an event without a change. */
export interface NoteJob extends JobBase {
  readonly kind: "note";
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** Moves a world to the trash. */
export interface RemoveJob extends JobBase {
  readonly kind: "remove";
  /** Whether only T3 can read the world; for its row in the trash. Default: no. */
  readonly restricted?: boolean;
}

/** Moves a world from the trash to a name without a world. */
export interface RestoreJob extends JobBase {
  readonly kind: "restore";
  readonly trash: string;
  /** Name of the world in the trash. */
  readonly from: string;
  /** Version of a world that has this name now; 0 without one. */
  readonly floor: number;
  readonly ext: string;
  readonly state: string;
}

/** Moves a world to the name of the job, with its chain or the content only. */
export interface RenameJob extends JobBase {
  readonly kind: "rename";
  /** The old name. Precondition and `maxBytes` are for its world. */
  readonly from: string;
  readonly ext: string;
  /** Whether an existing world of the new name is replaced. */
  readonly replace: boolean;
  /** Whether chain and history stay with the old name. */
  readonly contentOnly: boolean;
  /** The state after the move if the new name gets the bytes only. */
  readonly state: string;
  /** Whether only T3 can read the source; for its row in the trash. Default: no. */
  readonly restricted?: boolean;
}

/** Size and modification time of a closed file; a catalog row is valid while they do not change. */
export interface FileStamp {
  /** Modification time in Unix milliseconds. */
  readonly mtime: number;
  readonly size: number;
}

/** Result of a job: the world after the job. */
export interface WriteResult {
  readonly version: number;
  readonly ext: string;
  readonly sha256: string;
  readonly state: string;
  readonly updatedAt: string;
  readonly len: number;
  readonly created: boolean;
  /** Whether it is the first version of its world; its number can be more than 1. */
  readonly first?: boolean;
  /** Id of the trash entry, after a removal. */
  readonly trash?: string;
  /** Content of a restored world, unless it is too long for the cache; `headers` is JSON text. */
  readonly content?: { readonly body: Uint8Array<ArrayBuffer>; readonly headers: string };
  /** Size of what moved to the trash, or out of it, in bytes. */
  readonly trashBytes?: number;
  readonly fileStamp?: FileStamp;
  /** Bytes and metadata after a patch, unless they are too long for the cache. */
  readonly patched?: { readonly body: Uint8Array<ArrayBuffer>; readonly meta: Meta };
  /** The events of the job, oldest first. */
  readonly events: readonly CommittedEvent[];
  /** The events of the world that was moved, if its chain did not move with it. */
  readonly sourceEvents?: readonly CommittedEvent[];
}
