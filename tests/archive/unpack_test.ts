import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { ArchiveError } from "../../lib/archive/archive_entry.ts";
import { unpackArchive, type UnpackLimits } from "../../lib/archive/unpack.ts";
import { type Entry, headerBlock, streamOf, tarOf } from "./fixtures.ts";
import { withTempFolder } from "../support/temp_folder.ts";

const LIMITS: UnpackLimits = {
  maxEntries: 8,
  maxFileBytes: 4096,
  maxBytes: 8192,
  maxGapBytes: 256 * 1024,
};
const WORLD: Entry = { name: "data/home%2Fx/universe.db", body: "bytes" };

function paths(folder: string): string[] {
  const found: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) found.push(...paths(`${folder}/${name}`).map((path) => `${name}/${path}`));
    else found.push(name);
  }
  return found.sort();
}

Deno.test("unpackArchive() writes the files of a data folder, readable by this user only", () =>
  withTempFolder(async (folder) => {
    for (const gzip of [true, false]) {
      const to = `${folder}/${gzip}`;
      Deno.mkdirSync(to);
      const archive = await tarOf([
        { name: "data/", type: "directory" },
        WORLD,
        { name: "data/home%2Fx/universe.db-shm", body: "no" },
        { name: "data/.approve-token", body: "no" },
        { name: "data/.key", body: "key" },
        { name: "data/home%2Fempty/universe.db" },
      ], gzip);
      assertEquals(await unpackArchive(archive, to), { files: 3, skipped: 3 });
      assertEquals(paths(to), [".key", "home%2Fempty/universe.db", "home%2Fx/universe.db"]);
      assertEquals(Deno.readTextFileSync(`${to}/home%2Fx/universe.db`), "bytes");
      assertEquals((Deno.statSync(`${to}/.key`).mode ?? 0) & 0o777, 0o600);
    }
  }));

Deno.test("unpackArchive() accepts names of the maximum folder length", () =>
  withTempFolder(async (folder) => {
    const long = `home%2F${"ü".repeat(124)}`;
    await unpackArchive(await tarOf([{ name: `data/${long}/universe.db` }]), folder);
    assertEquals(paths(folder), [`${long}/universe.db`]);
  }));

Deno.test("unpackArchive() accepts a long world that compresses to few bytes", () =>
  withTempFolder(async (folder) => {
    const zeros = new Uint8Array(20_000_000);
    const archive = await tarOf([
      { name: "data/home%2Fa/universe.db", body: zeros },
      ...Array.from(
        { length: 50 },
        (_, i) => ({ name: `data/home%2F${i}/universe.db`, body: "x" }),
      ),
      { name: "data/home%2Fb/universe.db", body: zeros },
    ]);
    assertEquals((await unpackArchive(archive, folder)).files, 52);
    assertEquals(Deno.statSync(`${folder}/home%2Fb/universe.db`).size, zeros.length);
  }));

Deno.test("unpackArchive() rejects malicious archives and writes nothing outside the folder", () =>
  withTempFolder(async (folder) => {
    const rows: readonly [string, readonly Entry[], RegExp][] = [
      ["traversal", [WORLD, { name: "data/../../evil/universe.db" }], /leaves its folder/],
      ["absolute", [WORLD, { name: "/tmp/evil/universe.db" }], /not a relative path/],
      [
        "symlink",
        [{ name: "data/home%2Fx", type: "symlink", linkname: "/tmp" }, WORLD],
        /it is a symlink/,
      ],
      [
        "hard link",
        [{ name: "data/home%2Fx/universe.db", type: "link", linkname: "/etc/passwd" }],
        /it is a link/,
      ],
      ["fifo", [{ name: "data/home%2Fx/universe.db", type: "fifo" }], /it is a fifo/],
      ["device", [{ name: "data/.key", type: "character-device" }], /it is a character-device/],
      ["duplicate", [WORLD, { ...WORLD, body: "other" }], /it occurs twice/],
      [
        "duplicate by another spelling",
        [WORLD, { ...WORLD, name: "./home%2Fx/universe.db" }],
        /it occurs twice/,
      ],
      [
        "a huge file",
        [{ ...WORLD, body: "x".repeat(4097) }],
        /has 4097 bytes; at most 4096 are allowed/,
      ],
      [
        "many bytes",
        [1, 2, 3].map((i) => ({ name: `data/home%2F${i}/universe.db`, body: "x".repeat(4000) })),
        /more than 8 entries or 8192 bytes/,
      ],
      [
        "many entries",
        Array.from({ length: 9 }, (_, i) => ({ name: `data/skipped${i}` })),
        /more than 8 entries/,
      ],
      ["nothing", [{ name: "README.md", body: "hi" }], /it contains no world/],
    ];
    for (const [title, entries, says] of rows) {
      const to = `${folder}/${title}`;
      Deno.mkdirSync(to);
      await assertRejects(
        unpackArchive(await tarOf(entries), to, LIMITS),
        (error) => error instanceof ArchiveError && says.test(error.message),
        title,
      );
    }
    assertEquals([...Deno.readDirSync(folder)].length, rows.length, "no file outside the folder");
  }));

Deno.test("unpackArchive() rejects damaged and truncated archives and other files", () =>
  withTempFolder(async (folder) => {
    const whole = await new Response(await tarOf([{ ...WORLD, body: "x".repeat(3000) }], false))
      .bytes();
    const zipped = await new Response(await tarOf([WORLD])).bytes();
    const damaged = whole.slice();
    damaged[3] = 120;
    const rows: readonly [string, Uint8Array<ArrayBuffer>][] = [
      ["empty", new Uint8Array()],
      ["text", new TextEncoder().encode("no archive at all ".repeat(100))],
      ["cut within a file", whole.slice(0, 1500)],
      ["cut gzip", zipped.slice(0, zipped.length - 12)],
      ["gzip of nothing", new Uint8Array([0x1f, 0x8b])],
      ["a header's sum", damaged],
      ["half a header", whole.slice(0, 300)],
    ];
    for (const [title, bytes] of rows) {
      const to = `${folder}/${title}`;
      Deno.mkdirSync(to);
      await assertRejects(unpackArchive(streamOf(bytes), to, LIMITS), ArchiveError, title);
    }
  }));

Deno.test("unpackArchive() rejects a size in a header before it reads the content", () =>
  withTempFolder(async (folder) => {
    let read = 0;
    const start = headerBlock("data/home%2Fx/universe.db", 8 * 1024 ** 3 - 1, "0");
    const archive = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        controller.enqueue(read++ === 0 ? start : new Uint8Array(64 * 1024));
      },
    });
    await assertRejects(unpackArchive(archive, folder), /it has 8589934591 bytes/);
    assert(read < 64, `${read} pieces were read`);
    assertEquals(paths(folder), []);
  }));

Deno.test("unpackArchive() limits the memory for names", () =>
  withTempFolder(async (folder) => {
    for (const flag of ["x", "g", "L", "K"]) {
      let read = 0;
      const start = headerBlock("name", 8 * 1024 ** 3 - 1, flag);
      const archive = new ReadableStream<Uint8Array<ArrayBuffer>>({
        pull(controller) {
          controller.enqueue(read++ === 0 ? start : new Uint8Array(64 * 1024).fill(97));
        },
      });
      await assertRejects(
        unpackArchive(archive, folder, LIMITS),
        /bytes of it are not part of a file|damaged/,
        flag,
      );
      assert(read < 64, `${flag}: ${read} pieces were read`);
    }
  }));

Deno.test("unpackArchive() does not decompress a bomb of zeros", () =>
  withTempFolder(async (folder) => {
    let sent = 0;
    const zeros = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        if (sent++ < 1024) controller.enqueue(new Uint8Array(64 * 1024));
        else controller.close();
      },
    });
    const bomb = zeros.pipeThrough(new CompressionStream("gzip"));
    await assertRejects(unpackArchive(bomb, folder, LIMITS), ArchiveError);
  }));
