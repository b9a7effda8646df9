/**
 * What the store says to its Workers and what they answer. Jobs go out and replies come back in
 * batches, because one message costs more than the work of a small job. Both ends are this
 * program, so the shapes are trusted; nothing from outside ever travels here unchecked.
 */

import type { HistoryLimits } from "../file/history_table.ts";
import type {
  AuditResult,
  ChainEvent,
  Meta,
  Precondition,
  StoreErrorCode,
  WorldEntry,
} from "../store.ts";

/** Everything a Worker needs to know, sent once as its first message. */
export interface WorkerSetup {
  readonly role: "writer" | "reader";
  /** Number of this Worker among the writers; keeps names of temporary folders apart. */
  readonly shard: number;
  readonly data: string;
  readonly key: string;
  readonly sync: "full" | "normal";
  readonly history: HistoryLimits;
  /** Most bytes a world may grow to by appends. */
  readonly maxWorldBytes: number;
  /** Most SQLite handles a writer keeps open. */
  readonly handles: number;
}

/** A lower world that the change would cover. */
export interface LowerWorld {
  readonly sha256: string;
  readonly ext: string;
  readonly meta: Meta;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly updatedAt: string;
}

interface WriteBase {
  readonly id: number;
  readonly name: string;
  readonly by: string;
  readonly precondition?: Precondition;
  readonly below?: LowerWorld;
}

export interface PutJob extends WriteBase {
  readonly kind: "put";
  readonly body: Uint8Array<ArrayBuffer>;
  readonly ext: string;
  readonly meta: Meta;
  readonly state: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

export interface AppendJob extends WriteBase {
  readonly kind: "append";
  readonly body: Uint8Array<ArrayBuffer>;
  readonly ext: string;
  readonly state: string;
}

export interface TransitionJob extends WriteBase {
  readonly kind: "transition";
  readonly to: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

export interface NoteJob extends WriteBase {
  readonly kind: "note";
  readonly type: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

export interface RemoveJob extends WriteBase {
  readonly kind: "remove";
}

/** Lets a world go, closed and whole, for another writer to adopt. */
export interface ReleaseJob extends WriteBase {
  readonly kind: "release";
}

/** Takes a world that was let go under another name. */
export interface AdoptJob extends WriteBase {
  readonly kind: "adopt";
  /** The name it had. */
  readonly from: string;
  readonly ext: string;
}

/** What a writer does. */
export type WriteJob =
  | PutJob
  | AppendJob
  | TransitionJob
  | NoteJob
  | RemoveJob
  | ReleaseJob
  | AdoptJob;

/** What the file of a world without an open handle looks like from outside. */
export interface FileStamp {
  /** Modification time in Unix milliseconds. */
  readonly mtime: number;
  readonly size: number;
}

/** What a writer answers to every kind of change. */
export interface WriteResult {
  readonly version: number;
  readonly ext: string;
  readonly sha256: string;
  readonly state: string;
  readonly updatedAt: string;
  readonly len: number;
  readonly created: boolean;
  readonly fileStamp?: FileStamp;
}

/** A world as the reader found it on disk. */
export interface ReadResult {
  readonly version: number;
  readonly ext: string;
  readonly headers: string;
  readonly state: string;
  readonly updatedAt: string;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
}

/** A copy of a world's file: its bytes, or where they lie and how many they are. */
export type SnapshotResult =
  & { readonly version: number }
  & (
    | { readonly bytes: Uint8Array<ArrayBuffer> }
    | { readonly path: string; readonly length: number }
  );

/** A catalog row as it is kept on disk. */
export interface CatalogRow extends Omit<WorldEntry, "layer">, FileStamp {}

/** What the start-up scan found. */
export interface ScanResult {
  readonly rows: readonly CatalogRow[];
  /** Worlds on disk whose row is missing or stale. */
  readonly unindexed: readonly string[];
}

/** Copies a world's file. */
export interface SnapshotJob {
  readonly id: number;
  readonly kind: "snapshot";
  readonly name: string;
  /** Signs the copy's chain; absent, the events stay as they are. */
  readonly key?: string;
  /** Where the copy goes when it is too long for memory; nothing is there yet. */
  readonly path: string;
}

/** What the reader does. */
export type ReadJob =
  | { readonly id: number; readonly kind: "read"; readonly name: string }
  | {
    readonly id: number;
    readonly kind: "readAt";
    readonly name: string;
    readonly version: number;
  }
  | { readonly id: number; readonly kind: "stat"; readonly names: readonly string[] }
  | { readonly id: number; readonly kind: "audit"; readonly name: string }
  | {
    readonly id: number;
    readonly kind: "log";
    readonly name: string;
    readonly before: number;
    readonly limit: number;
  }
  | SnapshotJob
  | { readonly id: number; readonly kind: "scan" }
  | {
    readonly id: number;
    readonly kind: "save";
    readonly rows: readonly CatalogRow[];
    readonly gone: readonly string[];
  }
  | { readonly id: number; readonly kind: "mark"; readonly collections: readonly string[] };

/** Tells a Worker to close its files and end. */
export interface CloseJob {
  readonly id: number;
  readonly kind: "close";
}

export type Job = WriteJob | ReadJob | CloseJob;

/** The value each kind of job answers with. */
export interface JobResults {
  put: WriteResult;
  append: WriteResult;
  transition: WriteResult;
  note: WriteResult;
  remove: WriteResult;
  release: WriteResult;
  adopt: WriteResult;
  read: ReadResult | undefined;
  readAt: ReadResult;
  stat: readonly (CatalogRow | undefined)[];
  audit: AuditResult | undefined;
  log: readonly ChainEvent[] | undefined;
  snapshot: SnapshotResult | undefined;
  scan: ScanResult;
  save: undefined;
  mark: undefined;
  close: undefined;
}

/** One answer. */
export type Reply =
  | { readonly id: number; readonly value: JobResults[keyof JobResults] }
  | { readonly id: number; readonly error: { code: StoreErrorCode; message: string } };

/** What a Worker sends. */
export interface ReplyBatch {
  readonly replies: readonly Reply[];
  /** Worlds whose handles were closed since the last message. */
  readonly closedFiles: readonly (FileStamp & { readonly name: string })[];
  /** The batch is done, so the next may come. */
  readonly done: boolean;
}
