import { assertEquals } from "../../support/assert.ts";
import {
  formatShapeEvents,
  formatSourceEvents,
  streamGeneration,
  streamHeaders,
} from "../../../plugins/semantic/event_stream.ts";
import { Generation } from "../../../plugins/semantic/generation.ts";
import { EventReader } from "../../../plugins/kit/sse.ts";
import { FakeServer, HeldModel, modelEvents } from "./fake_server.ts";
import { formatOf, generationInput, shapeOf } from "./fixtures.ts";

/** The events of a whole stream, as `type: data`. */
function eventsIn(text: string): string[] {
  return new EventReader(1_000_000).push(new TextEncoder().encode(text))
    .map(({ event, data }) => `${event}: ${data}`);
}

Deno.test("formatShapeEvents() sends the text in pieces of 1024 characters, then done", async () => {
  const text = `${"x".repeat(1023)}😀${"y".repeat(10)}\nlast`;
  const shape = await shapeOf(text);
  assertEquals(eventsIn(formatShapeEvents(shape, "hit")), [
    `message: ${"x".repeat(1023)}😀`,
    `message: ${"y".repeat(10)}\nlast`,
    `done: ${JSON.stringify({ etag: shape.etag, cache: "hit" })}`,
  ]);
});

Deno.test("formatSourceEvents() marks the source as fallback-raw", () => {
  assertEquals(eventsIn(formatSourceEvents("two\nlines")), [
    "message: two\nlines",
    'done: {"cache":"fallback-raw"}',
  ]);
});

Deno.test("streamHeaders() replace what only a whole response has", () => {
  assertEquals(streamHeaders({ "cache-control": "private", "a": "b" }, "shared"), {
    "a": "b",
    "cache-control": "no-store",
    "content-type": "text/event-stream",
    "x-semantic-cache": "shared",
  });
});

Deno.test("streamGeneration() sends pieces as they arrive, then done", async () => {
  const server = new FakeServer();
  const model = new HeldModel();
  server.generate = (_, signal) => model.response(signal);
  const generation = new Generation(generationInput());
  const leave = generation.join();
  const running = generation.run(server.fetch, 10);
  const reader = streamGeneration(generation, "generated", leave)
    .pipeThrough(new TextDecoderStream()).getReader();
  const next = async () => eventsIn((await reader.read()).value ?? "");
  await model.send(modelEvents(["one"], ""));
  assertEquals(await next(), ["message: one"]);
  await model.send(modelEvents([" two"]));
  assertEquals(await next(), ["message:  two"]);
  await running;
  const { outcome } = generation;
  const etag = outcome !== undefined && "etag" in outcome ? outcome.etag : "";
  assertEquals(await next(), [`done: ${JSON.stringify({ etag, cache: "generated" })}`]);
  assertEquals((await reader.read()).done, true);
  assertEquals(generation.isAbandoned, false);
});

Deno.test("streamGeneration() ends with an error event if the output is not valid", async () => {
  const server = new FakeServer();
  server.generate = () => new Response(modelEvents(["{", '"a"']));
  const format = formatOf("application/json");
  const generation = new Generation(generationInput({ format }));
  const leave = generation.join();
  const stream = streamGeneration(generation, "generated", leave);
  await generation.run(server.fetch, 10);
  const events = eventsIn(await new Response(stream).text());
  assertEquals(events.length, 2);
  assertEquals(events[0], 'message: {"a"');
  assertEquals(events[1]?.startsWith("error: Cannot shape /home/x as application/json: "), true);
});

Deno.test("streamGeneration() leaves the generation when the client disconnects", async () => {
  const server = new FakeServer();
  const model = new HeldModel();
  server.generate = (_, signal) => model.response(signal);
  const generation = new Generation(generationInput());
  const running = generation.run(server.fetch, 10);
  await generation.begun;
  await streamGeneration(generation, "generated", generation.join()).cancel();
  assertEquals(generation.isAbandoned, true);
  await model.cancelled;
  await running;
});
