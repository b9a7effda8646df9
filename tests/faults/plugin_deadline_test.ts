/**
 * Property: a request to a plugin has one deadline, measured from its arrival. Whatever it waits for,
 * it gets 503 with Retry-After or 504 by then. An error that the plugin does not catch answers at once.
 */

import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { eventsOf, eventually } from "../plugin/plugin_test_server.ts";
import { withPluginServer } from "../support/plugin_server.ts";
import { assertInTime, withMoreTime } from "../support/slow_computer.ts";

/** Milliseconds of the deadline. Two in a row take twice as long; a slow computer gets more. */
const ANSWERS_MS = [4_000, 16_000, 60_000];
const LIMITS = { ELASTIK_CELL_REQUESTS: "4", ELASTIK_CELL_WAITING: "100" };

const NEVER = `export const routes = ["/never"];
export default { fetch: (request) => new URL(request.url).pathname === "/never/ok" ? new Response("ok") : new Promise(() => {}) };`;
/** Calls the other plugin with its own grants. */
const CHAIN =
  `export const routes = ["/chain"]; export const grants = { "/never": "rw", "/never/": "rw" };
export default { async fetch(request, env) {
  const reply = await env[new URL(request.url).searchParams.get("via")].fetch("/never");
  return new Response(await reply.text(), { status: reply.status });
} };`;

Deno.test("callers of a plugin that never answers get 503 or 504 by the deadline, also in its queue and through a chain", () =>
  withMoreTime(ANSWERS_MS, testDeadline));

async function testDeadline(answerMs: number): Promise<void> {
  const plugins = [["never", NEVER], ["chain", CHAIN]] as const;
  const env = { ...LIMITS, ELASTIK_CELL_ANSWER: String(answerMs) };
  await withPluginServer({ plugins, env }, async (server) => {
    for (const target of ["/never", "/chain?via=caller", "/chain?via=machine"]) {
      const start = performance.now();
      const replies = await Promise.all(
        Array.from({ length: 60 }, async () => {
          const response = await fetch(`http://127.0.0.1:${server.port}${target}`);
          await response.body?.cancel();
          return { response, ms: performance.now() - start };
        }),
      );
      for (const { response: { status, headers }, ms } of replies) {
        assert(status === 503 || status === 504, `${target} ${status}`);
        assertInTime(ms < 2 * answerMs, `${target} ${status} after ${ms} ms`);
        if (status === 503) assert(Number(headers.get("retry-after")) >= 1, "Retry-After");
      }
      assert(replies.some(({ response }) => response.status === 503), target);
    }
    const { text } = await server.approve("GET", "/proc/metrics");
    assertMatch(text, /^elastik_plugin_requests_refused_total\{plugin="never"\} [1-9]/m);
    // The plugin is not lost.
    await eventually(async () => {
      const { status } = await server.send({ method: "GET", target: "/never/ok" });
      return status === 200 || undefined;
    }, "the plugin answers again");
  });
}

Deno.test("an uncaught error or rejection answers 502 at once, is in the chain, and does not affect other requests", async () => {
  const source = `export const routes = ["/faulty"]; export default { async fetch(request) {
    const path = new URL(request.url).pathname;
    if (path === "/faulty/ok") { await new Promise((r) => setTimeout(r, 300)); return new Response("ok"); }
    if (path === "/faulty/rejection") (async () => { await null; throw new Error("rejected"); })();
    if (path === "/faulty/error") setTimeout(() => { throw new Error("thrown"); }, 1);
    await new Promise(() => {});
  } };`;
  // The callers do not wait for the deadline.
  const env = { ELASTIK_CELL_ANSWER: "3600000" };
  await withPluginServer({ plugins: [["faulty", source]], env }, async (server) => {
    const other = server.send({ method: "GET", target: "/faulty/ok" });
    for (const path of ["/faulty/rejection", "/faulty/error"]) {
      const { status } = await server.send({ method: "GET", target: path });
      assertEquals(status, 502, path);
    }
    assertEquals((await other).text, "ok");
    const events = await eventually(async () => {
      const found = await eventsOf(server, "faulty");
      return found.some(({ type }) => type === "plugin_uncaught") ? found : undefined;
    }, "the event is in the chain");
    const uncaught = events.find(({ type }) => type === "plugin_uncaught");
    assert(String(uncaught?.payload.reason).includes("rejected"), JSON.stringify(uncaught));
  });
});
