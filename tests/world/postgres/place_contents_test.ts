/** Where the bytes of a staged world go. */

import { assertEquals } from "../../support/assert.ts";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import { MAX_CHUNK_BYTES, MAX_INLINE_BYTES } from "../../../lib/cluster_limits.ts";
import { placeContents } from "../../../lib/world/postgres/place_contents.ts";
import type { WorldRow } from "../../../lib/world/postgres/records.ts";
import { WorldDraft } from "../../../lib/world/postgres/world_draft.ts";

const TIME = "2026-01-01T00:00:00.000Z";
const OPTIONS = { sign: createChainSigner("k"), history: { versions: 8, bytes: 10_000_000 } };
const bytes = (size: number) => new Uint8Array(size).fill(1);

function rowOf(len: number, content?: number): WorldRow {
  return {
    ...{ id: 1, name: "home/a", version: 1, ext: "txt", headers: "[]", state: "", updatedAt: TIME },
    ...{ len, sha256: "s", eventId: 1, eventHmac: "h", eventAt: TIME, by: "T2" },
    ...{ keptFrom: 0, keptVersions: 0, keptBytes: 0 },
    ...(content === undefined ? { body: bytes(len) } : { content }),
  };
}

/** Applies changes to a stored world and says where its bytes go. */
function placed(
  row: WorldRow,
  change: (draft: WorldDraft) => void,
  uploads: ReadonlyMap<Uint8Array, number> = new Map(),
  options = OPTIONS,
) {
  const { version, ext, headers, state, updatedAt, len, sha256 } = row;
  const draft = WorldDraft.open({
    name: "home/a",
    row: { version, ext, headers, state, updatedAt, len },
    sha256,
    head: { id: 1, hmac: "h", timestamp: TIME },
    body: bytes(len),
  }, options);
  change(draft);
  let next = 100;
  const found = placeContents(draft, row, {
    newContent: () => next++,
    uploadOf: (piece) => uploads.get(piece),
  });
  return {
    bytes: found.bytes.kind === "inline" ? `inline ${found.bytes.bytes.length}` : found.bytes,
    versions: found.versions.map(({ version, kind, bytes }) => `${version} ${kind} ${bytes.kind}`),
    chunks: found.chunks.map(({ content, at, from }) =>
      `${content} ${at} ${from instanceof Uint8Array ? from.length : `upload ${from.upload}`}`
    ),
    uploads: found.uploads,
    dropped: [found.dropBelow, found.dropContent],
  };
}

const put = (body: Uint8Array<ArrayBuffer>) => (draft: WorldDraft) =>
  draft.replace(body, { ext: "txt", headers: "[]", state: "" }, TIME, { by: "T2" });
const append = (body: Uint8Array<ArrayBuffer>) => (draft: WorldDraft) =>
  draft.append(body, "", TIME, { by: "T2" });

Deno.test("placeContents() keeps short bytes inline and the present ones as an earlier version", () => {
  assertEquals(placed(rowOf(3), put(bytes(MAX_INLINE_BYTES))), {
    bytes: `inline ${MAX_INLINE_BYTES}`,
    versions: ["1 full same"],
    chunks: [],
    uploads: [],
    dropped: [0, undefined],
  });
});

Deno.test("placeContents() puts one byte more into a content", () => {
  const { bytes: place, chunks } = placed(rowOf(3), put(bytes(MAX_INLINE_BYTES + 1)));
  assertEquals(place, { kind: "content", id: 100 });
  assertEquals(chunks, [`100 0 ${MAX_INLINE_BYTES + 1}`]);
});

Deno.test("placeContents() adds an append to the end of its content, in few chunks", () => {
  const twice = (draft: WorldDraft) => {
    append(bytes(10))(draft);
    append(bytes(MAX_CHUNK_BYTES))(draft);
  };
  const { bytes: place, versions, chunks } = placed(rowOf(20_000, 7), twice);
  assertEquals(place, { kind: "content", id: 7 });
  assertEquals(versions, ["1 prefix none", "2 prefix none"]);
  assertEquals(chunks, [`7 20000 ${MAX_CHUNK_BYTES}`, `7 ${20_000 + MAX_CHUNK_BYTES} 10`]);
});

Deno.test("placeContents() moves inline bytes into a content when they become long", () => {
  const { bytes: place, chunks } = placed(rowOf(8000), append(bytes(500)));
  assertEquals(place, { kind: "content", id: 100 });
  assertEquals(chunks, ["100 0 8500"]);
});

Deno.test("placeContents() uses what was uploaded", () => {
  const long = bytes(300_000);
  const uploads = new Map([[long, 9]]);
  const replaced = placed(rowOf(3), put(long), uploads);
  assertEquals([replaced.bytes, replaced.chunks, replaced.uploads], [
    { kind: "content", id: 9 },
    [],
    [9],
  ]);
  const appended = placed(rowOf(20_000, 7), append(long), uploads);
  assertEquals([appended.chunks, appended.uploads], [["7 20000 upload 9"], []]);
});

Deno.test("placeContents() drops a content that no version keeps", () => {
  const none = { ...OPTIONS, history: { versions: 0, bytes: 0 } };
  const { versions, dropped } = placed(rowOf(20_000, 7), put(bytes(3)), new Map(), none);
  assertEquals([versions, dropped], [[], [2, 7]]);
  const kept = placed(rowOf(20_000, 7), put(bytes(3)));
  assertEquals(kept.versions, ["1 full same"]);
  // A world with nothing to drop costs no statement.
  assertEquals(placed(rowOf(3), put(bytes(3)), new Map(), none).dropped, [0, undefined]);
});

Deno.test("placeContents() gives a version in between its bytes", () => {
  const both = (draft: WorldDraft) => {
    append(bytes(5))(draft);
    put(bytes(4))(draft);
  };
  const { bytes: place, versions } = placed(rowOf(3), both);
  assertEquals([place, versions], ["inline 4", ["1 prefix none", "2 full inline"]]);
});
