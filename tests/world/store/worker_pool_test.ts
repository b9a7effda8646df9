import { assertEquals, assertRejects } from "../../support/assert.ts";
import { WorkerPool } from "../../../lib/world/store/worker_pool.ts";
import { sampleSetup } from "../../testdata/sample_world.ts";
import { putJob } from "../../testdata/test_writer.ts";
import { withTempFolder } from "../../support/temp_folder.ts";
import { STORE_WORKER } from "../../support/store_worker.ts";

function workers(data: string, writers: number, startAtOnce = false): WorkerPool {
  const { role: _role, shard: _shard, ...setup } = sampleSetup(data);
  const events = { onFilesClosed: () => {}, onExit: () => {} };
  return new WorkerPool({ url: STORE_WORKER, setup, writers, events, startAtOnce });
}

Deno.test("WorkerPool.writerFor() returns the same writer for a name and distributes names", () => {
  const threads = workers("/nowhere", 4);
  const used = new Set<unknown>();
  for (let i = 0; i < 100; i++) {
    const writer = threads.writerFor(`home/w${i}`);
    assertEquals(threads.writerFor(`home/w${i}`), writer);
    used.add(writer);
  }
  assertEquals(used.size, 4);
});

Deno.test("WorkerPool.close() completes earlier jobs and refuses later ones", () =>
  withTempFolder(async (data) => {
    for (const folder of [".incoming", ".trash"]) Deno.mkdirSync(`${data}/${folder}`);
    const threads = workers(data, 2);
    const { id: _id, ...job } = putJob("home/x", "1");
    const written = threads.writerFor("home/x").run<"put">(job);
    await threads.closeWriters();
    assertEquals((await written).version, 1);
    const read = threads.reader.run<"read">({ kind: "read", name: "home/x" });
    const ended = threads.close();
    const found = await read;
    assertEquals(found === "long" ? found : found?.version, 1);
    await ended;
    await assertRejects(threads.reader.run<"read">({ kind: "read", name: "home/x" }), {
      code: "closed",
    });
  }));

Deno.test("WorkerPool.close() succeeds if no Worker was started", async () => {
  const threads = workers("/nowhere", 2);
  await threads.closeWriters();
  await threads.close();
  assertEquals(threads.reader.started, false);
});

Deno.test("WorkerPool starts all Workers at once where descriptors are scarce", () =>
  withTempFolder(async (data) => {
    for (const folder of [".incoming", ".trash"]) Deno.mkdirSync(`${data}/${folder}`);
    const threads = workers(data, 2, true);
    const { reader, longReader, index } = threads;
    const all = [reader, longReader, index, threads.writerFor("home/x")];
    assertEquals(all.map(({ started }) => started), [true, true, true, true]);
    await threads.closeWriters();
    await threads.close();
  }));
