import { assertEquals } from "../../support/assert.ts";
import type { WriteResult } from "../../../lib/world/change/write_job.ts";
import { renameWorld } from "../../../lib/world/store/rename.ts";
import { outcomeOf, putJob, testWriter, versionsOf } from "../../testdata/test_writer.ts";
import { Reader } from "../../../lib/world/worker/reader.ts";
import { sampleSetup } from "../../testdata/sample_world.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

type Workers = Parameters<typeof renameWorld>[0];

const RENAME = { name: "home/a", to: "home/b", by: "T3", ext: "txt" } as const;

function result(version: number): WriteResult {
  const more = {
    ext: "txt",
    sha256: "",
    state: "",
    updatedAt: "",
    len: 0,
    created: false,
    events: [],
  };
  return { version, ...more };
}

Deno.test("renameWorld() sends release to the old writer and adopt to the new one", async () => {
  const log: string[] = [];
  const writer = {
    run(job: { readonly kind: string; readonly name: string }): Promise<WriteResult> {
      log.push(`${job.kind} ${job.name}`);
      return Promise.resolve(result(log.length));
    },
  };
  // Only `run` is called on a writer.
  const workers = { writerFor: () => writer } as unknown as Workers;
  const { source, target } = await renameWorld(workers, undefined, RENAME);
  assertEquals(log, ["release home/a", "adopt home/b"]);
  assertEquals([source.version, target.version], [1, 2]);
});

Deno.test("Writer.apply() releases and adopts a world, and refuses an existing name", () =>
  withTempFolder((data) => {
    const writer = testWriter(data);
    const other = testWriter(data, { shard: 1 });
    const first = [putJob("home/a", "a"), putJob("home/a", "aa")];
    assertEquals(versionsOf(writer.apply(first), first), [1, 2]);
    assertEquals(versionsOf(other.apply([putJob("home/c", "c")]), []), []);
    const release = { id: 901, kind: "release" as const, name: "home/a", by: "T3" };
    const adopt = {
      id: 902,
      kind: "adopt" as const,
      from: "home/a",
      source: { version: 2, updatedAt: "2026-01-01T00:00:00.001Z" },
      by: "T3",
      ext: "md",
      replace: false,
      contentOnly: false,
      state: "",
    };
    assertEquals(versionsOf(writer.apply([release]), [release]), [2]);
    const onto = { ...adopt, name: "home/c" };
    assertEquals(outcomeOf(other.apply([onto]), onto), "precondition");
    const to = { ...adopt, name: "home/b" };
    const reader = new Reader(sampleSetup(data));
    assertEquals(reader.read("home/a")?.version, 2);
    assertEquals(versionsOf(other.apply([to]), [to]), [3]);
    assertEquals([reader.read("home/a"), reader.read("home/b")?.ext], [undefined, "md"]);
    assertEquals(outcomeOf(writer.apply([release]), release), "absent");
    writer.close();
    other.close();
  }));

Deno.test("an audit refuses a folder that was renamed without its event, and shows no other name", () =>
  withTempFolder(async (data) => {
    const writer = testWriter(data);
    writer.apply([putJob("home/a", "a")]);
    writer.close();
    Deno.renameSync(`${data}/home%2Fa`, `${data}/home%2Fb`);
    const verdict = await new Reader(sampleSetup(data)).audit("home/b");
    assertEquals([verdict?.ok, verdict?.named, verdict?.body.ok, verdict?.version], [
      false,
      true,
      true,
      1,
    ]);
    assertEquals(JSON.stringify(verdict).includes("home/a"), false);
    Deno.renameSync(`${data}/home%2Fb`, `${data}/home%2Fa`);
    assertEquals((await new Reader(sampleSetup(data)).audit("home/a"))?.ok, true);
  }));
