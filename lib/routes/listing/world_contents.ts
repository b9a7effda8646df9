/**
 * Rows of a listing with the contents of their worlds (`?contents`): what GET answers as JSON, and the
 * metadata. A caller gets each world as GET shows it.
 */

import type { Caller } from "../../auth/caller.ts";
import { isRedacted } from "../../auth/policy.ts";
import { redactFor } from "../../auth/redact.ts";
import type { TimeSlices } from "../../base/time_slices.ts";
import { CONTENTS_READS, MAX_CONTENTS_BYTES } from "../../limits.ts";
import { type ListingRow, toListingRow } from "../../response/listing.ts";
import { toWorldJson } from "../../response/representation.ts";
import { type Child, type Store, StoreError, type World } from "../../world/store.ts";

/** A row as JSON, and the row that it came from. */
export interface EncodedRow<R> {
  readonly row: R;
  readonly json: string;
}

/** Rows with contents. */
export interface EncodedRows<R> {
  readonly rows: readonly EncodedRow<R>[];
  /** Whether the limit of bytes was reached before the end. */
  readonly isCut: boolean;
}

/** Codes of errors that concern one world: its row has no content, and the others are sent. */
const ERRORS_OF_ONE_WORLD: ReadonlySet<StoreError["code"]> = new Set<StoreError["code"]>([
  "damaged",
  "in-use",
  "other-key",
]);

/**
 * Encodes rows with the contents of their worlds, up to {@link MAX_CONTENTS_BYTES} or one longer world.
 * A world that was deleted in the meantime has no row.
 *
 * @param rows the rows, in order
 * @param childOf the child that a row shows
 * @param nameOf the name of the world of a row
 * @param slices the slices of this kind of work
 */
export async function encodeContents<R>(
  store: Pick<Store, "read" | "stat">,
  caller: Caller,
  rows: readonly R[],
  { childOf, nameOf }: { childOf: (row: R) => Child; nameOf: (row: R) => string },
  slices: TimeSlices,
): Promise<EncodedRows<R>> {
  const encoder = new TextEncoder();
  const encoded: EncodedRow<R>[] = [];
  let bytes = 0;
  for (let at = 0; at < rows.length;) {
    const step = takeStep(rows, at, MAX_CONTENTS_BYTES - bytes, childOf);
    const worlds = await Promise.all(
      step.map((row) => readContent(store, childOf(row), nameOf(row))),
    );
    for (const [i, row] of step.entries()) {
      if (slices.isOver) await slices.next();
      const found = toContentRow(store, caller, childOf(row), nameOf(row), worlds[i]);
      if (found === undefined) continue;
      const json = JSON.stringify(found);
      bytes += encoder.encode(json).length;
      if (bytes > MAX_CONTENTS_BYTES && encoded.length > 0) return { rows: encoded, isCut: true };
      encoded.push({ row, json });
    }
    at += step.length;
  }
  return { rows: encoded, isCut: false };
}

/** Returns the next rows whose worlds are read together: few, and not much more than what fits. */
function takeStep<R>(
  rows: readonly R[],
  start: number,
  bytesLeft: number,
  childOf: (row: R) => Child,
): R[] {
  const step: R[] = [];
  let bytes = 0;
  for (const row of rows.slice(start, start + CONTENTS_READS)) {
    bytes += childOf(row).entry?.len ?? 0;
    if (step.length > 0 && bytes > bytesLeft) break;
    step.push(row);
  }
  return step;
}

/** Reads the world of a row; `unreadable` if only this world cannot be read. */
async function readContent(
  store: Pick<Store, "read">,
  { entry }: Child,
  name: string,
): Promise<World | "unreadable" | undefined> {
  if (entry === undefined) return undefined;
  try {
    return await store.read(name);
  } catch (error) {
    if (error instanceof StoreError && ERRORS_OF_ONE_WORLD.has(error.code)) return "unreadable";
    throw error;
  }
}

/** Returns a row with its content; undefined if its world does not exist any more. */
function toContentRow(
  store: Pick<Store, "stat">,
  caller: Caller,
  child: Child,
  name: string,
  world: World | "unreadable" | undefined,
): ListingRow | undefined {
  const hasRedactedBody = isRedacted(caller, `/${name}`);
  if (child.entry === undefined || world === "unreadable") {
    return toListingRow(child, hasRedactedBody);
  }
  if (world === undefined) {
    return child.dir ? { name: child.name, dir: true } : undefined;
  }
  const shown = redactFor(caller, world);
  const entry = store.stat(name);
  return {
    name: child.name,
    dir: child.dir,
    ...toWorldJson(shown),
    ...(hasRedactedBody ? {} : { len: world.body.length }),
    // The caller of the version that is shown, not of a later one.
    ...(entry?.version === world.version && entry.by !== "" ? { by: entry.by } : {}),
    meta: Object.fromEntries(shown.meta),
  };
}
