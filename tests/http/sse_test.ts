import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { encodeComment, encodeEvent, EventStream, type StreamEnd } from "../../lib/http/sse.ts";

const decoder = new TextDecoder();

function text(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Parses events as the WHATWG algorithm specifies, independently of the encoder. */
function interpret(wire: string): { event: string; data: string; id: string }[] {
  const events: { event: string; data: string; id: string }[] = [];
  let [event, data, id] = ["", "", ""];
  for (const line of wire.split(/\r\n|\n|\r/)) {
    if (line === "") {
      if (data !== "") events.push({ event: event || "message", data: data.slice(0, -1), id });
      [event, data] = ["", ""];
      continue;
    }
    const colon = line.indexOf(":");
    if (colon === 0) continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") event = value;
    if (field === "data") data += value + "\n";
    if (field === "id") id = value;
  }
  return events;
}

Deno.test("encodeEvent() writes the fields in order and ends with an empty line", () => {
  assertEquals(
    text(encodeEvent({ event: "update", id: "3", retry: 2000, data: '{"version":3}' })),
    'event: update\nid: 3\nretry: 2000\ndata: {"version":3}\n\n',
  );
  assertEquals(text(encodeEvent({ retry: 0 })), "retry: 0\n\n");
});

Deno.test("encodeEvent() passes any data to a reader, with line breaks as LF", () => {
  for (
    const data of [
      "",
      " leading space",
      "a\nb",
      "a\n\nb\n",
      "\n",
      ": no comment",
      "event: forged",
      "data: x\nid: 9",
      "é✓😀",
      "\ufeffbom",
      "a\u2028b",
    ]
  ) {
    assertEquals(interpret(text(encodeEvent({ event: "update", id: "1", data }))), [
      { event: "update", id: "1", data },
    ]);
  }
  assertEquals(interpret(text(encodeEvent({ data: "a\r\nb\rc\nd" })))[0]?.data, "a\nb\nc\nd");
});

Deno.test("encodeEvent() does not let data forge another field or event", () => {
  for (const end of ["\n", "\r", "\r\n", "\n\n", "\r\r", "\n\r\n"]) {
    const data = `x${end}event: forged${end}id: 666${end}${end}data: forged`;
    const events = interpret(text(encodeEvent({ event: "update", id: "1", data })));
    assertEquals(events.map(({ event, id }) => [event, id]), [["update", "1"]]);
  }
});

Deno.test("encodeEvent() throws for line breaks and NUL in event and id", () => {
  for (const bad of ["a\nb", "a\rb", "a\0b", "\n"]) {
    assertThrows(() => encodeEvent({ event: bad }), /Cannot encode event/);
    assertThrows(() => encodeEvent({ id: bad }), /Cannot encode id/);
  }
});

Deno.test("encodeEvent() throws for a retry that is not a whole number of milliseconds", () => {
  for (const retry of [-1, 1.5, NaN, Infinity]) {
    assertThrows(() => encodeEvent({ retry }), TypeError);
  }
});

Deno.test("encodeComment() is ignored by readers, whatever its text", () => {
  assertEquals(text(encodeComment()), ": \n\n");
  assertEquals(interpret(text(encodeComment("hi\ndata: forged\r\rdata: forged"))), []);
});

Deno.test("EventStream delivers events in order, sent before or after the reader waits", async () => {
  const stream = new EventStream();
  const reader = stream.readable.getReader();
  assert(stream.send(encodeComment("a")));
  assert(stream.send(encodeComment("b")));
  assertEquals(text((await reader.read()).value ?? new Uint8Array()), ": a\n\n");
  assertEquals(text((await reader.read()).value ?? new Uint8Array()), ": b\n\n");
  const waiting = reader.read();
  await Promise.resolve();
  assert(stream.send(encodeComment("c")));
  assertEquals(text((await waiting).value ?? new Uint8Array()), ": c\n\n");
  assertEquals(stream.lagBytes, 0);
  await reader.cancel();
});

Deno.test("EventStream keeps a reader up to the limit and disconnects it one byte later", async () => {
  const ends: StreamEnd[] = [];
  const stream = new EventStream((end) => ends.push(end), 10);
  assert(stream.send(new Uint8Array(4)));
  assert(stream.send(new Uint8Array(6)));
  assertEquals(stream.lagBytes, 10);
  assertEquals(stream.send(new Uint8Array(1)), false);
  assertEquals([ends, stream.isOpen, stream.lagBytes], [["lagged"], false, 0]);
  assertEquals(stream.send(new Uint8Array(1)), false);
  assertEquals(await stream.readable.getReader().read(), { done: true, value: undefined });
  assertEquals(ends, ["lagged"]);
});

Deno.test("EventStream keeps a reader that catches up", async () => {
  const stream = new EventStream(undefined, 10);
  const reader = stream.readable.getReader();
  for (let i = 0; i < 100; i++) {
    assert(stream.send(new Uint8Array(10)));
    assertEquals((await reader.read()).value?.length, 10);
  }
  await reader.cancel();
});

Deno.test("EventStream sends one event larger than the limit to a reader without lag", async () => {
  const stream = new EventStream(undefined, 10);
  assert(stream.send(new Uint8Array(50)));
  assertEquals(stream.send(new Uint8Array(1)), false);
  assertEquals((await stream.readable.getReader().read()).done, true);
});

Deno.test("EventStream calls onClose once if the reader cancels", async () => {
  const ends: StreamEnd[] = [];
  const stream = new EventStream((end) => ends.push(end));
  stream.send(new Uint8Array(5));
  await stream.readable.cancel();
  assertEquals([ends, stream.isOpen, stream.lagBytes], [["cancelled"], false, 0]);
  assertEquals(stream.send(new Uint8Array(1)), false);
  stream.close();
  assertEquals(ends, ["cancelled"]);
});

Deno.test("EventStream.close() delivers what is queued, then ends the stream", async () => {
  const ends: StreamEnd[] = [];
  const stream = new EventStream((end) => ends.push(end));
  stream.send(new Uint8Array(1));
  stream.send(new Uint8Array(2));
  stream.close();
  stream.close();
  assertEquals(ends, ["closed"]);
  assertEquals(stream.send(new Uint8Array(3)), false);
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
  const stream = new EventStream((end) => ends.push(end));
  stream.send(new Uint8Array(1));
  stream.close();
  await stream.readable.cancel();
  assertEquals(ends, ["closed"]);
});

Deno.test("EventStream can be closed from its own onClose", () => {
  const ends: StreamEnd[] = [];
  const stream: EventStream = new EventStream((end) => {
    ends.push(end);
    stream.close();
    stream.send(new Uint8Array(1));
  }, 1);
  stream.send(new Uint8Array(1));
  stream.send(new Uint8Array(1));
  assertEquals(ends, ["lagged"]);
});

Deno.test("EventStream detects over HTTP that its reader has disconnected", async () => {
  const left = Promise.withResolvers<StreamEnd>();
  const stream = new EventStream(left.resolve);
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
    stream.send(encodeEvent({ data: "hello" }));
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
