/**
 * Decides where the bytes of a staged world go: into its row if they are short, else into a content. An
 * append to a content adds only its own bytes. Pure.
 */

import { concatBytes } from "../../base/concat_bytes.ts";
import type { BatchChunk, BatchVersion, BatchWorld, PlacedBytes } from "./batch_arguments.ts";
import { MAX_CHUNK_BYTES, MAX_INLINE_BYTES } from "../../cluster_limits.ts";
import type { WorldRow } from "./records.ts";
import type { WorldDraft } from "./world_draft.ts";

/** Where contents come from. */
export interface ContentPlaces {
  /** Takes an id that no content has. */
  readonly newContent: () => number;
  /** The id of the content under which bytes were uploaded; undefined if they were not. */
  readonly uploadOf: (bytes: Uint8Array) => number | undefined;
}

/** The fields of a staged world that are about its bytes. */
export type PlacedContents = Pick<
  BatchWorld,
  "bytes" | "versions" | "dropBelow" | "dropContent" | "chunks" | "uploads"
>;

/**
 * Places the bytes of a world and of the earlier versions that it keeps.
 *
 * @param base the stored world; undefined if it is created
 */
export function placeContents(
  draft: WorldDraft,
  base: WorldRow | undefined,
  places: ContentPlaces,
): PlacedContents {
  const chunks: BatchChunk[] = [];
  const uploads: number[] = [];
  const runs = new Map<number, PlacedBytes>();
  const placeRun = (index: number): PlacedBytes => {
    const known = runs.get(index);
    if (known !== undefined) return known;
    const placed = place(draft, index, base, places, chunks, uploads);
    runs.set(index, placed);
    return placed;
  };
  const bytes = placeRun(draft.run);
  const versions = draft.kept.map(({ run, ...version }): BatchVersion =>
    version.kind === "prefix"
      ? { ...version, sha256: null, bytes: { kind: "none" } }
      : { ...version, bytes: placeRun(run) }
  );
  // A world without earlier versions and without a content has nothing to drop.
  const isEmpty = base === undefined || base.keptVersions === 0 && base.content === undefined;
  const hasContent = base?.content !== undefined && bytes.kind !== "same" &&
    !(bytes.kind === "content" && bytes.id === base.content);
  return {
    bytes,
    versions,
    dropBelow: isEmpty ? 0 : draft.keptFrom,
    ...(hasContent ? { dropContent: base.content } : {}),
    chunks,
    uploads,
  };
}

function place(
  draft: WorldDraft,
  index: number,
  base: WorldRow | undefined,
  places: ContentPlaces,
  chunks: BatchChunk[],
  uploads: number[],
): PlacedBytes {
  const run = draft.runs[index];
  if (run === undefined) throw new Error(`${draft.name} has no content run ${index}`);
  const isStored = index === 0 && base !== undefined;
  if (isStored && run.pieces.length === 0) return { kind: "same" };
  if (isStored && base.content !== undefined) {
    addPieces(chunks, base.content, base.len, run.pieces, places);
    return { kind: "content", id: base.content };
  }
  if (run.len <= MAX_INLINE_BYTES) {
    return { kind: "inline", bytes: draft.bytesOf({ run: index, len: run.len }) };
  }
  const start = isStored && base.body !== undefined && base.len > 0 ? [base.body] : [];
  const pieces = [...start, ...run.pieces];
  const [first] = pieces;
  // A replacement that was uploaded is the content.
  const uploaded = first === undefined ? undefined : places.uploadOf(first);
  if (first !== undefined && uploaded !== undefined) {
    uploads.push(uploaded);
    addPieces(chunks, uploaded, first.length, pieces.slice(1), places);
    return { kind: "content", id: uploaded };
  }
  const id = places.newContent();
  addPieces(chunks, id, 0, pieces, places);
  return { kind: "content", id };
}

/** Adds pieces to the end of a content: uploaded ones as they are, others in as few chunks as possible. */
function addPieces(
  chunks: BatchChunk[],
  content: number,
  at: number,
  pieces: readonly Uint8Array<ArrayBuffer>[],
  { uploadOf }: ContentPlaces,
): void {
  let short: Uint8Array<ArrayBuffer>[] = [];
  let next = at;
  const flush = () => {
    const bytes = concatBytes(short);
    for (let from = 0; from < bytes.length; from += MAX_CHUNK_BYTES) {
      const part = bytes.subarray(from, from + MAX_CHUNK_BYTES);
      chunks.push({ content, at: next, from: part });
      next += part.length;
    }
    short = [];
  };
  for (const piece of pieces) {
    const upload = uploadOf(piece);
    if (upload === undefined) {
      short.push(piece);
      continue;
    }
    flush();
    chunks.push({ content, at: next, from: { upload } });
    next += piece.length;
  }
  flush();
}
