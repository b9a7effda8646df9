import { assertEquals, assertRejects } from "../../support/assert.ts";
import { LongJobs } from "../../../lib/world/store/long_jobs.ts";
import { SnapshotFiles } from "../../../lib/world/store/snapshot_files.ts";
import { withTempFolder } from "../../support/temp_folder.ts";

type CopyFile = ConstructorParameters<typeof SnapshotFiles>[1]["copy"];

const STALL_MS = 60_000;

function withFiles(
  most: number,
  make: CopyFile,
  use: (files: SnapshotFiles, incoming: () => string[]) => Promise<void>,
  stallMs = STALL_MS,
  jobs = new LongJobs({ running: 8, waiting: 8, waitingPerClient: 8 }),
): Promise<void> {
  return withTempFolder(async (data) => {
    Deno.mkdirSync(`${data}/.incoming`);
    await use(
      new SnapshotFiles(
        data,
        { copy: make },
        jobs,
        { files: most, filesPerClient: 2, stallMs },
      ),
      () => [...Deno.readDirSync(`${data}/.incoming`)].map(({ name }) => name),
    );
  });
}

/** Creates a copy of 200 000 bytes, each with the number of the copy. */
const makeFile: CopyFile = async ({ path }) => {
  await Deno.writeFile(path, new Uint8Array(200_000).fill(path.length));
  return { version: 1, named: [], path, length: 200_000 };
};

Deno.test("SnapshotFiles.create() returns the stream of an unlinked file", () =>
  withFiles(2, makeFile, async (files, incoming) => {
    const taken = await files.create("home/x");
    assertEquals([incoming(), files.counts.open, taken?.length], [[], 1, 200_000]);
    assertEquals((await new Response(taken?.body ?? null).bytes()).length, 200_000);
    assertEquals(files.counts.open, 0);
  }));

Deno.test("SnapshotFiles.create() throws busy at the limit, until a stream ends or is cancelled", () =>
  withFiles(2, makeFile, async (files) => {
    const taken = await Promise.all([files.create("home/a"), files.create("home/b")]);
    await assertRejects(files.create("home/c"), { code: "busy" });
    const [first] = taken;
    if (first?.body instanceof ReadableStream) await first.body.cancel();
    assertEquals(files.counts.open, 1);
    await files.create("home/c");
    assertEquals(files.counts.open, 2);
  }));

Deno.test("SnapshotFiles.create() keeps its limit for simultaneous calls", () =>
  withFiles(2, makeFile, async (files, incoming) => {
    const names = ["home/a", "home/b", "home/c", "home/d"];
    const outcomes = await Promise.allSettled(names.map((name) => files.create(name)));
    assertEquals(outcomes.filter(({ status }) => status === "fulfilled").length, 2);
    assertEquals([files.counts.open, incoming()], [2, []]);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") assertEquals(outcome.reason.code, "busy");
      else await new Response(outcome.value?.body ?? null).bytes();
    }
    assertEquals(files.counts.open, 0);
  }));

Deno.test("SnapshotFiles.create() does not count short, failed and missing copies", async () => {
  const make: CopyFile = ({ name }) => {
    if (name === "home/bad") return Promise.reject(new Error("no"));
    if (name === "home/none") return Promise.resolve(undefined);
    return Promise.resolve({ version: 1, named: [], bytes: new Uint8Array(3) });
  };
  await withFiles(1, make, async (files) => {
    const names = ["home/a", "home/bad", "home/b", "home/none", "home/c"];
    const outcomes = await Promise.allSettled(names.map((name) => files.create(name)));
    assertEquals(outcomes.map(({ status }) => status === "rejected"), [
      false,
      true,
      false,
      false,
      false,
    ]);
    assertEquals(files.counts.open, 0);
  });
});

Deno.test("SnapshotFiles.create() limits the long copies of one client", () =>
  withFiles(3, makeFile, async (files) => {
    const caller = { client: "ada" };
    const taken = await Promise.all(
      ["home/a", "home/b"].map((name) => files.create(name, undefined, caller)),
    );
    await assertRejects(files.create("home/c", undefined, caller), { code: "busy" });
    const other = await files.create("home/c", undefined, { client: "bob" });
    for (const copy of [...taken, other]) await new Response(copy?.body ?? null).bytes();
    assertEquals(files.counts.open, 0);
  }));

Deno.test("SnapshotFiles.create() makes one copy for callers at the same time, each with its own stream", async () => {
  const jobs = new LongJobs({ running: 8, waiting: 8, waitingPerClient: 8 });
  let made = 0;
  const make: CopyFile = async (job, signal) => {
    made += 1;
    while (jobs.counts.shared < 2) await new Promise((resume) => setTimeout(resume));
    return await makeFile(job, signal);
  };
  await withFiles(
    4,
    make,
    async (files, incoming) => {
      const taken = await Promise.all([1, 2, 3].map(() => files.create("home/a")));
      const bodies = await Promise.all(
        taken.map((copy) => new Response(copy?.body ?? null).bytes()),
      );
      assertEquals(bodies.map(({ length }) => length), [200_000, 200_000, 200_000]);
      assertEquals([made, files.counts.open, incoming()], [1, 0, []]);
    },
    STALL_MS,
    jobs,
  );
});

Deno.test("SnapshotFiles.create() removes the file of a copy whose caller has left", () => {
  const caller = new AbortController();
  const make: CopyFile = async (job, signal) => {
    const copy = await makeFile(job, signal);
    caller.abort();
    return copy;
  };
  return withFiles(2, make, async (files, incoming) => {
    const { signal } = caller;
    await assertRejects(files.create("home/a", undefined, { signal }), { name: "AbortError" });
    const next = await files.create("home/b");
    await new Response(next?.body ?? null).bytes();
    assertEquals([files.counts.open, incoming()], [0, []]);
  });
});

Deno.test("SnapshotFiles.create() ends a stream that its receiver does not read", () =>
  withFiles(1, makeFile, async (files) => {
    const taken = await files.create("home/a");
    if (!(taken?.body instanceof ReadableStream)) throw new Error("a stream is needed");
    const reader = taken.body.getReader();
    await assertRejects(reader.closed, { message: "the receiver of the copy does not read it" });
    assertEquals([files.counts.open, files.counts.stalled], [0, 1]);
  }, 1));
