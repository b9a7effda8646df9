import { assertEquals, assertThrows } from "../../support/assert.ts";
import { MAX_STREAMS, MAX_STREAMS_PER_CALLER } from "../../../plugins/mcp/limits.ts";
import { messageEvent, OpenStreams, pause } from "../../../plugins/mcp/streams.ts";
import { EventReader } from "../../support/event_reader.ts";

/** Events that wait until the stream ends. */
async function* waiting(signal: AbortSignal): AsyncGenerator<string, void, void> {
  yield "data: first\n\n";
  await pause(60_000, signal);
}

Deno.test("open() sends events until the source ends", async () => {
  const streams = new OpenStreams();
  let ends = 0;
  const { response } = streams.open("T2", new AbortController().signal, async function* () {
    yield messageEvent({ a: "line\nend" }, "7");
    yield messageEvent({ b: 1 });
  }, () => void ends++);
  assertEquals(response.headers.get("content-type"), "text/event-stream");
  const reader = new EventReader(response, new AbortController());
  assertEquals(await reader.next(), {
    type: "message",
    data: '{"a":"line\\nend"}',
    lastEventId: "7",
  });
  assertEquals((await reader.next())?.data, '{"b":1}');
  assertEquals([await reader.next(), streams.size, ends], [undefined, 0, 1]);
});

Deno.test("open() makes no event before the client takes the one before", async () => {
  const streams = new OpenStreams();
  let made = 0;
  const { response } = streams.open("T2", new AbortController().signal, async function* () {
    for (;;) yield `data: ${++made}\n\n`;
  });
  const reader = response.body?.getReader();
  await reader?.read();
  await reader?.read();
  await pause(1, new AbortController().signal);
  assertEquals(made, 2);
  await reader?.cancel();
  assertEquals(streams.size, 0);
});

Deno.test("open() ends a stream by its signal, by close() and by the client", async () => {
  const streams = new OpenStreams();
  const stop = new AbortController();
  const bySignal = streams.open("T2", stop.signal, waiting).response.text();
  const second = streams.open("T2", new AbortController().signal, waiting);
  const byClose = second.response.text();
  const third = streams.open("T2", new AbortController().signal, waiting).response;
  assertEquals(streams.size, 3);
  stop.abort();
  second.close();
  await third.body?.cancel();
  assertEquals([await bySignal, await byClose], ["data: first\n\n", "data: first\n\n"]);
  assertEquals(streams.size, 0);
});

Deno.test("open() refuses streams beyond the limits per caller and in total", async () => {
  const streams = new OpenStreams();
  const stop = new AbortController();
  const bodies: Promise<string>[] = [];
  const open = (by: string) =>
    void bodies.push(streams.open(by, stop.signal, waiting).response.text());
  for (let i = 0; i < MAX_STREAMS_PER_CALLER; i++) open("T2");
  assertThrows(() => open("T2"), { name: "Problem", status: 429 });
  for (let i = MAX_STREAMS_PER_CALLER; i < MAX_STREAMS; i++) open(`cap:/home/${i}`);
  assertThrows(() => open("T3"), { name: "Problem", status: 503 });
  stop.abort();
  await Promise.all(bodies);
  assertEquals(streams.size, 0);
});
