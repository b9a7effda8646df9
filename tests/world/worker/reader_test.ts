import { assertEquals, assertRejects, assertThrows } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { sha256Hex } from "../../../lib/base/hash.ts";
import { Reader } from "../../../lib/world/worker/reader.ts";
import {
  createSample,
  SAMPLE_FILE,
  SAMPLE_NAME,
  sampleSetup,
} from "../../testdata/sample_world.ts";
import { FILE_DAMAGE } from "../../testdata/file_damage.ts";
import { appendJob, putJob, removeWithoutMove, testWriter } from "../../testdata/test_writer.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const decoder = new TextDecoder();

function withSample(use: (reader: Reader, data: string) => void | Promise<void>): Promise<void> {
  return withTempFolder((data) => {
    createSample(data);
    return use(new Reader(sampleSetup(data)), data);
  });
}

function namesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

Deno.test("Reader.read() returns all fields of a world and the hash of its bytes", () =>
  withSample((reader) => {
    const found = reader.read(SAMPLE_NAME);
    assertEquals(found, {
      version: 5,
      ext: "txt",
      headers: '[["x-meta-author","sample"]]',
      state: "",
      updatedAt: "2026-01-01T00:00:06.000Z",
      body: new TextEncoder().encode("five\n"),
      sha256: sha256Hex("five\n"),
    });
  }));

Deno.test("Reader returns undefined for a world that does not exist", () =>
  withSample(async (reader) => {
    assertEquals(reader.read("home/none"), undefined);
    assertEquals(reader.stat("home/none"), undefined);
    assertEquals(reader.log("home/none", 10, 10), undefined);
    assertEquals(await reader.audit("home/none"), undefined);
    assertThrows(() => reader.readAt("home/none", 1), { code: "absent" });
  }));

Deno.test("Reader.readAt() returns every version unchanged", () =>
  withSample((reader) => {
    const texts = [1, 2, 3, 4, 5].map((version) => {
      const found = reader.readAt(SAMPLE_NAME, version);
      assertEquals([found.version, found.sha256], [version, sha256Hex(found.body)]);
      return decoder.decode(found.body);
    });
    assertEquals(texts, ["one\n", "one\ntwo\n", "three\n", "three\nfour\n", "five\n"]);
  }));

Deno.test("Reader.log() returns pages of events, newest first", () =>
  withSample((reader) => {
    assertEquals(reader.log(SAMPLE_NAME, Number.MAX_SAFE_INTEGER, 2)?.map(({ id }) => id), [6, 5]);
    assertEquals(reader.log(SAMPLE_NAME, 5, 10)?.map(({ id, type }) => [id, type]), [
      [4, "stage_appended"],
      [3, "stage_written"],
      [2, "stage_appended"],
      [1, "stage_written"],
    ]);
    assertEquals(reader.log(SAMPLE_NAME, 1, 10), []);
  }));

Deno.test("Reader.audit() returns ok for valid worlds with short and long chains", () =>
  withTempFolder(async (data) => {
    const writer = testWriter(data);
    writer.apply(Array.from({ length: 1201 }, (_, i) => appendJob("home/long", `${i}\n`)));
    writer.close();
    const verdict = await new Reader(sampleSetup(data)).audit("home/long");
    assertEquals([verdict?.ok, verdict?.events, verdict?.version], [true, 1201, 1201]);
    assertEquals(verdict?.body.sha256, verdict?.body.expected);
  }));

Deno.test("Reader reads commits that are still in the log", () =>
  withTempFolder(async (data) => {
    const writer = testWriter(data);
    const reader = new Reader(sampleSetup(data));
    writer.apply([putJob("home/x", "1")]);
    for (let version = 2; version < 20; version++) {
      writer.apply([putJob("home/x", `${version}`)]);
      assertEquals(reader.read("home/x")?.version, version);
    }
    assertEquals((await reader.audit("home/x"))?.ok, true);
    writer.close();
  }));

Deno.test("Reader.audit() reads one consistent state during writes", () =>
  withTempFolder(async (data) => {
    const writer = testWriter(data);
    writer.apply(Array.from({ length: 1500 }, () => appendJob("home/x", "x")));
    const verdict = new Reader(sampleSetup(data)).audit("home/x");
    writer.apply([putJob("home/x", "later")]);
    const { ok: whole, version } = await verdict ?? {};
    assertEquals([whole, version], [true, 1500]);
    writer.close();
  }));

Deno.test("Reader leaves no files next to a world and writes the log of a crash into its file", () =>
  withSample((reader, data) => {
    const folder = `${data}/home%2Fsample`;
    reader.read(SAMPLE_NAME);
    assertEquals(namesIn(folder), ["universe.db"]);
    const db = new DatabaseSync(`${data}/${SAMPLE_FILE}`);
    db.exec("PRAGMA user_version = 0; UPDATE stage_meta SET version = version");
    for (const end of ["", "-wal"]) {
      Deno.copyFileSync(`${folder}/universe.db${end}`, `${data}/universe.db${end}`);
    }
    db.close();
    for (const end of ["", "-wal"]) {
      Deno.copyFileSync(`${data}/universe.db${end}`, `${folder}/universe.db${end}`);
    }
    assertEquals(reader.read(SAMPLE_NAME)?.version, 5);
    assertEquals(namesIn(folder), ["universe.db"]);
  }));

Deno.test("Reader.stat() returns a stamp only for a file that is not open", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    const reader = new Reader(sampleSetup(data));
    writer.apply([putJob("home/x", "1")]);
    writer.apply([putJob("home/x", "22")]);
    const open = reader.stat("home/x");
    assertEquals([open?.version, open?.len, open?.mtime, open?.size], [2, 2, 0, 0]);
    writer.close();
    const still = reader.stat("home/x");
    const { mtime, size } = Deno.statSync(`${data}/home%2Fx/universe.db`);
    assertEquals([still?.version, still?.mtime, still?.size], [2, mtime?.getTime(), size]);
  }));

Deno.test("Reader returns undefined for a world that is marked as deleted", () =>
  withTempFolder(async (data) => {
    const writer = testWriter(data);
    writer.apply([putJob("home/x", "1")]);
    writer.close();
    removeWithoutMove(data, "home/x");
    const reader = new Reader(sampleSetup(data));
    assertEquals([reader.read("home/x"), reader.stat("home/x"), reader.log("home/x", 9, 9)], [
      undefined,
      undefined,
      undefined,
    ]);
    assertEquals(await reader.audit("home/x"), undefined);
    assertThrows(() => reader.readAt("home/x", 1), { code: "absent" });
  }));

for (const [name, { inflict, read }] of Object.entries(FILE_DAMAGE)) {
  Deno.test(`Reader.read() finds a file with ${name} ${read}`, () =>
    withSample((reader, data) => {
      inflict(`${data}/${SAMPLE_FILE}`);
      if (read === "whole") assertEquals(reader.read(SAMPLE_NAME)?.version, 5);
      else assertThrows(() => reader.read(SAMPLE_NAME));
    }));
}

Deno.test("Reader.audit() throws if the events cannot be read", () =>
  withSample(async (reader, data) => {
    FILE_DAMAGE.events_overwritten?.inflict(`${data}/${SAMPLE_FILE}`);
    await assertRejects(reader.audit(SAMPLE_NAME));
    assertThrows(() => reader.log(SAMPLE_NAME, 10, 10));
  }));

Deno.test("Reader.log() returns a payload that is not JSON as text", () =>
  withSample((reader, data) => {
    const db = new DatabaseSync(`${data}/${SAMPLE_FILE}`);
    db.exec("UPDATE events SET payload = 'nothing' WHERE id = 6");
    db.close();
    assertEquals(reader.log(SAMPLE_NAME, 10, 1)?.[0]?.payload, "nothing");
  }));

Deno.test("Reader reads a file while another process writes to it", () =>
  withSample((reader, data) => {
    const db = new DatabaseSync(`${data}/${SAMPLE_FILE}`);
    db.exec("BEGIN IMMEDIATE; UPDATE stage_meta SET version = 9");
    assertEquals(reader.read(SAMPLE_NAME)?.version, 5);
    db.exec("ROLLBACK");
    db.close();
  }));

Deno.test("Reader.read() and readAt() return long instead of a result beyond the limit", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    writer.apply([putJob("home/big", "x".repeat(100_000)), putJob("home/big", "y".repeat(1000))]);
    writer.close();
    const reader = new Reader(sampleSetup(data));
    const versionOf = (found: unknown) =>
      typeof found === "object" && found !== null && "version" in found ? found.version : found;
    assertEquals(versionOf(reader.read("home/big", 1000)), 2);
    assertEquals(reader.read("home/big", 999), "long");
    const { size } = Deno.statSync(`${data}/home%2Fbig/universe.db`);
    assertEquals(versionOf(reader.readAt("home/big", 1, size)), 1);
    assertEquals(reader.readAt("home/big", 1, size - 1), "long");
    assertEquals(reader.read("home/none", 1), undefined);
    return Promise.resolve();
  }));
