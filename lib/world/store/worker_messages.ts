/**
 * The messages between the store and its Workers: jobs and replies, in batches, because one message
 * costs more than a small job. Both sides are this program, so receivers do not validate messages.
 * Data from clients must be validated before it becomes part of a job.
 */

import type {
  AppendResult,
  ChainEvents,
  ChainHead,
  ChangePage,
  ChangeQuery,
  IndexedHead,
  IndexEntry,
  KeyedEvent,
  NamedEvent,
  NamedHead,
} from "../changes.ts";
import type { CursorPosition } from "../change_cursor.ts";
import type {
  SearchEntry,
  SearchFileCounts,
  SearchPage,
  SearchQuery,
  SearchUpdateResult,
} from "../search.ts";
import type { HistoryLimits } from "../change/history_rules.ts";
import type {
  AppendJob,
  FileStamp,
  JobBase,
  NoteJob,
  PatchJob,
  PutJob,
  RemoveJob,
  RenameJob,
  RestoreJob,
  TransitionJob,
  WriteResult,
} from "../change/write_job.ts";
import type { TrashEntry, TrashPage, TrashQuery, TrashRecord } from "../trash.ts";
import type { FolderIdentity } from "../file/folder_identity.ts";
import type { AuditResult, ChainEvent, StoreErrorCode, WorldEntry } from "../store.ts";

/** The setup of a Worker, sent once as its first message. */
export interface WorkerSetup {
  readonly role: "writer" | "reader" | "index";
  /** Index of this Worker among the writers; part of the names of temporary folders. */
  readonly shard: number;
  /** Path of the data folder. */
  readonly data: string;
  /** The locked data folder; absent if it is not checked. */
  readonly identity?: FolderIdentity;
  /** Signing key of the event chains. */
  readonly key: string;
  /** Keys that signed earlier events, oldest first; default none. */
  readonly retiredKeys?: readonly string[];
  readonly sync: "full" | "normal";
  readonly history: HistoryLimits;
  /** Maximum size of a world after an append, in bytes. */
  readonly maxWorldBytes: number;
  /** Maximum number of files that a writer keeps open. */
  readonly handles: number;
  /** How long a change waits for a world that another process has locked, in milliseconds. */
  readonly lockWaitMs: number;
}

/** Folds a world that a server which was killed left with pieces, after the usual time. */
export interface FoldJob extends JobBase {
  readonly kind: "fold";
}

/** Closes a world, so that another writer can adopt it. */
export interface ReleaseJob extends JobBase {
  readonly kind: "release";
}

/** Moves a released world to a new name: renames its folder, or copies its bytes. */
export interface AdoptJob extends Omit<RenameJob, "kind"> {
  readonly kind: "adopt";
  /** Version and time of the released world. */
  readonly source: { readonly version: number; readonly updatedAt: string };
}

/** A job of a writer in its queue. */
export type Queued<J> = J & {
  /** Identifies the reply. */
  readonly id: number;
  /**
   * How long this change waits for a lock, in milliseconds; absent for the time of the setup. With 0
   * it also waits for no earlier change that waits.
   */
  readonly lockWaitMs?: number;
};

/** A job of a writer. */
export type WriteJob = Queued<
  | PutJob
  | AppendJob
  | PatchJob
  | TransitionJob
  | NoteJob
  | FoldJob
  | RemoveJob
  | ReleaseJob
  | AdoptJob
  | RestoreJob
>;

/** The row of a world as the reader read it. */
export interface ReadResult {
  readonly version: number;
  readonly ext: string;
  readonly headers: string;
  readonly state: string;
  readonly updatedAt: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
}

/** Result of a read with a limit: `long` if it would exceed the limit. */
export type LimitedResult = ReadResult | "long";

/** A copy of a world's file: its bytes, or path and length of a file. */
export type SnapshotResult =
  & {
    readonly version: number;
    /** Paths of the worlds that its events name. */
    readonly named: readonly string[];
  }
  & (
    | { readonly bytes: Uint8Array<ArrayBuffer> }
    | { readonly path: string; readonly length: number }
  );

/** A row of the catalog file. */
export interface CatalogRow extends Omit<WorldEntry, "layer">, FileStamp {
  /** Present if the file has appended bytes that are not in its row yet. */
  readonly hasPieces?: boolean;
}

/** The row of a world; undefined if it has no file, `in-use` if another process has locked it. */
export type StatResult = CatalogRow | "in-use" | undefined;

/** Result of the scan at start. */
export interface ScanResult {
  readonly rows: readonly CatalogRow[];
  /** Worlds on disk whose row is missing or stale. */
  readonly unindexed: readonly string[];
  readonly ignored: IgnoredEntries;
}

/** Entries of the data folder that are not worlds. */
export interface IgnoredEntries {
  readonly count: number;
  /** The names of some of them. */
  readonly samples: readonly string[];
}

/** A job that can be stopped with a {@link CancelJob}. */
interface LongJobBase {
  readonly id: number;
  /** Number that identifies the job in a {@link CancelJob}. */
  readonly ticket: number;
}

/** Audits a world. */
export interface AuditJob extends LongJobBase {
  readonly kind: "audit";
  readonly name: string;
}

/** Stops a long job; the job then fails with `busy`. */
export interface CancelJob {
  readonly id: number;
  readonly kind: "cancel";
  readonly ticket: number;
}

/** Copies a world. */
export interface SnapshotJob extends LongJobBase {
  readonly kind: "snapshot";
  readonly name: string;
  /** Signing key of the copy; if absent, the HMACs are kept. */
  readonly key?: string;
  /** Path of the file for a long copy; the file must not exist. */
  readonly path: string;
}

/** Searches in the texts of all worlds. */
export interface SearchJob extends LongJobBase {
  readonly kind: "search";
  readonly query: SearchQuery;
}

/** A job that changes the search index; see `SearchFile`. */
export type SearchUpdateJob =
  | { readonly id: number; readonly kind: "openSearch"; readonly isDamaged: boolean }
  | { readonly id: number; readonly kind: "updateSearch"; readonly entries: readonly SearchEntry[] }
  | { readonly id: number; readonly kind: "sweepSearch" }
  | { readonly id: number; readonly kind: "indexSearch" };

/** A text that is compared. */
export interface DiffedText {
  /** Its name in the header of the diff, such as `home/x` and `version 3`. */
  readonly name: string;
  readonly note: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** A job of the reader. */
export type ReadJob =
  | {
    readonly id: number;
    readonly kind: "read";
    readonly name: string;
    /** Longest body to read; absent without a limit. */
    readonly maxBytes?: number;
  }
  | {
    readonly id: number;
    readonly kind: "readAt";
    readonly name: string;
    readonly version: number;
    /** Longest file to search; absent without a limit. */
    readonly maxBytes?: number;
  }
  | { readonly id: number; readonly kind: "stat"; readonly names: readonly string[] }
  | {
    readonly id: number;
    readonly kind: "diff";
    readonly before: DiffedText;
    readonly after: DiffedText;
  }
  | { readonly id: number; readonly kind: "otherKey"; readonly names: readonly string[] }
  | AuditJob
  | CancelJob
  | {
    readonly id: number;
    readonly kind: "log";
    readonly name: string;
    readonly before: number;
    readonly limit: number;
  }
  | {
    readonly id: number;
    readonly kind: "chain";
    readonly name: string;
    readonly after: number;
    readonly limit: number;
  }
  | SnapshotJob
  | SearchJob
  | SearchUpdateJob
  | { readonly id: number; readonly kind: "scan" }
  | { readonly id: number; readonly kind: "probe" }
  | {
    readonly id: number;
    readonly kind: "save";
    readonly rows: readonly CatalogRow[];
    readonly removed: readonly string[];
  }
  | { readonly id: number; readonly kind: "mark"; readonly collections: readonly string[] };

/** A world in the trash. */
export interface TrashedWorld {
  /** Id of its entry in the trash. */
  readonly bin: string;
  readonly name: string;
  /** Path of its file, relative to the data folder. */
  readonly path: string;
}

/** A job of the change index; see `ChangeFile` for the kinds with the same names. */
export type IndexJob =
  | { readonly id: number; readonly kind: "openIndex" }
  | {
    readonly id: number;
    readonly kind: "stage";
    readonly entries: readonly IndexEntry[];
    readonly isFirst: boolean;
  }
  | { readonly id: number; readonly kind: "completeIndex" }
  | {
    readonly id: number;
    readonly kind: "appendIndex";
    readonly entries: readonly (IndexEntry | string)[];
  }
  | { readonly id: number; readonly kind: "behind"; readonly heads: readonly ChainHead[] }
  | { readonly id: number; readonly kind: "vanished"; readonly names: readonly string[] }
  | { readonly id: number; readonly kind: "headOfName"; readonly name: string }
  | { readonly id: number; readonly kind: "headsOfChain"; readonly chain: string }
  | { readonly id: number; readonly kind: "lastCommon"; readonly events: readonly NamedEvent[] }
  | {
    readonly id: number;
    readonly kind: "replaceEvents";
    readonly head: NamedHead;
    readonly keep: number;
    readonly since: string;
    readonly entries: readonly IndexEntry[];
  }
  | { readonly id: number; readonly kind: "changes"; readonly query: ChangeQuery }
  | { readonly id: number; readonly kind: "keyed"; readonly key: string }
  | { readonly id: number; readonly kind: "trashed"; readonly name?: string }
  | { readonly id: number; readonly kind: "unknownTrash" }
  | { readonly id: number; readonly kind: "saveBin"; readonly bin: string }
  | { readonly id: number; readonly kind: "fileSizes"; readonly names: readonly string[] }
  | { readonly id: number; readonly kind: "trashPage"; readonly query: TrashQuery }
  | { readonly id: number; readonly kind: "trashOfId"; readonly trash: string }
  | { readonly id: number; readonly kind: "trashUnknown"; readonly now: string }
  | { readonly id: number; readonly kind: "trashFacts"; readonly ids: readonly string[] }
  | { readonly id: number; readonly kind: "trashAdd"; readonly records: readonly TrashRecord[] }
  | {
    readonly id: number;
    readonly kind: "trashExpired";
    readonly before: string;
    readonly limit: number;
  }
  | { readonly id: number; readonly kind: "expunge"; readonly trash: string }
  | {
    readonly id: number;
    readonly kind: "trashedChain";
    readonly world: TrashedWorld;
    readonly after: number;
    readonly limit: number;
  };

/** Makes a Worker close its files; its last job. */
export interface CloseJob {
  readonly id: number;
  readonly kind: "close";
}

/** A job of any Worker. */
export type Job = WriteJob | ReadJob | IndexJob | CloseJob;

/** The result of each kind of job. */
export interface JobResults {
  put: WriteResult;
  append: WriteResult;
  patch: WriteResult;
  transition: WriteResult;
  note: WriteResult;
  fold: WriteResult;
  remove: WriteResult;
  release: WriteResult;
  adopt: WriteResult;
  restore: WriteResult;
  read: LimitedResult | undefined;
  readAt: LimitedResult;
  stat: readonly StatResult[];
  otherKey: readonly boolean[];
  diff: string;
  audit: AuditResult | undefined;
  cancel: undefined;
  log: readonly ChainEvent[] | undefined;
  snapshot: SnapshotResult | undefined;
  scan: ScanResult;
  probe: undefined;
  save: undefined;
  mark: undefined;
  chain: ChainEvents | undefined;
  /** Whether the index is complete, the id of this run, and the newest position. */
  openIndex: {
    readonly isComplete: boolean;
    readonly run: string;
    readonly position: CursorPosition;
  };
  stage: readonly NamedHead[];
  completeIndex: CursorPosition;
  appendIndex: readonly AppendResult[];
  behind: readonly string[];
  vanished: readonly string[];
  headOfName: IndexedHead | undefined;
  headsOfChain: readonly NamedHead[];
  lastCommon: number;
  replaceEvents: readonly AppendResult[] | undefined;
  changes: ChangePage;
  keyed: readonly KeyedEvent[];
  trashed: readonly TrashedWorld[];
  unknownTrash: readonly TrashedWorld[];
  saveBin: undefined;
  trashedChain: ChainEvents;
  search: SearchPage;
  openSearch: SearchFileCounts;
  updateSearch: SearchUpdateResult;
  sweepSearch: SearchFileCounts;
  indexSearch: SearchFileCounts;
  fileSizes: readonly number[];
  trashPage: TrashPage;
  trashOfId: readonly TrashEntry[];
  /** Ids of folders without a row. */
  trashUnknown: readonly string[];
  trashFacts: readonly TrashEntry[];
  trashAdd: { readonly entries: number; readonly bytes: number };
  trashExpired: readonly string[];
  expunge: { readonly deleted: readonly TrashEntry[]; readonly bytes: number };
  close: undefined;
}

/** The reply to one job. */
export type Reply =
  | { readonly id: number; readonly value: JobResults[keyof JobResults] }
  | {
    readonly id: number;
    readonly error: { code: StoreErrorCode; message: string; world?: string; bytes?: number };
  };

/** A message from a Worker. */
export interface ReplyBatch {
  readonly replies: readonly Reply[];
  /** Worlds whose files were closed since the last message. */
  readonly closedFiles: readonly (FileStamp & { readonly name: string })[];
  /** Whether the batch is complete, so that the next can be sent. */
  readonly done: boolean;
}

/** The part of a Worker's global scope that {@link serveStore} uses. */
export interface StorePort {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(message: ReplyBatch): void;
}
