import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
} from "../../support/assert.ts";
import { serveShape, shapeKey } from "../../../plugins/semantic/serve_shape.ts";
import { FakeServer, HeldModel, modelEvents, modelResponse } from "./fake_server.ts";
import { type RequestOptions, shapeRequest, stateOf } from "./shape_request.ts";

/** A server with the source /home/x, and one state for all requests to it. */
function setUp(config = "budget 100") {
  const server = new FakeServer();
  server.put("/home/x", "The source.");
  const state = stateOf(config);
  const serve = (options: RequestOptions = {}) =>
    serveShape(shapeRequest(server, { state, ...options }));
  const generations = () => server.count("POST", "/dev/gpu/stream");
  return { server, state, serve, generations };
}

/** `X-Semantic-Cache` and the body. */
async function resultOf(response: Response): Promise<[string | null, string]> {
  return [response.headers.get("x-semantic-cache"), await response.text()];
}

Deno.test("serveShape() generates a shape once and then answers from memory", async () => {
  const { serve, generations } = setUp();
  assertEquals(await resultOf(await serve()), ["generated", "shaped text"]);
  assertEquals(await resultOf(await serve()), ["hit", "shaped text"]);
  assertEquals(generations(), 1);
});

Deno.test("serveShape() checks the caller before it uses the cache", async () => {
  const { server, serve } = setUp();
  await (await serve()).text();
  const refusal = () => new Response("no", { status: 403 });
  for (const method of ["HEAD", "GET"]) server.responses.set(`${method} /home/x`, refusal);
  await assertRejects(serve(), { status: 403 });
  await assertRejects(serve({ headers: { "if-none-match": "*" } }), { status: 403 });
});

Deno.test("serveShape() generates again if the source, intent, format or model differs", async () => {
  const { server, serve } = setUp();
  const statusOf = async (options?: RequestOptions) => (await resultOf(await serve(options)))[0];
  assertEquals(await statusOf(), "generated");
  assertEquals(await statusOf({ intent: "other" }), "generated");
  assertEquals(await statusOf({ accept: "text/markdown" }), "generated");
  server.put("/home/x", "Another source.");
  assertEquals(await statusOf(), "generated");
  assertEquals(await statusOf(), "hit");
  const later = stateOf("budget 100");
  server.identity = { backend: "fake", model: "m2", local: true };
  assertEquals(await statusOf({ state: later }), "generated");
});

Deno.test("shapeKey() differs if one part differs", () => {
  const identity = {
    path: "/home/x",
    sourceTag: '"1"',
    type: "text/plain",
    intent: "a",
    model: { name: "m", version: '"1"' },
    sourceLimit: 1,
  };
  const changes = [
    { path: "/home/y" },
    { sourceTag: '"2"' },
    { type: "text/csv" },
    { intent: "b" },
    { model: { name: "n", version: '"1"' } },
    { model: { name: "m", version: '"2"' } },
    { sourceLimit: 2 },
  ];
  assertEquals(shapeKey(identity), shapeKey({ ...identity }));
  for (const change of changes) {
    assertNotEquals(
      shapeKey({ ...identity, ...change }),
      shapeKey(identity),
      JSON.stringify(change),
    );
  }
});

Deno.test("serveShape() answers HEAD without a generation", async () => {
  const { serve, generations } = setUp();
  const head = await serve({ method: "HEAD" });
  assertEquals([head.status, head.headers.get("x-semantic-cache")], [200, "miss"]);
  assertEquals(generations(), 0);
});

Deno.test("serveShape() answers 304 for a known tag, also if the shape was evicted", async () => {
  const { serve, generations } = setUp("cache 0\nbudget 100");
  const first = await serve();
  const etag = first.headers.get("etag") ?? "";
  await first.text();
  const again = await serve({ headers: { "if-none-match": etag } });
  assertEquals([again.status, again.headers.get("etag")], [304, etag]);
  assertEquals(generations(), 1);
});

Deno.test("serveShape() shares one generation among identical requests", async () => {
  const { server, state, serve, generations } = setUp();
  const model = new HeldModel();
  server.generate = (_, signal) => model.response(signal);
  const clientCount = () => state.generations.values().next().value?.clientCount;
  const responses = Promise.all(
    Array.from(
      { length: 20 },
      (_, at) => serve(at % 4 === 0 ? { accept: "text/event-stream, text/plain" } : {}),
    ),
  );
  // A request that comes after the model has answered is a hit, so all must have joined before.
  while (clientCount() !== 20) await new Promise((resolve) => setTimeout(resolve, 0));
  await model.send(modelEvents(["one answer"]));
  const results = await Promise.all((await responses).map(resultOf));
  assertEquals(results.filter(([status]) => status === "generated").length, 1);
  assertEquals(results.filter(([status]) => status === "shared").length, 19);
  assert(results.every(([, text]) => text.includes("one answer")));
  assertEquals(generations(), 1);
});

Deno.test("serveShape() ends a generation when its only client disconnects", async () => {
  const { server, state, serve } = setUp();
  const model = new HeldModel();
  server.generate = (_, signal) => model.response(signal);
  const client = new AbortController();
  const response = serve({ signal: client.signal });
  await model.send(modelEvents(["a"], ""));
  client.abort();
  await model.cancelled;
  assertEquals((await response).headers.get("x-semantic-cache"), "fallback-raw");
  // The generation is removed after its clients got their response.
  while (state.generations.size > 0) await new Promise((resolve) => setTimeout(resolve, 0));
});

Deno.test("serveShape() refuses a generation beyond the budget", async () => {
  const { serve } = setUp("budget 1");
  await (await serve({ intent: "1" })).text();
  await assertRejects(
    serve({ intent: "2", accept: "text/html" }),
    (error: Error & { status?: number }) => {
      assertEquals(error.status, 429);
      assertMatch(error.message, /at most 1 generations per minute and 8 at the same time/);
      return true;
    },
  );
  assertEquals(await resultOf(await serve({ intent: "2" })), ["fallback-raw", "The source."]);
  assertEquals((await resultOf(await serve({ intent: "1" })))[0], "hit");
});

Deno.test("serveShape() runs at most 8 generations at the same time", async () => {
  const { server, serve } = setUp();
  const models: HeldModel[] = [];
  server.generate = (_, signal) => {
    const model = new HeldModel();
    models.push(model);
    return model.response(signal);
  };
  const accept = "text/event-stream, text/plain";
  const streams: Response[] = [];
  for (let at = 0; at < 8; at++) streams.push(await serve({ intent: `${at}`, accept }));
  const refused = await serve({ intent: "8", accept: "text/plain" });
  assertEquals(
    [refused.headers.get("x-semantic-cache"), refused.headers.get("retry-after")],
    ["fallback-raw", "5"],
  );
  for (const { body } of streams) await body?.cancel();
  for (const model of models) await model.cancelled;
});

Deno.test("serveShape() sends the source if there is no model", async () => {
  const { server, serve } = setUp();
  server.identity = { configured: false };
  assertEquals(await resultOf(await serve()), ["fallback-raw", "The source."]);
  await assertRejects(serve({ accept: "text/html" }), { status: 503 });
});

Deno.test("serveShape() reports a missing source before a missing model", async () => {
  const { server, serve } = setUp();
  server.identity = { configured: false };
  await assertRejects(serve({ path: "/home/absent", accept: "text/html" }), { status: 404 });
});

Deno.test("serveShape() sends the source if the model is not available", async () => {
  const { server, serve } = setUp();
  for (const status of [401, 429, 500, 502, 503, 504]) {
    server.generate = () => new Response("no", { status });
    assertEquals((await resultOf(await serve({ intent: `${status}` })))[0], "fallback-raw");
    const accept = "image/png, text/plain;q=0.8";
    await assertRejects(serve({ intent: `${status}`, accept }), { status: 503 });
  }
  server.generate = () => modelResponse(["part"], "event: done\ndata: filtered\n\n");
  await assertRejects(serve(), { status: 502 });
});

Deno.test("serveShape() uses the current source if it changes between tag and read", async () => {
  const { server, serve, generations } = setUp();
  await (await serve()).text();
  server.responses.set("HEAD /home/x", () => {
    server.responses.delete("HEAD /home/x");
    return new Response(null, { headers: { etag: '"9-0123456789abcdef.raw"' } });
  });
  assertEquals((await resultOf(await serve()))[0], "hit");
  assertEquals(generations(), 1);
});

Deno.test("serveShape() hashes a mounted file and does not store what failed", async () => {
  const { server, serve, generations } = setUp();
  server.put("/mnt/x", "A file.");
  server.generate = () => modelResponse(["{"]);
  const options = { path: "/mnt/x", accept: "application/json" };
  await assertRejects(serve(options), { status: 406 });
  server.generate = () => modelResponse(["{}"]);
  assertEquals(await resultOf(await serve(options)), ["generated", "{}"]);
  assertEquals(await resultOf(await serve(options)), ["hit", "{}"]);
  assertEquals(generations(), 2);
});
