/** The log of a plugin over HTTP: who gets which lines, and that no other route shows them. */

import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import {
  APPROVE,
  bearer,
  CLOSED,
  type TestServer,
  TOKEN,
  withServer,
} from "../../support/test_server.ts";
import { eventually, get, plugin, setState } from "../../plugin/plugin_test_server.ts";

const T2 = bearer(TOKEN);
const T3 = bearer(APPROVE);
const JSON_TYPE = { accept: "application/json" };
const LOG = "/proc/plugins/p/log";
const SOURCE = plugin(
  {},
  `
  if (url.searchParams.has("throw")) setTimeout(() => { throw new Error("0wn words"); });
  console.log("called", url.search);
  console.warn("two\\nlines");
  return new Response("x");`,
);

function withClosed(test: (server: TestServer) => Promise<void>): Promise<void> {
  const env = { ...CLOSED, ELASTIK_WRITERS: "1", ELASTIK_SYNC: "normal" };
  return withServer({ env, atOneNode: "a node keeps the lines of its own processes" }, test);
}

async function install(
  server: TestServer,
  source: string,
  headers: Record<string, string>,
): Promise<void> {
  const stored = await server.send({ method: "PUT", target: "/lib/p", body: source, headers });
  assert(stored.status < 300, stored.text);
  const active = await setState(server, "p", "active");
  assertEquals(active.status, 200, active.text);
}

interface Line {
  readonly id: string;
  readonly time: string;
  readonly level: string;
  readonly text: string;
  readonly version: number;
}

async function linesFor(server: TestServer, headers: Record<string, string>): Promise<Line[]> {
  const { status, text } = await get(server, LOG, { ...JSON_TYPE, ...headers });
  assertEquals(status, 200, text);
  return JSON.parse(text);
}

Deno.test("GET /proc/plugins/<name>/log sends the lines to T3 and to the writer of the source", async () => {
  await withClosed(async (server) => {
    await install(server, SOURCE, T2);
    assertEquals((await get(server, "/p?a", T2)).text, "x");
    const lines = await linesFor(server, T2);
    assertEquals(lines.map(({ level, text, version }) => [level, text, version]), [
      ["log", "called ?a", 1],
      ["warn", "two\\nlines", 1],
    ]);
    assert(lines.every(({ time }) => !Number.isNaN(Date.parse(time))));
    assertEquals(await linesFor(server, T3), lines);
    const one = await get(server, `${LOG}?limit=1`, { ...T3, accept: "text/plain" });
    assertMatch(one.text, /^\d{4}-\S+Z warn v1 two\\nlines\n$/);
    for (const query of ["?limit=0", "?limit=1001", "?lines=3"]) {
      assertEquals((await get(server, LOG + query, T3)).status, 400, query);
    }
    assertEquals((await get(server, `${LOG}?limit=1000`, T3)).status, 200);
  });
});

Deno.test("GET /proc/plugins/<name>/log is refused to all others, whether the plugin exists or not", async () => {
  await withClosed(async (server) => {
    await install(server, SOURCE, T3);
    await get(server, "/p", T2);
    const cap = bearer(server.capability("/lib", "rw"));
    for (const [headers, status] of [[{}, 401], [T2, 403], [cap, 403]] as const) {
      for (const route of [LOG, `/stream${LOG}`]) {
        const found = await get(server, route, headers);
        assertEquals(found.status, status, `${route} ${found.text}`);
        const absent = await get(server, route.replace("/p/log", "/q/log"), headers);
        assertEquals(absent.text.replaceAll("/q", "/p"), found.text);
      }
    }
    assertEquals((await get(server, "/proc/plugins/q/log", T3)).status, 404);
    assertEquals((await linesFor(server, T3)).length, 2);
  });
});

Deno.test("GET /proc/plugins/<name>/log gives a caller that replaces a source no earlier lines", async () => {
  await withClosed(async (server) => {
    await install(server, SOURCE, T3);
    await get(server, "/p?secret", T2);
    await install(server, SOURCE.replace("two", "three"), T2);
    assertEquals(await linesFor(server, T2), []);
    await get(server, "/p?mine", T2);
    assertEquals((await linesFor(server, T2)).map(({ text }) => text), [
      "called ?mine",
      "three\\nlines",
    ]);
    assertEquals((await linesFor(server, T3)).length, 4);
    await install(server, SOURCE, T3);
    assertEquals((await get(server, LOG, T2)).status, 403);
  });
});

Deno.test("the words of an uncaught error are in the log of the plugin and in no event that others see", async () => {
  await withClosed(async (server) => {
    await install(server, SOURCE, T2);
    await get(server, "/p?throw", T2);
    await eventually(async () => {
      const lines = await linesFor(server, T2);
      return lines.find(({ text }) => text.includes("0wn words"));
    }, "the error is in the log");
    await eventually(async () => {
      const { text } = await get(server, "/proc/log/lib/p", T3);
      return /"plugin_uncaught".*0wn words/.test(text) || undefined;
    }, "the event is on the chain");
    const reads = [
      "/proc/log/lib/p",
      "/proc/log/lib/",
      "/proc/changes/lib/",
      "/proc/log/",
      "/lib/p/state",
      "/proc/plugins",
      "/proc/snapshot/lib/p",
    ];
    server.secrets.add("0wn words");
    const local = bearer(server.capability("/lib", "rw"));
    for (const target of reads) {
      for (const headers of [T2, local]) {
        await server.send({ method: "GET", target, headers });
      }
    }
    // The log of the server, which the operator reads, has the words.
    server.secrets.delete("0wn words");
    const { text } = await get(server, "/proc/log/lib/p", T2);
    assertMatch(text, /"type":"plugin_uncaught".*"reason":"\*\*\*"/);
    assertEquals((await get(server, "/proc/snapshot/lib/p", T2)).status, 403);
  });
});

Deno.test("the log of a plugin is kept after it stops, and says why it could not be activated", async () => {
  await withClosed(async (server) => {
    await install(server, SOURCE, T2);
    await get(server, "/p", T2);
    await setState(server, "p", "disabled");
    assertEquals((await linesFor(server, T2)).length, 2);
    await server.send({
      method: "PUT",
      target: "/lib/p",
      headers: T2,
      body: "throw new Error('broken');",
    });
    assertEquals((await setState(server, "p", "active")).status, 422);
    const last = (await linesFor(server, T2)).at(-1);
    assertMatch(last?.text ?? "", /^Cannot activate \/lib\/p: .*broken/);
    assertEquals([last?.level, (last?.version ?? 0) > 1], ["error", true]);
  });
});

Deno.test("a 502 of a plugin names the log that has its words, and not the words", async () => {
  await withClosed(async (server) => {
    const source = plugin({}, `throw new Error("0wn words");`);
    await install(server, source, T3);
    const failed = await get(server, "/p", T2);
    assertEquals([failed.status, failed.text.includes("0wn words")], [502, false], failed.text);
    const address = /\/proc\/plugins\/[^\s",;]+\/log/.exec(failed.text)?.[0];
    assertEquals(address, LOG);
    assertEquals((await get(server, LOG, T2)).status, 403);
    await eventually(async () => {
      const lines = await linesFor(server, T3);
      return lines.find(({ text }) => text.includes("0wn words"));
    }, "the error is in the log");
  });
});
