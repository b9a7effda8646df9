import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { eventually } from "../../plugin/plugin_test_server.ts";
import { EventReader } from "../../support/event_reader.ts";
import {
  bearer,
  CLOSED,
  startTestServer,
  type TestServer,
  TOKEN,
} from "../../support/test_server.ts";
import { type MetricFamily, readOpenMetrics } from "../../support/open_metrics.ts";

async function scrape(server: TestServer): Promise<ReadonlyMap<string, MetricFamily>> {
  const headers = { accept: "application/openmetrics-text;version=1.0.0" };
  const reply = await server.send({ method: "GET", target: "/proc/metrics", headers });
  assertEquals(reply.status, 200);
  assertEquals(
    reply.headers.get("content-type"),
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
  );
  return readOpenMetrics(reply.text);
}

/** The value of a sample with these labels. */
function valueOf(
  page: ReadonlyMap<string, MetricFamily>,
  family: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const wanted = JSON.stringify(labels);
  return page.get(family)?.samples.find((sample) => JSON.stringify(sample.labels) === wanted)
    ?.value;
}

/** Why a cluster answers all requests of a test at one node. */
const atOneNode = "a node counts its own requests and processes";

Deno.test("GET /proc/metrics passes a strict parser and counts requests", async () => {
  const server = await startTestServer({ atOneNode });
  try {
    // The start of another node of a cluster makes changes too, which this request waits for.
    await server.send({ method: "HEAD", target: "/home/" });
    const before = await scrape(server);
    const changes = valueOf(before, "elastik_changes") ?? 0;
    for (let i = 0; i < 3; i++) await server.approve("PUT", "/home/x", `${i}`);
    await server.send({ method: "GET", target: "/home/x" });
    await server.send({ method: "GET", target: "/home/none" });
    await server.send({ method: "BREW", target: "/home/none" });
    const stream = await EventReader.open(`http://127.0.0.1:${server.port}/stream/home/x`);
    await stream.next();
    const waiting = server.send({
      method: "GET",
      target: "/proc/changes/home/w/?after=now&wait=60",
    });
    const after = await eventually(async () => {
      const found = await scrape(server);
      return valueOf(found, "elastik_waits_open") === 1 ? found : undefined;
    }, "the waiting request is counted");
    await server.send({ method: "PUT", target: "/home/w/1", body: "x" });
    await waiting;
    assertEquals(valueOf(await scrape(server), "elastik_waits_open"), 0);
    await stream.close();
    const requests = (method: string, status: string) =>
      valueOf(after, "elastik_http_requests", { method, status });
    assertEquals(requests("PUT", "2xx"), 3);
    assertEquals(requests("other", "5xx"), 1);
    assertEquals(requests("GET", "4xx"), 1);
    assert((requests("GET", "2xx") ?? 0) >= 3);
    assertEquals(valueOf(after, "elastik_changes"), changes + 3);
    assertEquals(valueOf(after, "elastik_streams_open"), 1);
    assert(
      (valueOf(after, "elastik_cache_hits") ?? 0) > (valueOf(before, "elastik_cache_hits") ?? 0),
    );
    assertEquals(valueOf(after, "elastik_disk_reads"), valueOf(before, "elastik_disk_reads"));
    assert((valueOf(after, "elastik_cache_bytes") ?? 0) > 500);
    const worlds = valueOf(after, "elastik_worlds") ?? 0;
    assertEquals(worlds, (valueOf(before, "elastik_worlds") ?? 0) + 1);
    const waits = after.get("elastik_http_wait_seconds")?.samples ?? [];
    assert((waits.find(({ name }) => name.endsWith("_count"))?.value ?? 0) >= 3);
    assert((valueOf(after, "process_resident_memory_bytes") ?? 0) > 1e6);
    const free = valueOf(after, "elastik_disk_free_bytes") ?? NaN;
    // A node has no data folder.
    if (server.isCluster) assertEquals(free, NaN);
    else assert(free > 0 && free <= (valueOf(after, "elastik_disk_size_bytes") ?? 0));
    assertEquals(valueOf(after, "elastik_reloads", { result: "ok" }), 0);
    const started = valueOf(after, "process_start_time_seconds") ?? 0;
    assert(Math.abs(Date.now() / 1000 - started) < 60);
    assertEquals(after.get("elastik_build")?.samples[0]?.name, "elastik_build_info");
    assert(Object.hasOwn(after.get("elastik_build")?.samples[0]?.labels ?? {}, "version"));
  } finally {
    await server.close();
  }
});

Deno.test("GET /proc/metrics has the rights of /proc/status, and needs a capability that covers it", async () => {
  const server = await startTestServer({ env: CLOSED });
  try {
    const target = "/proc/metrics";
    const foreign = { host: "elastik.example" };
    const status = async (headers: Record<string, string>, method = "GET") =>
      (await server.send({ method, target, headers: { ...foreign, ...headers } })).status;
    assertEquals(await status({}), 401);
    assertEquals(await status(bearer(TOKEN)), 200);
    assertEquals(await status(bearer(server.capability("/proc/metrics", "r"))), 200);
    assertEquals(await status(bearer(server.capability("/home", "rw"))), 403);
    assertEquals(await status(bearer(TOKEN), "POST"), 405);
    assertEquals(await status(bearer(TOKEN), "HEAD"), 200);
    assertEquals((await server.send({ method: "GET", target })).status, 200);
  } finally {
    await server.close();
  }
});

Deno.test("GET /proc/metrics sends the Prometheus format to clients that prefer it", async () => {
  const server = await startTestServer();
  try {
    const form = async (accept?: string) => {
      const headers: Record<string, string> = accept === undefined ? {} : { accept };
      const reply = await server.send({ method: "GET", target: "/proc/metrics", headers });
      assertMatch(reply.headers.get("vary") ?? "", /accept/i);
      const type = reply.headers.get("content-type") ?? "";
      assertEquals(reply.text.endsWith("# EOF\n"), type.startsWith("application/openmetrics-text"));
      return type.startsWith("text/plain; version=0.0.4") ? "prometheus" : "openmetrics";
    };
    assertEquals(await form(), "openmetrics");
    assertEquals(await form("*/*"), "openmetrics");
    assertEquals(await form("text/plain;version=0.0.4"), "prometheus");
    assertEquals(await form("text/plain;version=0.0.4;q=1,*/*;q=0.1"), "prometheus");
    assertEquals(await form("text/html,application/xhtml+xml,*/*;q=0.8"), "prometheus");
    // The Accept headers of Prometheus, with and without its escaping schemes.
    assertEquals(
      await form(
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5," +
          "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3," +
          "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
      ),
      "openmetrics",
    );
    assertEquals(await form("application/openmetrics-text; version=0.0.1"), "openmetrics");
  } finally {
    await server.close();
  }
});

Deno.test("GET /proc/metrics reports every plugin, also one that is not active", async () => {
  const server = await startTestServer({ atOneNode });
  const source = `export const description = "counts";
export const routes = ["/count"];
export const config = ["/etc/count.conf"];
export default {
  fetch(request: Request): Response {
    if (request.method === "DELETE") for (;;) new Uint8Array(1e9).fill(1);
    return new Response("one");
  },
};
`;
  try {
    assertEquals((await server.approve("PUT", "/lib/count", source)).status, 201);
    assertEquals((await server.approve("PUT", "/lib/count/state", "active")).status, 200);
    for (let i = 0; i < 4; i++) await server.send({ method: "GET", target: "/count" });
    const up = await scrape(server);
    const plugin = { plugin: "count" };
    assertEquals(valueOf(up, "elastik_plugins_up"), 1);
    assertEquals(valueOf(up, "elastik_plugin_up", plugin), 1);
    assertEquals(valueOf(up, "elastik_plugin_requests", plugin), 4);
    assertEquals(valueOf(up, "elastik_plugin_requests_open", plugin), 0);
    assertEquals(valueOf(up, "elastik_plugin_crashes", plugin), 0);
    if (Deno.build.os === "linux") {
      assert((valueOf(up, "elastik_plugin_resident_memory_bytes", plugin) ?? 0) > 1e6);
    }
    const lost = await server.approve("DELETE", "/count");
    assert(lost.status >= 500, lost.text);
    assertEquals(valueOf(await scrape(server), "elastik_plugin_crashes", plugin), 1);
    await server.approve("PUT", "/lib/count/state", "disabled");
    const down = await scrape(server);
    assertEquals(valueOf(down, "elastik_plugins_up"), 0);
    assertEquals(down.get("elastik_plugin_up")?.samples, []);
    // No request waits for a note.
    await eventually(
      async () => (valueOf(await scrape(server), "elastik_notes") ?? 0) > 0 || undefined,
      "the crash is noted",
    );
  } finally {
    await server.close();
  }
});
