import { deepStrictEqual as equal, match, ok } from "node:assert/strict";
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
  equal(reply.status, 200);
  equal(
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

Deno.test("GET /proc/metrics passes a strict parser and counts requests", async () => {
  const server = await startTestServer();
  try {
    const before = await scrape(server);
    const changes = valueOf(before, "elastik_changes") ?? 0;
    for (let i = 0; i < 3; i++) await server.approve("PUT", "/home/x", `${i}`);
    await server.send({ method: "GET", target: "/home/x" });
    await server.send({ method: "GET", target: "/home/none" });
    await server.send({ method: "BREW", target: "/home/none" });
    const stream = await EventReader.open(`http://127.0.0.1:${server.port}/stream/home/x`);
    await stream.next();
    const after = await scrape(server);
    await stream.close();
    const requests = (method: string, status: string) =>
      valueOf(after, "elastik_http_requests", { method, status });
    equal(requests("PUT", "2xx"), 3);
    equal(requests("other", "5xx"), 1);
    equal(requests("GET", "4xx"), 1);
    ok((requests("GET", "2xx") ?? 0) >= 3);
    equal(valueOf(after, "elastik_changes"), changes + 3);
    equal(valueOf(after, "elastik_streams_open"), 1);
    ok((valueOf(after, "elastik_cache_hits") ?? 0) > (valueOf(before, "elastik_cache_hits") ?? 0));
    equal(valueOf(after, "elastik_disk_reads"), valueOf(before, "elastik_disk_reads"));
    ok((valueOf(after, "elastik_cache_bytes") ?? 0) > 500);
    const worlds = valueOf(after, "elastik_worlds") ?? 0;
    equal(worlds, (valueOf(before, "elastik_worlds") ?? 0) + 1);
    const waits = after.get("elastik_http_wait_seconds")?.samples ?? [];
    ok((waits.find(({ name }) => name.endsWith("_count"))?.value ?? 0) >= 3);
    ok((valueOf(after, "process_resident_memory_bytes") ?? 0) > 1e6);
    const started = valueOf(after, "process_start_time_seconds") ?? 0;
    ok(Math.abs(Date.now() / 1000 - started) < 60);
    equal(after.get("elastik_build")?.samples[0]?.name, "elastik_build_info");
    ok(Object.hasOwn(after.get("elastik_build")?.samples[0]?.labels ?? {}, "version"));
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
    equal(await status({}), 401);
    equal(await status(bearer(TOKEN)), 200);
    equal(await status(bearer(server.capability("/proc/metrics", "r"))), 200);
    equal(await status(bearer(server.capability("/home", "rw"))), 403);
    equal(await status(bearer(TOKEN), "POST"), 405);
    equal(await status(bearer(TOKEN), "HEAD"), 200);
    equal((await server.send({ method: "GET", target })).status, 200);
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
      match(reply.headers.get("vary") ?? "", /accept/i);
      const type = reply.headers.get("content-type") ?? "";
      equal(reply.text.endsWith("# EOF\n"), type.startsWith("application/openmetrics-text"));
      return type.startsWith("text/plain; version=0.0.4") ? "prometheus" : "openmetrics";
    };
    equal(await form(), "openmetrics");
    equal(await form("*/*"), "openmetrics");
    equal(await form("text/plain;version=0.0.4"), "prometheus");
    equal(await form("text/plain;version=0.0.4;q=1,*/*;q=0.1"), "prometheus");
    equal(await form("text/html,application/xhtml+xml,*/*;q=0.8"), "prometheus");
    // The Accept headers of Prometheus, with and without its escaping schemes.
    equal(
      await form(
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5," +
          "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3," +
          "text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
      ),
      "openmetrics",
    );
    equal(await form("application/openmetrics-text; version=0.0.1"), "openmetrics");
  } finally {
    await server.close();
  }
});

Deno.test("GET /proc/metrics reports every plugin, also one that is not active", async () => {
  const server = await startTestServer();
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
    equal((await server.approve("PUT", "/lib/count", source)).status, 201);
    equal((await server.approve("PUT", "/lib/count/state", "active")).status, 200);
    for (let i = 0; i < 4; i++) await server.send({ method: "GET", target: "/count" });
    const up = await scrape(server);
    const plugin = { plugin: "count" };
    equal(valueOf(up, "elastik_plugins_up"), 1);
    equal(valueOf(up, "elastik_plugin_up", plugin), 1);
    equal(valueOf(up, "elastik_plugin_requests", plugin), 4);
    equal(valueOf(up, "elastik_plugin_requests_open", plugin), 0);
    equal(valueOf(up, "elastik_plugin_crashes", plugin), 0);
    if (Deno.build.os === "linux") {
      ok((valueOf(up, "elastik_plugin_resident_memory_bytes", plugin) ?? 0) > 1e6);
    }
    const lost = await server.approve("DELETE", "/count");
    ok(lost.status >= 500, lost.text);
    equal(valueOf(await scrape(server), "elastik_plugin_crashes", plugin), 1);
    await server.approve("PUT", "/lib/count/state", "disabled");
    const down = await scrape(server);
    equal(valueOf(down, "elastik_plugins_up"), 0);
    equal(down.get("elastik_plugin_up")?.samples, []);
    ok((valueOf(down, "elastik_notes") ?? 0) > 0, "the crash is noted");
  } finally {
    await server.close();
  }
});
