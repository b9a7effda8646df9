/** Archives are read back by `modern-tar`, which the server uses for its own archives. */

import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertStrictEquals,
} from "../../support/assert.ts";
import { createTarDecoder } from "../../../lib/deps/modern_tar.ts";
import { type ArchiveEntry, discardEntry, tar } from "../../../plugins/reality/tar.ts";

type UnpackedEntries = readonly (readonly [path: string, mode: number, body: string])[];

async function* each(entries: readonly ArchiveEntry[]): AsyncGenerator<ArchiveEntry> {
  yield* entries;
}

async function bytesOf(entries: readonly ArchiveEntry[]): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of tar(each(entries), 1_000_000)) pieces.push(piece);
  return await new Blob(pieces).bytes();
}

async function unpack(entries: readonly ArchiveEntry[]): Promise<UnpackedEntries> {
  const found: [string, number, string][] = [];
  const archive = new Blob([await bytesOf(entries)]).stream();
  for await (const { header, body } of archive.pipeThrough(createTarDecoder())) {
    found.push([header.name, header.mode ?? 0, await new Response(body).text()]);
    assertEquals(header.mtime, new Date(1_000_000_000));
  }
  return found;
}

function entryOf(path: string, body: string): ArchiveEntry {
  return { path, mode: 0o644, length: new TextEncoder().encode(body).length, body };
}

Deno.test("tar() writes folders, files of any length and their modes", async () => {
  const long = "x".repeat(200_000);
  const bytes = new TextEncoder().encode(long);
  const entries = [
    { path: "data/", mode: 0o700, length: 0, body: "" },
    { path: "run", mode: 0o755, length: 511, body: "r".repeat(511) },
    { path: "even", mode: 0o644, length: 512, body: "e".repeat(512) },
    { path: "bytes", mode: 0o600, length: bytes.length, body: bytes },
    { path: "stream", mode: 0o600, length: bytes.length, body: new Blob([bytes]).stream() },
  ];
  assertEquals(await unpack(entries), [
    ["data/", 0o700, ""],
    ["run", 0o755, "r".repeat(511)],
    ["even", 0o644, "e".repeat(512)],
    ["bytes", 0o600, long],
    ["stream", 0o600, long],
  ]);
});

Deno.test("tar() writes paths that a plain header cannot hold", async () => {
  const paths = [
    "a".repeat(100),
    "a".repeat(101),
    // The digits of a record's length count: around these lengths they become one more.
    ...[84, 85, 86, 984, 985, 986, 987].map((length) => `ä${"a".repeat(length)}`),
    "naïve/✓.md",
  ];
  const found = await unpack(paths.map((path) => entryOf(path, path)));
  assertEquals(found.map(([path, , body]) => [path, body]), paths.map((path) => [path, path]));
});

Deno.test("tar() ends an archive with two empty blocks, also an empty one", async () => {
  assertEquals(await bytesOf([]), new Uint8Array(1024));
  assertEquals((await bytesOf([entryOf("a", "a")])).length % 512, 0);
});

Deno.test("tar() throws for a body of another length, and cancels it", async () => {
  for (const length of [3, 5]) {
    let cancelled = false;
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(4)),
      cancel: () => void (cancelled = true),
    });
    const closed = new Blob([new Uint8Array(4)]).stream();
    const entry = { path: "x", mode: 0o644, length, body: length === 3 ? body : closed };
    await assertRejects(bytesOf([entry]), (error: Error) => {
      assertMatch(error.message, new RegExp(`^Cannot pack x: its length is not ${length} bytes$`));
      return true;
    });
    assertStrictEquals(cancelled, length === 3);
  }
});

Deno.test("discardEntry() cancels the stream of an entry", async () => {
  let cancelled = false;
  const body = new ReadableStream({ cancel: () => void (cancelled = true) });
  await discardEntry({ path: "x", mode: 0, length: 1, body });
  await discardEntry(entryOf("y", "y"));
  await discardEntry(undefined);
  assertEquals(cancelled, true);
});
