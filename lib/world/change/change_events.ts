/**
 * The events of each change, as type and payload. The order of the fields is a part of the format: the
 * HMAC of an event covers the text of its payload, and every engine must write the same text. Pure.
 */

import { sha256Hex } from "../../base/hash.ts";
import type { EventFields, MovedNames, RestoreFields, StageRow } from "./editable_world.ts";

/** Type and payload of an event. */
export type EventContent = readonly [type: string, payload: Readonly<Record<string, unknown>>];

/** Returns the payload of a `stage_written` event. */
export function writtenPayload(
  row: StageRow,
  sha256: string,
  eventFields: EventFields,
): Record<string, unknown> {
  return {
    op: "put",
    len: row.len,
    ext: row.ext,
    version_after: row.version,
    meta_headers: JSON.parse(row.headers),
    body_sha256_after: sha256,
    ...eventFields,
  };
}

/** Returns the payload of a `stage_appended` event. */
function appendedPayload(
  version: number,
  added: Uint8Array,
  sha256: string,
  eventFields: EventFields,
): Record<string, unknown> {
  return {
    op: "append",
    append_len: added.length,
    append_sha256: sha256Hex(added),
    version_after: version,
    body_sha256_after: sha256,
    meta_headers: [],
    ...eventFields,
  };
}

/**
 * Returns the event of a first version.
 *
 * @param added the bytes that the request sent, if the operation is an append
 */
export function createdEvent(
  name: string,
  row: StageRow,
  sha256: string,
  added: Uint8Array | undefined,
  eventFields: EventFields,
): EventContent {
  const fields = { ...eventFields, name };
  return added === undefined
    ? ["stage_written", writtenPayload(row, sha256, fields)]
    : ["stage_appended", appendedPayload(row.version, added, sha256, { ext: row.ext, ...fields })];
}

/**
 * Returns the events of a replacement.
 *
 * @param before the state before it
 * @param row the version after it
 */
export function writtenEvents(
  before: string,
  row: StageRow,
  sha256: string,
  eventFields: EventFields,
): EventContent[] {
  const written: EventContent = ["stage_written", writtenPayload(row, sha256, eventFields)];
  return withStateChange(written, before, row, eventFields);
}

/**
 * Returns the events of an append.
 *
 * @param before the state before it
 * @param row the version after it
 * @param sha256 SHA-256 of all bytes after it
 */
export function appendedEvents(
  before: string,
  row: StageRow,
  added: Uint8Array,
  sha256: string,
  eventFields: EventFields,
): EventContent[] {
  const payload = appendedPayload(row.version, added, sha256, eventFields);
  return withStateChange(["stage_appended", payload], before, row, eventFields);
}

/** Adds the event of a state that a change of the bytes also changed. */
function withStateChange(
  event: EventContent,
  from: string,
  { state: to, version }: StageRow,
  { by }: EventFields,
): EventContent[] {
  if (from === to) return [event];
  return [event, ["state_transition", { from, to, version, reason: "source changed", by }]];
}

/**
 * Returns the event of a change of the state.
 *
 * @param from the state before it
 * @param row the version after it
 */
export function transitionEvent(
  from: string,
  { state: to, version }: StageRow,
  eventFields: EventFields,
): EventContent {
  return ["state_transition", { from, to, version, ...eventFields }];
}

/** Returns the event of a move with the chain. */
export function movedEvent(row: StageRow, sha256: string, eventFields: EventFields): EventContent {
  return ["world_moved", { ...writtenPayload(row, sha256, eventFields), op: "move" }];
}

/**
 * Returns the events of a restore from the trash.
 *
 * @param before the state before it
 * @param row the version after it
 * @param names old and new path, if they differ
 */
export function restoredEvents(
  before: string,
  row: StageRow,
  sha256: string,
  eventFields: RestoreFields,
  names: MovedNames | undefined,
): EventContent[] {
  const { by } = eventFields;
  const from = names === undefined ? {} : { from: names.from };
  const restored = { ...writtenPayload(row, sha256, { ...from, ...eventFields }), op: "restore" };
  const events: EventContent[] = [["world_restored", restored]];
  if (names !== undefined) {
    const { to } = names;
    events.unshift(movedEvent(row, sha256, { from: names.from, to, by }));
  }
  if (before !== row.state) {
    const { state: to, version } = row;
    events.push(["state_transition", { from: before, to, version, reason: "restored", by }]);
  }
  return events;
}

/** Returns the event of a removal. */
export function deletedEvent(
  { version }: StageRow,
  sha256: string,
  eventFields: EventFields,
): EventContent {
  return ["world_deleted", { version, body_sha256: sha256, ...eventFields }];
}

/** Returns the event of a move of the content only, in the chain of the source. */
export function contentMovedEvent(
  { from, to }: MovedNames,
  { version }: StageRow,
  by: string,
): EventContent {
  return ["world_moved", { from, to, version, by }];
}
