/**
 * A client that takes more than a limit is refused with the documented status, and a metric counts it;
 * a client at the limit is served. Each limit has its value from its setting.
 */
import { assert, assertEquals } from "../support/assert.ts";
import { assertInTime, withMoreTime } from "../support/slow_computer.ts";
import { bearer, type TestServer, withServer } from "../support/test_server.ts";
import { readOpenMetrics } from "../support/open_metrics.ts";

type Labels = Readonly<Record<string, string>>;

/** The value of a metric. */
async function metricOf(server: TestServer, name: string, labels: Labels = {}): Promise<number> {
  const headers = { accept: "application/openmetrics-text" };
  const { text } = await server.send({ method: "GET", target: "/proc/metrics", headers });
  const { samples = [] } = readOpenMetrics(text).get(name) ?? {};
  const wanted = JSON.stringify(labels);
  return samples.find((sample) => JSON.stringify(sample.labels) === wanted)?.value ?? NaN;
}

const BY_CLIENT = { limit: "client" };
const IN_TOTAL = { limit: "total" };

Deno.test("ELASTIK_MAX_BODY: a body at the limit is stored, and a longer one gets 413 and is counted", () =>
  withServer({ env: { ELASTIK_MAX_BODY: "10" } }, async (server) => {
    const problems = () => metricOf(server, "elastik_problems", { type: "body-too-large" });
    assertEquals((await server.approve("PUT", "/home/x", "0123456789")).status, 201);
    assertEquals(await problems(), 0);
    assertEquals((await server.approve("PUT", "/home/x", "0123456789a")).status, 413);
    assertEquals(await problems(), 1);
  }));

Deno.test("ELASTIK_MAX_WORLD: an append to the limit is stored, and a longer one gets 413 and is counted", () =>
  withServer({ env: { ELASTIK_MAX_WORLD: "10" } }, async (server) => {
    await server.approve("PUT", "/home/x", "01234");
    assertEquals((await server.approve("POST", "/home/x", "56789")).status, 200);
    assertEquals(await metricOf(server, "elastik_worlds_too_large"), 0);
    assertEquals((await server.approve("POST", "/home/x", "a")).status, 413);
    assertEquals(await metricOf(server, "elastik_worlds_too_large"), 1);
  }));

Deno.test("ELASTIK_HISTORY: a version at the limit is read, and an older one gets 410 and is counted", () =>
  withServer({ env: { ELASTIK_HISTORY: "1" } }, async (server) => {
    for (const body of ["one", "two", "three"]) await server.approve("PUT", "/home/x", body);
    assertEquals((await server.approve("GET", "/home/x?raw&at=2")).text, "two");
    assertEquals(await metricOf(server, "elastik_problems", { type: "gone" }), 0);
    assertEquals((await server.approve("GET", "/home/x?raw&at=1")).status, 410);
    assertEquals(await metricOf(server, "elastik_problems", { type: "gone" }), 1);
  }));

Deno.test("ELASTIK_SNAPSHOTS and _CLIENT: copies at the limits are sent, and further ones get 503 and are counted", () =>
  withServer({
    env: {
      ELASTIK_SNAPSHOTS: "3",
      ELASTIK_SNAPSHOTS_CLIENT: "2",
      ELASTIK_MAX_BODY: "20000000",
    },
  }, async (server) => {
    // Longer than what the system buffers, so that a copy that is not read stays open.
    await server.approve("PUT", "/home/x", new Uint8Array(16_000_000).fill(1));
    const url = `http://127.0.0.1:${server.port}/proc/snapshot/home/x`;
    const client = (headers: HeadersInit = {}) => fetch(url, { headers });
    const open = [await client(), await client()];
    assertEquals(await metricOf(server, "elastik_snapshots_open"), 2);
    assertEquals(await metricOf(server, "elastik_snapshots_refused", BY_CLIENT), 0);
    const refused = await client();
    assertEquals([refused.status, refused.headers.has("retry-after")], [503, true]);
    await refused.body?.cancel();
    assertEquals(await metricOf(server, "elastik_snapshots_refused", BY_CLIENT), 1);
    const T3 = bearer(server.approveToken);
    open.push(await client(T3));
    const beyond = await client(T3);
    assertEquals([...open, beyond].map(({ status }) => status), [200, 200, 200, 503]);
    await beyond.body?.cancel();
    assertEquals(await metricOf(server, "elastik_snapshots_refused", IN_TOTAL), 1);
    for (const response of open) await response.body?.cancel();
    for (;;) if (await metricOf(server, "elastik_snapshots_open") === 0) break;
    const again = await client();
    assertEquals(again.status, 200);
    await again.body?.cancel();
  }));

Deno.test("ELASTIK_LONG_READS: reads of long bodies within the limits are served, and others get 503 and are counted", async () => {
  async function read(env: Readonly<Record<string, string>>, limit: Labels): Promise<number> {
    let refused = 0;
    await withServer({ env: { ...env, ELASTIK_LONG_READS: "1" } }, async (server) => {
      for (let i = 0; i < 7; i++) {
        await server.approve("PUT", "/home/x", new Uint8Array(4_000_000).fill(i));
      }
      const reads = Array.from({ length: 6 }, async (_, i) => {
        const response = await fetch(`http://127.0.0.1:${server.port}/home/x?raw&at=${i + 1}`);
        const { length } = await response.bytes();
        assert(response.status === 503 || length === 4_000_000, `${response.status}`);
        if (response.status === 503) refused += 1;
      });
      await Promise.all(reads);
      assertEquals(await metricOf(server, "elastik_long_reads_refused", limit), refused);
    });
    return refused;
  }
  const roomy = { ELASTIK_LONG_READS_WAITING: "5", ELASTIK_LONG_READS_CLIENT: "5" };
  assertEquals(await read(roomy, IN_TOTAL), 0);
  for (
    const [env, limit] of [
      [{ ELASTIK_LONG_READS_WAITING: "0" }, IN_TOTAL],
      [{ ELASTIK_LONG_READS_CLIENT: "0" }, BY_CLIENT],
    ] as const
  ) {
    // While this process stands still, a read can end before the next one arrives.
    await withMoreTime([1, 2, 3, 4, 5], async () => {
      assertInTime(await read({ ...roomy, ...env }, limit) > 0, "no two reads met");
    });
  }
});
