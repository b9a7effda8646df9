import { assert, assertEquals } from "../support/assert.ts";
import { BufferBudget } from "../../lib/http/buffer_budget.ts";
import { EventStream, type StreamEnd } from "../../lib/http/event_stream.ts";
import { splitIntoPieces } from "../../lib/http/pieces.ts";
import { encodeComment, encodeEvent } from "../../lib/http/sse.ts";
import { STREAM_PIECE_BYTES } from "../../lib/limits.ts";

const decoder = new TextDecoder();

function text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

Deno.test("EventStream delivers events in order, sent before or after the reader waits", async () => {
  const stream = new EventStream();
  const reader = stream.readable.getReader();
  assert(stream.send(splitIntoPieces(encodeComment("a"))));
  assert(stream.send(splitIntoPieces(encodeComment("b"))));
  assertEquals(text((await reader.read()).value ?? new Uint8Array()), ": a\n\n");
  assertEquals(text((await reader.read()).value ?? new Uint8Array()), ": b\n\n");
  const waiting = reader.read();
  await Promise.resolve();
  assert(stream.send(splitIntoPieces(encodeComment("c"))));
  assertEquals(text((await waiting).value ?? new Uint8Array()), ": c\n\n");
  assertEquals(stream.lagBytes, 0);
  await reader.cancel();
});

Deno.test("EventStream keeps a reader up to the limit and disconnects it one byte later", async () => {
  const ends: StreamEnd[] = [];
  const stream = new EventStream({ onClose: (end) => ends.push(end), limit: 10 });
  assert(stream.send(splitIntoPieces(new Uint8Array(4))));
  assert(stream.send(splitIntoPieces(new Uint8Array(6))));
  assertEquals(stream.lagBytes, 10);
  assertEquals(stream.send(splitIntoPieces(new Uint8Array(1))), false);
  assertEquals([ends, stream.isOpen, stream.lagBytes], [["lagged"], false, 0]);
  assertEquals(stream.send(splitIntoPieces(new Uint8Array(1))), false);
  assertEquals(await stream.readable.getReader().read(), { done: true, value: undefined });
  assertEquals(ends, ["lagged"]);
});

Deno.test("EventStream keeps a reader that catches up", async () => {
  const stream = new EventStream({ limit: 10 });
  const reader = stream.readable.getReader();
  for (let i = 0; i < 100; i++) {
    assert(stream.send(splitIntoPieces(new Uint8Array(10))));
    assertEquals((await reader.read()).value?.length, 10);
  }
  await reader.cancel();
});

Deno.test("EventStream sends one event larger than the limit to a reader without lag", async () => {
  const stream = new EventStream({ limit: 10 });
  assert(stream.send(splitIntoPieces(new Uint8Array(50))));
  assertEquals(stream.send(splitIntoPieces(new Uint8Array(1))), false);
  assertEquals((await stream.readable.getReader().read()).done, true);
});

Deno.test("EventStream calls onClose once if the reader cancels", async () => {
  const ends: StreamEnd[] = [];
  const stream = new EventStream({ onClose: (end) => ends.push(end) });
  stream.send(splitIntoPieces(new Uint8Array(5)));
  await stream.readable.cancel();
  assertEquals([ends, stream.isOpen, stream.lagBytes], [["cancelled"], false, 0]);
  assertEquals(stream.send(splitIntoPieces(new Uint8Array(1))), false);
  stream.close();
  assertEquals(ends, ["cancelled"]);
});

Deno.test("EventStream.close() delivers what is queued, then ends the stream", async () => {
  const ends: StreamEnd[] = [];
  const stream = new EventStream({ onClose: (end) => ends.push(end) });
  stream.send(splitIntoPieces(new Uint8Array(1)));
  stream.send(splitIntoPieces(new Uint8Array(2)));
  stream.close();
  stream.close();
  assertEquals(ends, ["closed"]);
  assertEquals(stream.send(splitIntoPieces(new Uint8Array(3))), false);
  const reader = stream.readable.getReader();
  assertEquals((await reader.read()).value?.length, 1);
  assertEquals((await reader.read()).value?.length, 2);
  assertEquals((await reader.read()).done, true);
});

Deno.test("EventStream.close() ends a pending read", async () => {
  const stream = new EventStream();
  const waiting = stream.readable.getReader().read();
  stream.close();
  assertEquals(await waiting, { done: true, value: undefined });
});

Deno.test("EventStream calls onClose once if a closed stream is cancelled before it is read", async () => {
  const ends: StreamEnd[] = [];
  const stream = new EventStream({ onClose: (end) => ends.push(end) });
  stream.send(splitIntoPieces(new Uint8Array(1)));
  stream.close();
  await stream.readable.cancel();
  assertEquals(ends, ["closed"]);
});

Deno.test("EventStream can be closed from its own onClose", () => {
  const ends: StreamEnd[] = [];
  const stream: EventStream = new EventStream({
    limit: 1,
    onClose: (end) => {
      ends.push(end);
      stream.close();
      stream.send(splitIntoPieces(new Uint8Array(1)));
    },
  });
  stream.send(splitIntoPieces(new Uint8Array(1)));
  stream.send(splitIntoPieces(new Uint8Array(1)));
  assertEquals(ends, ["lagged"]);
});

Deno.test("EventStream detects over HTTP that its reader has disconnected", async () => {
  const left = Promise.withResolvers<StreamEnd>();
  const stream = new EventStream({ onClose: left.resolve });
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
    stream.send(splitIntoPieces(encodeEvent({ data: "hello" })));
    return new Response(stream.readable, { headers: { "content-type": "text/event-stream" } });
  });
  const leave = new AbortController();
  const response = await fetch(`http://127.0.0.1:${server.addr.port}/`, { signal: leave.signal });
  const reader = response.body?.getReader();
  assertEquals(text((await reader?.read())?.value ?? new Uint8Array()), "data: hello\n\n");
  leave.abort();
  assertEquals(await left.promise, "cancelled");
  await server.shutdown();
});

Deno.test("EventStream passes a long event in pieces that do not refer to the whole, and counts the rest as lag", async () => {
  const bytes = new Uint8Array(2 * STREAM_PIECE_BYTES + 1).fill(7);
  const stream = new EventStream();
  stream.send(splitIntoPieces(bytes));
  stream.send(splitIntoPieces(encodeComment("a")));
  stream.close();
  const reader = stream.readable.getReader();
  const lengths: number[] = [];
  for (let { value } = await reader.read(); value !== undefined; { value } = await reader.read()) {
    lengths.push(value.length);
    assertEquals(stream.lagBytes, bytes.length + 5 - lengths.reduce((sum, length) => sum + length));
    assert(value.buffer !== bytes.buffer, "a piece keeps the whole event in memory");
  }
  assertEquals(lengths, [STREAM_PIECE_BYTES, STREAM_PIECE_BYTES, 1, 5]);
});

Deno.test("EventStream.drained() waits until the reader has taken everything, or the stream has ended", async () => {
  const stream = new EventStream();
  assertEquals(stream.drained(), undefined);
  stream.send(splitIntoPieces(new Uint8Array(1)));
  stream.send(splitIntoPieces(new Uint8Array(1)));
  let isDrained = false;
  const drained = stream.drained()?.then(() => isDrained = true);
  const reader = stream.readable.getReader();
  await reader.read();
  assertEquals(isDrained, false);
  await reader.read();
  await drained;
  stream.send(splitIntoPieces(new Uint8Array(1)));
  const ended = stream.drained();
  stream.abort();
  await ended;
  assertEquals(stream.drained(), undefined);
});

Deno.test("EventStream.abort() ends the stream without what is queued", async () => {
  const ends: StreamEnd[] = [];
  const budget = new BufferBudget(1000);
  const stream = new EventStream({ onClose: (end) => ends.push(end), budget });
  stream.send(splitIntoPieces(new Uint8Array(100)));
  assertEquals(budget.bytes, 100);
  stream.abort();
  stream.abort();
  assertEquals([ends, budget.bytes], [["closed"], 0]);
  assertEquals((await stream.readable.getReader().read()).done, true);
});

Deno.test("EventStreams that share a budget disconnect the reader that took nothing for the longest time", async () => {
  const budget = new BufferBudget(100);
  const open = () => {
    const ends: StreamEnd[] = [];
    return { ends, stream: new EventStream({ onClose: (end) => ends.push(end), budget }) };
  };
  const [silent, slow, fast] = [open(), open(), open()];
  const shared = splitIntoPieces(new Uint8Array(40));
  for (const { stream } of [silent, slow, fast]) stream.send(shared);
  assertEquals(budget.bytes, 40);
  await fast.stream.readable.getReader().read();
  slow.stream.send(splitIntoPieces(new Uint8Array(60)));
  assertEquals([budget.bytes, budget.disconnected], [100, 0]);
  fast.stream.send(splitIntoPieces(new Uint8Array(1)));
  assertEquals([silent.ends, slow.ends, fast.ends], [["lagged"], ["lagged"], []]);
  assertEquals([budget.bytes, budget.disconnected], [1, 2]);
  const alone = splitIntoPieces(new Uint8Array(500));
  fast.stream.send(alone);
  assertEquals([fast.ends, budget.bytes], [[], 501]);
  fast.stream.abort();
  assertEquals(budget.bytes, 0);
});
