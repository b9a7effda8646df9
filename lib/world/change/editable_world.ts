/**
 * A world as a change sees it: its current version, and what a change can do to it. `WorldFile` is
 * one in a SQLite file; `WorldDraft` is one in memory. Both must append the same events for the same
 * calls, see change_events.ts.
 */

import type { CommittedEvent } from "../changes.ts";

/** The current version of a world without its bytes. */
export interface StageRow {
  readonly version: number;
  readonly updatedAt: string;
  readonly ext: string;
  /** JSON text of the metadata, as stored. */
  readonly headers: string;
  readonly state: string;
  /** Length of the bytes. */
  readonly len: number;
}

/** More fields for the payload of an event. */
export type EventFields = Readonly<Record<string, unknown>>;

/** A world that a change is applied to. Times are RFC 3339 texts in UTC with milliseconds. */
export interface EditableWorld {
  readonly name: string;
  /** The current version, with all changes up to now. */
  readonly row: StageRow;
  /** SHA-256 of the current bytes. */
  readonly sha256: string;
  /** Whether another key signed the chain, so that no event may be appended. */
  readonly hasOtherKey: boolean;
  /** Lowest version before the next one, if the name has used higher ones than this world. */
  versionFloor: number;
  /** Reads the current bytes. */
  body(): Uint8Array<ArrayBuffer>;
  /** The time of a change now: never before the last change of the world or its newest event. */
  timeOf(now: string): string;
  /** Returns the events that were appended since the last call. */
  takeEvents(): readonly CommittedEvent[];
  /** Replaces bytes and columns as a new version. */
  replace(
    body: Uint8Array<ArrayBuffer>,
    fields: { readonly ext: string; readonly headers: string; readonly state: string },
    now: string,
    eventFields: EventFields,
  ): void;
  /** Appends bytes as a new version. */
  append(
    body: Uint8Array<ArrayBuffer>,
    state: string,
    now: string,
    eventFields: EventFields,
  ): void;
  /** Changes only the state. */
  transition(to: string, now: string, eventFields: EventFields): void;
  /** Appends an event without a change. */
  note(type: string, payload: EventFields, now: string): void;
  /** Makes a new version with the same bytes after a move. */
  recordMove(ext: string, now: string, eventFields: EventFields): void;
  /**
   * Makes a new version with the same bytes when a deleted world is restored.
   *
   * @param names old and new path, if they differ
   */
  recordRestore(
    fields: { readonly ext: string; readonly state: string },
    now: string,
    eventFields: RestoreFields,
    names: MovedNames | undefined,
  ): void;
  /** Marks the world as deleted; appends the event unless another key signed the chain. */
  markDeleted(now: string, eventFields: EventFields): void;
}

/** The fields of the events of a restore. */
export interface RestoreFields {
  readonly trash: string;
  readonly by: string;
  readonly idem?: string;
}

/** Old and new path of a world that moves, each with its leading slash. */
export interface MovedNames {
  readonly from: string;
  readonly to: string;
}
