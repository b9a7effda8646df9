import { assertEquals, assertRejects } from "../../support/assert.ts";
import { sampleSetup } from "../../testdata/sample_world.ts";
import { LongJobs } from "../../../lib/world/store/long_jobs.ts";
import { WorldFiles } from "../../../lib/world/store/world_files.ts";
import type { WriteJob } from "../../../lib/world/store/worker_messages.ts";
import type { WithoutId } from "../../../lib/world/store/worker_client.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { STORE_WORKER } from "../../support/store_worker.ts";

const LIMITS = { running: 1, waiting: 1, waitingPerClient: 1 };

function withFiles(test: (files: WorldFiles) => Promise<void>): Promise<void> {
  return withTempFolder(async (data) => {
    const files = new WorldFiles(
      {
        url: STORE_WORKER,
        setup: sampleSetup(data),
        writers: 2,
        events: { onFilesClosed: () => {}, onExit: () => {} },
      },
      new LongJobs(LIMITS),
      LIMITS,
    );
    try {
      await test(files);
    } finally {
      await files.close(() => Promise.resolve());
    }
  });
}

function put(name: string, text: string): WithoutId<WriteJob> {
  const body = new TextEncoder().encode(text);
  return { kind: "put", name, by: "T2", body, ext: "txt", meta: [], state: "", eventFields: {} };
}

Deno.test("WorldFiles.submit() applies the results of one name in the order of the changes", () =>
  withFiles(async (files) => {
    const versions: number[] = [];
    await Promise.all(
      ["a", "b", "c"].map((text) =>
        files.submit(put("home/x", text), ({ version }) => void versions.push(version))
      ),
    );
    assertEquals(versions, [1, 2, 3]);
    assertEquals((await files.read("home/x"))?.version, 3);
    assertEquals((await files.readAt("home/x", 1, {})).version, 1);
  }));

Deno.test("WorldFiles.rename() holds reads and changes of both names until its result is applied", () =>
  withFiles(async (files) => {
    const log: string[] = [];
    await files.submit(put("home/a", "one"), () => {});
    const change = { name: "home/a", to: "home/b", by: "T3", ext: "txt" };
    const renaming = files.rename(change, undefined, () => true, () => void log.push("renamed"));
    const reading = files.read("home/a").then((found) => log.push(`read ${found?.version}`));
    const writing = files.submit(
      put("home/b", "two"),
      ({ version }) => void log.push(`written ${version}`),
    );
    await Promise.all([renaming, reading, writing]);
    assertEquals(log[0], "renamed");
    assertEquals(log.slice(1).sort(), ["read undefined", "written 3"]);
  }));

Deno.test("WorldFiles.rename() changes nothing if the new name is taken", () =>
  withFiles(async (files) => {
    await files.submit(put("home/a", "one"), () => {});
    const change = { name: "home/a", to: "home/b", by: "T3", ext: "txt" };
    await assertRejects(files.rename(change, undefined, () => false, () => {}), {
      code: "precondition",
    });
    assertEquals(files.renaming("home/a"), undefined);
    assertEquals((await files.read("home/a"))?.version, 1);
  }));

Deno.test("WorldFiles.remove() waits for running reads, and later reads return undefined", () =>
  withFiles(async (files) => {
    await files.submit(put("home/a", "one"), () => {});
    const before = files.read("home/a");
    const removing = files.remove({ kind: "remove", name: "home/a", by: "T3" }, () => "removed");
    const after = files.read("home/a");
    assertEquals((await before)?.version, 1);
    assertEquals(await removing, "removed");
    assertEquals(await after, undefined);
  }));

Deno.test("WorldFiles.close() completes submitted changes and refuses later ones", () =>
  withFiles(async (files) => {
    const written = files.submit(put("home/a", "one"), ({ version }) => version);
    const closing = files.close(() => Promise.resolve());
    assertEquals(await written, 1);
    await closing;
    await assertRejects(files.submit(put("home/a", "two"), () => {}), { code: "closed" });
    await assertRejects(files.read("home/a"), { code: "closed" });
  }));
