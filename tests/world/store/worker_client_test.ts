import { assertEquals, assertMatch, assertRejects } from "../../support/assert.ts";
import type { WorkerSetup } from "../../../lib/world/store/worker_messages.ts";
import { WorkerClient, type WorkerEvents } from "../../../lib/world/store/worker_client.ts";
import { sampleSetup } from "../../testdata/sample_world.ts";

const setup: WorkerSetup = { ...sampleSetup("/nowhere"), role: "reader" };

/** Returns a Worker with these lines; `jobs` is the batch, `say` sends replies. */
function program(lines: string): string {
  return `data:application/javascript,${
    encodeURIComponent(`
      let ready = false;
      const say = (replies, done = true, closedFiles = []) =>
        postMessage({ replies, closedFiles, done });
      onmessage = ({ data: jobs }) => {
        if (!ready) { ready = true; return; }
        ${lines}
      };`)
  }`;
}

/** Runs a test with a client of a Worker. */
async function withClient(
  url: string,
  use: (client: WorkerClient, exits: string[]) => Promise<void>,
  events: Partial<WorkerEvents> = {},
): Promise<void> {
  const exits: string[] = [];
  const client = new WorkerClient(url, setup, {
    onFilesClosed: () => {},
    onExit: (reason) => exits.push(reason),
    ...events,
  });
  try {
    await use(client, exits);
  } finally {
    client.terminate();
  }
}

function read(client: WorkerClient, name: string): Promise<unknown> {
  return client.run<"read">({ kind: "read", name });
}

Deno.test("WorkerClient.ask() matches replies to jobs in any order", () =>
  withClient(
    program("say(jobs.map(({ id, name }) => ({ id, value: name })).reverse());"),
    async (client) => {
      const names = ["a", "b", "c"];
      assertEquals(await Promise.all(names.map((name) => read(client, name))), names);
    },
  ));

Deno.test("WorkerClient.ask() sends the jobs of one event loop turn as one batch", () =>
  withClient(
    program("say(jobs.map(({ id }) => ({ id, value: jobs.length })));"),
    async (client) => {
      const replies = [read(client, "a"), read(client, "b"), read(client, "c")];
      assertEquals(await Promise.all(replies), [3, 3, 3]);
      assertEquals(await read(client, "d"), 1);
    },
  ));

Deno.test("WorkerClient.ask() queues jobs while two batches are pending", () =>
  withClient(
    program(`
      self.held = self.held ?? [];
      self.held.push(...jobs.map(({ id, name }) => ({ id, name, batch: jobs.length })));
      if (self.held.length < 2) return;
      for (const { id, batch } of self.held.splice(0)) say([{ id, value: batch }]);`),
    async (client) => {
      const first = read(client, "a");
      await Promise.resolve();
      await Promise.resolve();
      const second = read(client, "b");
      await Promise.resolve();
      await Promise.resolve();
      const rest = ["c", "d", "e"].map((name) => read(client, name));
      assertEquals(await Promise.all([first, second]), [1, 1]);
      assertEquals(await Promise.all(rest), [3, 3, 3]);
    },
  ));

Deno.test("WorkerClient.ask() rejects with the code of the job's error", () =>
  withClient(
    program("say(jobs.map(({ id }) => ({ id, error: { code: 'full', message: 'no space' } })));"),
    async (client) => {
      await assertRejects(read(client, "a"), {
        name: "StoreError",
        code: "full",
        message: "no space",
      });
    },
  ));

Deno.test("WorkerClient starts no Worker before the first job", () =>
  withClient("data:application/javascript,throw new Error('started')", (client, exits) => {
    assertEquals([client.started, exits], [false, []]);
    return Promise.resolve();
  }));

Deno.test("WorkerClient rejects pending and later jobs after its Worker stopped, and reports it", () =>
  withClient(
    program("if (jobs[0].name === 'die') throw new Error('the disk fell off');"),
    async (client, exits) => {
      const replies = [read(client, "waits"), read(client, "waits too")];
      await Promise.resolve();
      await Promise.resolve();
      const last = read(client, "die");
      for (const each of [...replies, last]) {
        await assertRejects(each, {
          name: "StoreError",
          code: "closed",
          message: /the disk fell off/,
        });
      }
      assertEquals(exits.length, 1);
      assertMatch(exits[0] ?? "", /the disk fell off/);
      await assertRejects(read(client, "later"), { code: "closed" });
    },
  ));

Deno.test("WorkerClient reports an error of its Worker outside a job", () =>
  withClient(
    program("Promise.reject(new Error('nobody caught this'));"),
    async (client, exits) => {
      await assertRejects(read(client, "a"), { code: "closed", message: /nobody caught this/ });
      assertEquals(exits.length, 1);
    },
  ));

Deno.test("WorkerClient reports a Worker that cannot be loaded", () =>
  withClient("data:application/javascript,this is no program", async (client, exits) => {
    await assertRejects(read(client, "a"), { code: "closed" });
    assertEquals(exits.length, 1);
  }));

Deno.test("WorkerClient reports closed files and ignores replies to unknown jobs", async () => {
  const seen: string[] = [];
  await withClient(
    program(`
      say([{ id: 9999, value: 1 }], false, [{ name: "home/a", mtime: 1, size: 2 }]);
      say(jobs.map(({ id }) => ({ id, value: "done" })));`),
    async (client) => assertEquals(await read(client, "a"), "done"),
    { onFilesClosed: (worlds) => seen.push(...worlds.map(({ name }) => name)) },
  );
  assertEquals(seen, ["home/a"]);
});

Deno.test("WorkerClient.close() completes earlier jobs and lets no later job reach the Worker", () =>
  withClient(
    program("say(jobs.map(({ id, kind }) => ({ id, value: kind })));"),
    async (client) => {
      const before = read(client, "a");
      const closing = client.close();
      const after = assertRejects(() => read(client, "b"), { code: "closed" });
      assertEquals(await before, "read");
      await closing;
      await after;
      await assertRejects(() => read(client, "c"), { code: "closed" });
    },
  ));

Deno.test("WorkerClient.close() does not start a Worker that has not started", () =>
  withClient(program(""), async (client) => {
    await client.close();
    await assertRejects(() => read(client, "a"), { code: "closed" });
    assertEquals(client.started, false);
  }));
