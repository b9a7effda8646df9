import { assert, assertEquals } from "../../support/assert.ts";
import { DatabaseSync } from "node:sqlite";
import { createChainSigner } from "../../../lib/world/event_chain.ts";
import type { HistoryLimits } from "../../../lib/world/change/history_rules.ts";
import type { WriteJob } from "../../../lib/world/store/worker_messages.ts";
import { Reader } from "../../../lib/world/worker/reader.ts";
import { StoreError } from "../../../lib/world/store.ts";
import { verifyWorld } from "../../../lib/world/file/verify_world.ts";
import { SAMPLE_KEY, sampleSetup } from "../../testdata/sample_world.ts";
import {
  appendJob,
  noteJob,
  putJob,
  testWriter,
  transitionJob,
} from "../../testdata/test_writer.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

const NAME = "home/h";
const FILE = "home%2Fh/universe.db";
const LARGE_LIMITS = { versions: 100, bytes: 1024 * 1024 };
const decoder = new TextDecoder();

/** Applies jobs, one transaction each, with these limits, and verifies the world. */
function apply(data: string, history: HistoryLimits, jobs: readonly WriteJob[]): void {
  const writer = testWriter(data, { history });
  for (const job of jobs) {
    for (const reply of writer.apply([job])) {
      if ("error" in reply) throw new Error(reply.error.message);
    }
  }
  writer.close();
  const db = new DatabaseSync(`${data}/${FILE}`);
  assertEquals(verifyWorld(db, NAME, createChainSigner(SAMPLE_KEY)).faults, []);
  db.close();
}

/** Reads all versions from 1 on; `gone` for those that are no longer kept. */
function versions(data: string, history = LARGE_LIMITS): string[] {
  const reader = new Reader({ ...sampleSetup(data), history });
  const newest = reader.read(NAME)?.version ?? 0;
  return Array.from({ length: newest }, (_, i) => {
    try {
      return decoder.decode(reader.readAt(NAME, i + 1).body);
    } catch (error) {
      return error instanceof StoreError ? error.code : String(error);
    }
  });
}

function counts(data: string): { versions: number; contents: number; bytes: number } {
  const db = new DatabaseSync(`${data}/${FILE}`);
  const found = db.prepare(`SELECT (SELECT count(*) FROM history) AS versions,
    (SELECT count(*) FROM content) AS contents,
    (SELECT coalesce(sum(length(bytes)), 0) FROM content) AS bytes`).get();
  db.close();
  return {
    versions: Number(found?.versions),
    contents: Number(found?.contents),
    bytes: Number(found?.bytes),
  };
}

const puts = (texts: readonly string[]) => texts.map((text) => putJob(NAME, text));

Deno.test("HistoryTable keeps all versions within its limits with their fields", () =>
  withTempFolder((data) => {
    apply(data, LARGE_LIMITS, [
      putJob(NAME, "one", { ext: "md", meta: [["x-meta-a", "1"]] }),
      putJob(NAME, "two", { ext: "html" }),
      putJob(NAME, "three"),
    ]);
    assertEquals(versions(data), ["one", "two", "three"]);
    const first = new Reader(sampleSetup(data)).readAt(NAME, 1);
    assertEquals([first.version, first.ext, first.headers], [1, "md", '[["x-meta-a","1"]]']);
  }));

Deno.test("HistoryTable creates no table for a world that never changed", () =>
  withTempFolder((data) => {
    apply(data, LARGE_LIMITS, [putJob(NAME, "one"), noteJob(NAME), transitionJob(NAME, "active")]);
    const db = new DatabaseSync(`${data}/${FILE}`);
    assertEquals(
      db.prepare("SELECT name FROM sqlite_schema WHERE name = 'history'").get(),
      undefined,
    );
    db.close();
  }));

Deno.test("HistoryTable keeps the version before an append as a row without bytes", () =>
  withTempFolder((data) => {
    apply(data, LARGE_LIMITS, [
      putJob(NAME, "a"),
      ...["b", "c", "d"].map((text) => appendJob(NAME, text)),
    ]);
    assertEquals(counts(data), { versions: 3, contents: 0, bytes: 0 });
    assertEquals(versions(data), ["a", "ab", "abc", "abcd"]);
  }));

Deno.test("HistoryTable restores versions of appends before, between and after replacements", () =>
  withTempFolder((data) => {
    apply(data, LARGE_LIMITS, [
      putJob(NAME, "a"),
      appendJob(NAME, "b"),
      putJob(NAME, "x"),
      putJob(NAME, "y"),
      appendJob(NAME, ""),
      appendJob(NAME, "z"),
      putJob(NAME, ""),
      appendJob(NAME, "end"),
    ]);
    assertEquals(versions(data), ["a", "ab", "x", "y", "y", "yz", "", "end"]);
  }));

Deno.test("HistoryTable keeps equal bytes once, until no version has them", () =>
  withTempFolder((data) => {
    apply(data, LARGE_LIMITS, puts(["same", "other", "same", "other", "same", "now"]));
    assertEquals(counts(data), { versions: 5, contents: 2, bytes: 9 });
    apply(data, { versions: 2, bytes: 1024 }, puts(["later"]));
    assertEquals(versions(data), ["gone", "gone", "gone", "gone", "same", "now", "later"]);
    assertEquals(counts(data), { versions: 2, contents: 2, bytes: 7 });
  }));

Deno.test("HistoryTable drops the oldest version beyond the limit of versions", () =>
  withTempFolder((data) => {
    apply(data, { versions: 3, bytes: 1024 }, puts(["1", "2", "3", "4"]));
    assertEquals(versions(data), ["1", "2", "3", "4"]);
    apply(data, { versions: 3, bytes: 1024 }, puts(["5"]));
    assertEquals(versions(data), ["gone", "2", "3", "4", "5"]);
  }));

Deno.test("HistoryTable drops the oldest version beyond the limit of bytes", () =>
  withTempFolder((data) => {
    apply(data, { versions: 100, bytes: 10 }, puts(["aaaaa", "bbbbb", "c"]));
    assertEquals(versions(data), ["aaaaa", "bbbbb", "c"]);
    apply(data, { versions: 100, bytes: 10 }, puts(["d"]));
    assertEquals(versions(data), ["gone", "bbbbb", "c", "d"]);
    assert(counts(data).bytes <= 10);
  }));

Deno.test("HistoryTable drops all versions up to one that exceeds the limit of bytes", () =>
  withTempFolder((data) => {
    apply(data, { versions: 100, bytes: 10 }, [
      putJob(NAME, "a"),
      putJob(NAME, "b"),
      appendJob(NAME, "x".repeat(20)),
      putJob(NAME, "c"),
      putJob(NAME, "d"),
    ]);
    // Version 2 is a prefix of version 3, whose bytes are not kept.
    assertEquals(versions(data), ["gone", "gone", "gone", "c", "d"]);
  }));

Deno.test("HistoryTable keeps a version of exactly the limit of bytes", () =>
  withTempFolder((data) => {
    apply(data, { versions: 100, bytes: 10 }, puts(["a".repeat(10), "b"]));
    assertEquals(versions(data), ["a".repeat(10), "b"]);
  }));

Deno.test("HistoryTable keeps one version if the limit is 1", () =>
  withTempFolder((data) => {
    apply(data, { versions: 1, bytes: 1024 }, [
      putJob(NAME, "a"),
      appendJob(NAME, "b"),
      putJob(NAME, "c"),
      putJob(NAME, "d"),
    ]);
    assertEquals(versions(data), ["gone", "gone", "c", "d"]);
  }));

Deno.test("HistoryTable drops all versions if the limit is 0, and starts again if it is raised", () =>
  withTempFolder((data) => {
    apply(data, LARGE_LIMITS, [putJob(NAME, "a"), appendJob(NAME, "b"), putJob(NAME, "c")]);
    apply(data, { versions: 0, bytes: 1024 }, [appendJob(NAME, "d"), putJob(NAME, "e")]);
    assertEquals(versions(data), ["gone", "gone", "gone", "gone", "e"]);
    assertEquals(counts(data), { versions: 0, contents: 0, bytes: 0 });
    apply(data, LARGE_LIMITS, [appendJob(NAME, "f"), putJob(NAME, "g")]);
    assertEquals(versions(data), ["gone", "gone", "gone", "gone", "e", "ef", "g"]);
  }));

Deno.test("HistoryTable keeps its versions if nothing changed while the limit was 0", () =>
  withTempFolder((data) => {
    apply(data, LARGE_LIMITS, puts(["a", "b"]));
    apply(data, { versions: 0, bytes: 1024 }, [noteJob(NAME), transitionJob(NAME, "active")]);
    apply(data, LARGE_LIMITS, puts(["c"]));
    assertEquals(versions(data), ["a", "b", "c"]);
  }));

Deno.test("HistoryTable drops versions beyond a reduced limit", () =>
  withTempFolder((data) => {
    apply(data, LARGE_LIMITS, puts(["1", "2", "3", "4", "5"]));
    apply(data, { versions: 2, bytes: 1024 }, puts(["6"]));
    assertEquals(versions(data), ["gone", "gone", "gone", "4", "5", "6"]);
  }));

Deno.test("HistoryTable counts again after a rollback", () =>
  withTempFolder((data) => {
    const writer = testWriter(data, { history: { versions: 2, bytes: 1024 }, maxWorldBytes: 8 });
    const refused: (string | undefined)[] = [];
    for (const jobs of [puts(["1", "2"]), [putJob(NAME, "3"), broken()], puts(["4", "5"])]) {
      for (const reply of writer.apply(jobs)) {
        refused.push("error" in reply ? reply.error.code : undefined);
      }
    }
    writer.close();
    assertEquals(refused, [undefined, undefined, "damaged", "damaged", undefined, undefined]);
    assertEquals(versions(data), ["gone", "2", "4", "5"]);
    assertEquals(counts(data).versions, 2);
  }));

Deno.test("HistoryTable keeps the bytes of a row that was edited to text", () =>
  withTempFolder((data) => {
    apply(data, LARGE_LIMITS, puts(["a"]));
    const db = new DatabaseSync(`${data}/${FILE}`);
    db.exec("UPDATE stage_meta SET stage_html = 'fünf'");
    db.close();
    const writer = testWriter(data);
    writer.apply([appendJob(NAME, "!"), putJob(NAME, "b")]);
    writer.close();
    assertEquals(versions(data), ["fünf", "fünf!", "b"]);
  }));

Deno.test("HistoryTable drops several versions together, while reads end at the limit", () =>
  withTempFolder((data) => {
    const history = { versions: 16, bytes: 1024 };
    for (let round = 0; round < 6; round++) {
      const jobs = Array.from(
        { length: 7 },
        (_, i) => i % 3 === 0 ? putJob(NAME, `${round}.${i};`) : appendJob(NAME, `${i};`),
      );
      apply(data, history, jobs);
      const newest = (round + 1) * 7;
      const found = versions(data, history).map((text) => text !== "gone");
      assertEquals(found, Array.from({ length: newest }, (_, i) => i + 1 >= newest - 16));
      assert(counts(data).versions <= 18);
    }
  }));

/** Creates a job that fails inside its transaction, as with a failing disk. */
function broken(): WriteJob {
  return putJob(NAME, "never", { eventFields: { impossible: 1n } });
}

Deno.test("Reader.readAt() throws gone for a dropped version and absent for one that never existed", () =>
  withTempFolder((data) => {
    apply(data, { versions: 1, bytes: 1024 }, puts(["1", "2", "3"]));
    const reader = new Reader(sampleSetup(data));
    const codes = [1, 4, 0, -1].map((version) => {
      try {
        return decoder.decode(reader.readAt(NAME, version).body);
      } catch (error) {
        return error instanceof StoreError ? error.code : String(error);
      }
    });
    assertEquals(codes, ["gone", "absent", "absent", "absent"]);
  }));
