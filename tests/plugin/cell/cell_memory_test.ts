/**
 * Memory of the server while a plugin sends and receives long bodies. It runs after the tests that run in
 * parallel: they share this process, and its resident memory is measured.
 */

import { assert, assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { LAUNCHES, type LaunchName, withCell } from "../cell_fixture.ts";

const MIB = 1 << 20;
/**
 * Largest growth in bytes, a quarter of the body. It does not depend on the length: with 200 and with 800
 * MiB it was 24 to 42 MiB on a busy computer, and once 50 MiB.
 */
const MAX_GROWTH = 100 * MIB;

/** Returns the largest growth of this process's resident memory while `work` runs, in bytes. */
async function growth(work: () => Promise<void>): Promise<number> {
  const before = Deno.memoryUsage().rss;
  let peak = before;
  const watch = setInterval(() => peak = Math.max(peak, Deno.memoryUsage().rss), 5);
  try {
    await work();
  } finally {
    clearInterval(watch);
  }
  return peak - before;
}

for (const launch of Object.keys(LAUNCHES) as LaunchName[]) {
  Deno.test(`Cell.request() (${launch}) streams bodies of 400 MiB with less than 100 MiB of memory`, async () => {
    const source = `export default { async fetch(request) {
      const length = Number(new URL(request.url).pathname.slice(1));
      if (length === 0) {
        let count = 0;
        for await (const chunk of request.body) count += chunk.length;
        return new Response(String(count));
      }
      let left = length;
      return new Response(new ReadableStream({ type: "bytes", pull(c) {
        if (left === 0) return c.close();
        const n = Math.min(left, 1 << 20); left -= n; c.enqueue(new Uint8Array(n).fill(7));
      } }));
    } };`;
    const total = 400 * MIB;
    const limits = { responseTimeoutMs: 60_000 };
    await withCell(source, { launch, limits }, async ({ ask, text, cell }) => {
      await text("/1");
      const down = await growth(async () => {
        let count = 0;
        for await (const chunk of (await ask(`/${total}`)).body!) count += chunk.length;
        assertStrictEquals(count, total);
      });
      const up = await growth(async () => {
        let left = total;
        const body = new ReadableStream({
          pull(c) {
            if (left === 0) return c.close();
            left -= 65_536;
            c.enqueue(new Uint8Array(65_536));
          },
        });
        assertStrictEquals(await text("/0", { method: "POST", body }), String(total));
      });
      // The memory of a Worker is part of this process, so only a cell that is a process is measured.
      if (launch === "process") {
        assert(down < MAX_GROWTH, `the response made it grow by ${down / MIB} MiB`);
        assert(up < MAX_GROWTH, `the request made it grow by ${up / MIB} MiB`);
      }
      assertEquals(cell.health().requests, 0);
    });
  });
}
