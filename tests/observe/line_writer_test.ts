import { assert, assertEquals } from "../support/assert.ts";
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

Deno.test("LineWriter calls onError once and writes nothing afterwards", async () => {
  const failures: unknown[] = [];
  const writer = new LineWriter({
    write: () => Promise.reject(new Deno.errors.BrokenPipe("gone")),
    formatDropped: () => "",
    onError: (error) => void failures.push(error),
    delayMs: 1,
  });
  writer.write("lost\n");
  await writer.close();
  writer.write("lost too\n");
  await writer.close();
  assertEquals(failures.length, 1);
  assert(failures[0] instanceof Deno.errors.BrokenPipe);
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
  const start = performance.now();
  await writer.close();
  const elapsed = performance.now() - start;
  assertEquals([written, errors], [1, []]);
  assert(elapsed < 10_000, `it returned after ${elapsed} ms`);
});
