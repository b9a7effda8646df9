import { deepStrictEqual as equal, rejects, throws } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { sha256Hex } from "../../../lib/base/hash.ts";
import { Reader } from "../../../lib/world/worker/reader.ts";
import { makePiece, museumSetup, PIECE, PIECE_FILE } from "../../testdata/museum.ts";
import { FILE_DAMAGE } from "../../testdata/file_damage.ts";
import { withTempData } from "../../testdata/temp_data.ts";
import { appendJob, putJob, removeJob, testWriter } from "../../testdata/test_writer.ts";

const decoder = new TextDecoder();

function withPiece(use: (reader: Reader, data: string) => void | Promise<void>): Promise<void> {
  return withTempData((data) => {
    makePiece(data);
    return use(new Reader(museumSetup(data)), data);
  });
}

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

Deno.test("Reader.read() reads a world whole, with the hash of the bytes that are there", () =>
  withPiece((reader) => {
    const found = reader.read(PIECE);
    equal(found, {
      version: 5,
      ext: "txt",
      headers: '[["x-meta-author","museum"]]',
      state: "",
      updatedAt: "2026-01-01T00:00:06.000Z",
      body: new TextEncoder().encode("five\n"),
      sha256: sha256Hex("five\n"),
    });
  }));

Deno.test("Reader answers nothing for a world that is not there", () =>
  withPiece(async (reader) => {
    equal(reader.read("home/none"), undefined);
    equal(reader.stat("home/none"), undefined);
    equal(reader.log("home/none", 10, 10), undefined);
    equal(await reader.audit("home/none"), undefined);
    throws(() => reader.readAt("home/none", 1), { code: "absent" });
  }));

Deno.test("Reader.readAt() brings every version back as it was", () =>
  withPiece((reader) => {
    const texts = [1, 2, 3, 4, 5].map((version) => {
      const found = reader.readAt(PIECE, version);
      equal([found.version, found.sha256], [version, sha256Hex(found.body)]);
      return decoder.decode(found.body);
    });
    equal(texts, ["one\n", "one\ntwo\n", "three\n", "three\nfour\n", "five\n"]);
  }));

Deno.test("Reader.log() pages events newest first", () =>
  withPiece((reader) => {
    equal(reader.log(PIECE, Number.MAX_SAFE_INTEGER, 2)?.map(({ id }) => id), [6, 5]);
    equal(reader.log(PIECE, 5, 10)?.map(({ id, type }) => [id, type]), [
      [4, "stage_appended"],
      [3, "stage_written"],
      [2, "stage_appended"],
      [1, "stage_written"],
    ]);
    equal(reader.log(PIECE, 1, 10), []);
  }));

Deno.test("Reader.audit() vouches for a whole world, however long its chain", () =>
  withTempData(async (data) => {
    const writer = testWriter(data);
    writer.apply(Array.from({ length: 1201 }, (_, i) => appendJob("home/long", `${i}\n`)));
    writer.close();
    const verdict = await new Reader(museumSetup(data)).audit("home/long");
    equal([verdict?.ok, verdict?.events, verdict?.version], [true, 1201, 1201]);
    equal(verdict?.body.sha256, verdict?.body.expected);
  }));

Deno.test("Reader sees what a writer has committed and not yet folded into the file", () =>
  withTempData(async (data) => {
    const writer = testWriter(data);
    const reader = new Reader(museumSetup(data));
    writer.apply([putJob("home/x", "1")]);
    for (let version = 2; version < 20; version++) {
      writer.apply([putJob("home/x", `${version}`)]);
      equal(reader.read("home/x")?.version, version);
    }
    equal((await reader.audit("home/x"))?.ok, true);
    writer.close();
  }));

Deno.test("Reader.audit() looks at one state of a world while a writer goes on", () =>
  withTempData(async (data) => {
    const writer = testWriter(data);
    writer.apply(Array.from({ length: 1500 }, () => appendJob("home/x", "x")));
    const verdict = new Reader(museumSetup(data)).audit("home/x");
    writer.apply([putJob("home/x", "later")]);
    const { ok: whole, version } = await verdict ?? {};
    equal([whole, version], [true, 1500]);
    writer.close();
  }));

Deno.test("Reader leaves nothing beside a file nobody has open, and folds in what a crash left", () =>
  withPiece((reader, data) => {
    const folder = `${data}/home%2Fmuseum`;
    reader.read(PIECE);
    equal(namesIn(folder), ["universe.db"]);
    const db = new DatabaseSync(`${data}/${PIECE_FILE}`);
    db.exec("PRAGMA user_version = 0; UPDATE stage_meta SET version = version");
    for (const end of ["", "-wal"]) {
      Deno.copyFileSync(`${folder}/universe.db${end}`, `${data}/universe.db${end}`);
    }
    db.close();
    for (const end of ["", "-wal"]) {
      Deno.copyFileSync(`${data}/universe.db${end}`, `${folder}/universe.db${end}`);
    }
    equal(reader.read(PIECE)?.version, 5);
    equal(namesIn(folder), ["universe.db"]);
  }));

Deno.test("Reader.stat() vouches for a file that is at rest, and for none that is open", () =>
  withTempData((data) => {
    const writer = testWriter(data);
    const reader = new Reader(museumSetup(data));
    writer.apply([putJob("home/x", "1")]);
    writer.apply([putJob("home/x", "22")]);
    const open = reader.stat("home/x");
    equal([open?.version, open?.len, open?.mtime, open?.size], [2, 2, 0, 0]);
    writer.close();
    const still = reader.stat("home/x");
    const { mtime, size } = Deno.statSync(`${data}/home%2Fx/universe.db`);
    equal([still?.version, still?.mtime, still?.size], [2, mtime?.getTime(), size]);
  }));

Deno.test("Reader sees nothing of a world that is on its way to the trash", () =>
  withTempData(async (data) => {
    const writer = testWriter(data);
    writer.apply([putJob("home/x", "1")]);
    Deno.removeSync(`${data}/.trash`);
    Deno.writeTextFileSync(`${data}/.trash`, "");
    writer.apply([removeJob("home/x")]);
    writer.close();
    const reader = new Reader(museumSetup(data));
    equal([reader.read("home/x"), reader.stat("home/x"), reader.log("home/x", 9, 9)], [
      undefined,
      undefined,
      undefined,
    ]);
    equal(await reader.audit("home/x"), undefined);
    throws(() => reader.readAt("home/x", 1), { code: "absent" });
    Deno.removeSync(`${data}/.trash`);
  }));

for (const [name, { inflict, read }] of Object.entries(FILE_DAMAGE)) {
  Deno.test(`Reader.read() meets a file with its ${name}: ${read}`, () =>
    withPiece((reader, data) => {
      inflict(`${data}/${PIECE_FILE}`);
      if (read === "whole") equal(reader.read(PIECE)?.version, 5);
      else throws(() => reader.read(PIECE));
    }));
}

Deno.test("Reader.audit() throws where the events cannot be read, and does not call that whole", () =>
  withPiece(async (reader, data) => {
    FILE_DAMAGE.events_overwritten?.inflict(`${data}/${PIECE_FILE}`);
    await rejects(reader.audit(PIECE));
    throws(() => reader.log(PIECE, 10, 10));
  }));

Deno.test("Reader.log() shows a payload that is no JSON as the text it is", () =>
  withPiece((reader, data) => {
    const db = new DatabaseSync(`${data}/${PIECE_FILE}`);
    db.exec("UPDATE events SET payload = 'nothing' WHERE id = 6");
    db.close();
    equal(reader.log(PIECE, 10, 1)?.[0]?.payload, "nothing");
  }));

Deno.test("Reader is not in the way of a foreign hand that writes to the file, nor that hand in its", () =>
  withPiece((reader, data) => {
    const db = new DatabaseSync(`${data}/${PIECE_FILE}`);
    db.exec("BEGIN IMMEDIATE; UPDATE stage_meta SET version = 9");
    equal(reader.read(PIECE)?.version, 5);
    db.exec("ROLLBACK");
    db.close();
  }));
