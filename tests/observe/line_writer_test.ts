import { assert, assertEquals } from "../support/assert.ts";
import { LOG_CLOSE_TIMEOUT_MS } from "../../lib/limits.ts";
import { LineWriter } from "../../lib/observe/line_writer.ts";

/** A slow output that a test can read. */
class Place {
  readonly batches: string[] = [];
  readonly failures: unknown[] = [];
  /** Permits one write at a time; by default all are permitted. */
  gate: Promise<void> = Promise.resolve();
  /** Maximum bytes per write. */
  most = Infinity;

  writer(limit?: number): LineWriter {
    return new LineWriter({
      write: async (bytes) => {
        await this.gate;
        const taken = bytes.subarray(0, Math.min(this.most, bytes.length));
        this.batches.push(new TextDecoder().decode(taken));
        return taken.length;
      },
      formatDropped: (count) => `${count} dropped\n`,
      onError: (error) => void this.failures.push(error),
      delayMs: 1,
      ...(limit === undefined ? {} : { limit }),
    });
  }

  get text(): string {
    return this.batches.join("");
  }
}

Deno.test("LineWriter writes many lines at once, in order", async () => {
  const place = new Place();
  const writer = place.writer();
  for (let i = 0; i < 1000; i++) writer.write(`${i}\n`);
  assertEquals(place.batches, []);
  await writer.close();
  assertEquals(place.batches.length, 1);
  assertEquals(place.text.split("\n").slice(0, -1), Array.from({ length: 1000 }, (_, i) => `${i}`));
});

Deno.test("LineWriter continues after a partial write", async () => {
  const place = new Place();
  place.most = 3;
  const writer = place.writer();
  writer.write("one line\n");
  writer.write("another\n");
  await writer.close();
  assertEquals(place.text, "one line\nanother\n");
});

Deno.test("LineWriter drops and counts lines beyond its limit", async () => {
  const place = new Place();
  const { promise, resolve } = Promise.withResolvers<void>();
  place.gate = promise;
  const writer = place.writer(10);
  for (let i = 0; i < 100; i++) writer.write("four\n");
  resolve();
  await writer.close();
  assertEquals(place.text, "four\nfour\n98 dropped\n");
});

Deno.test("LineWriter accepts lines during a write and writes them next", async () => {
  const place = new Place();
  const writer = place.writer();
  writer.write("first\n");
  const closing = writer.close();
  writer.write("second\n");
  await closing;
  assertEquals(place.batches, ["first\n", "second\n"]);
});

Deno.test("LineWriter reports the first of several failures, counts their lines, and continues", async () => {
  const failures: unknown[] = [];
  const batches: string[] = [];
  let isFull = true;
  const writer = new LineWriter({
    write: (bytes) => {
      if (isFull) return Promise.reject(new Deno.errors.BrokenPipe("gone"));
      batches.push(new TextDecoder().decode(bytes));
      return Promise.resolve(bytes.length);
    },
    formatDropped: (count) => `${count} dropped\n`,
    onError: (error) => void failures.push(error),
    delayMs: 0,
  });
  const turn = () => new Promise((resolve) => setTimeout(resolve, 1));
  writer.write("lost\n");
  while (failures.length === 0) await turn();
  writer.write("lost too\n");
  while (writer.dropped < 2) await turn();
  assertEquals(failures.length, 1);
  assert(failures[0] instanceof Deno.errors.BrokenPipe);
  isFull = false;
  writer.write("written\n");
  await writer.close();
  assertEquals([batches, writer.dropped], [["written\n2 dropped\n"], 2]);
});

Deno.test("LineWriter.close() does not wait for an output that has been stuck for longer than the limit", async () => {
  const started = Promise.withResolvers<void>();
  const writer = new LineWriter({
    write: () => {
      started.resolve();
      return new Promise(() => {});
    },
    formatDropped: () => "",
    onError: () => assert(false, "no write fails"),
    delayMs: 0,
  });
  writer.write("never taken\n");
  await started.promise;
  await writer.close();
  let hasTimerEnded = false;
  // Timers end in the order of their times, also on a slow computer.
  const timer = setTimeout(() => hasTimerEnded = true, LOG_CLOSE_TIMEOUT_MS / 2);
  await writer.close();
  assert(!hasTimerEnded, "it waited again");
  clearTimeout(timer);
});

Deno.test("LineWriter.close() returns after LOG_CLOSE_TIMEOUT_MS if the output never accepts a line", async () => {
  let written = 0;
  const errors: unknown[] = [];
  const writer = new LineWriter({
    write: () => {
      written += 1;
      return new Promise(() => {});
    },
    formatDropped: () => "",
    onError: (error) => void errors.push(error),
  });
  writer.write("never taken\n");
  await writer.close();
  assertEquals([written, errors], [1, []]);
});
