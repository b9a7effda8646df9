import { assert, assertEquals, assertMatch, assertRejects, fail } from "../../support/assert.ts";
import { CELL_CHUNK_BYTES, CELL_WINDOW_BYTES } from "../../../lib/cell_limits.ts";
import { type BodySink, InboundBody, OutboundBody } from "../../../lib/plugin/wire/body_flow.ts";

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}

Deno.test("OutboundBody sends pieces up to its credit and continues when it gets more", async () => {
  const sizes: number[] = [];
  let ended = false;
  const source = new ReadableStream({
    start(controller) {
      controller.enqueue(new Uint8Array(CELL_WINDOW_BYTES + 1));
      controller.close();
    },
  });
  const out = new OutboundBody(source, {
    onChunk: (bytes) => sizes.push(bytes.length),
    onEnd: () => ended = true,
    onError: (error) => fail(String(error)),
  });
  await turns();
  assertEquals(sizes, Array(CELL_WINDOW_BYTES / CELL_CHUNK_BYTES).fill(CELL_CHUNK_BYTES));
  assert(!ended);
  out.addCredit(1);
  await turns();
  assertEquals(sizes.at(-1), 1);
  assert(ended);
});

Deno.test("OutboundBody.cancel() cancels the source and calls the sink no more", async () => {
  let reason: unknown;
  const calls: string[] = [];
  const source = new ReadableStream<Uint8Array>({ cancel: (why) => void (reason = why) });
  const out = new OutboundBody(source, {
    onChunk: () => calls.push("chunk"),
    onEnd: () => calls.push("end"),
    onError: () => calls.push("fail"),
  });
  out.cancel(new Error("enough"));
  await turns();
  assertMatch(String(reason), /enough/);
  assertEquals(calls, []);
});

Deno.test("OutboundBody fails if the source yields a value that is not a Uint8Array", async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const text: unknown = "text";
  const source = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(text as Uint8Array), // the wrong type is under test
  });
  new OutboundBody(source, { onChunk: () => {}, onEnd: () => {}, onError: resolve });
  assertMatch(String(await promise), /not a Uint8Array/);
});

Deno.test("InboundBody accepts one window, refuses one byte more, and gives credit as it is read", async () => {
  const granted: number[] = [];
  const body = new InboundBody((bytes) => granted.push(bytes), () => {});
  for (let i = 0; i < CELL_WINDOW_BYTES; i += CELL_CHUNK_BYTES) {
    assert(body.push(new Uint8Array(CELL_CHUNK_BYTES)));
  }
  assert(!body.push(new Uint8Array(1)));
  const reader = body.stream.getReader();
  for (let i = 0; i < 2; i++) await reader.read();
  assertEquals(granted, [CELL_WINDOW_BYTES / 2]);
  await reader.cancel();
});

Deno.test("InboundBody joins short pieces that wait, and keeps their order", async () => {
  const body = new InboundBody(() => {}, () => {});
  const lengths = [1, 1, 1, 5000, 1, 4095, 1, 2];
  const all = Uint8Array.from({ length: 10_000 }, (_, at) => at * 7);
  let at = 0;
  for (const length of lengths) {
    assert(body.push(all.slice(at, at + length)));
    at += length;
  }
  for (let i = 0; i < 100; i++) assert(body.push(all.slice(at++, at)));
  assert(body.end());
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  for await (const piece of body.stream) pieces.push(piece);
  assertEquals(pieces.map(({ length }) => length), [1, 2, 5000, 4096, 103]);
  assertEquals(await new Blob(pieces).bytes(), all.slice(0, at));
});

Deno.test("InboundBody reports its end once, after end(), fail() or a cancelled stream", async () => {
  const over: boolean[] = [];
  const ended = new InboundBody(() => {}, (cancelled) => over.push(cancelled));
  ended.push(new Uint8Array([1]));
  assert(ended.end());
  assert(!ended.end());
  assert(!ended.push(new Uint8Array(1)));
  assertEquals(await new Response(ended.stream).bytes(), new Uint8Array([1]));
  const failed = new InboundBody(() => {}, (cancelled) => over.push(cancelled));
  failed.push(new Uint8Array([1]));
  failed.fail(new Error("gone"));
  await assertRejects(new Response(failed.stream).bytes(), /gone/);
  const cancelled = new InboundBody(() => {}, (byReader) => over.push(byReader));
  await cancelled.stream.cancel();
  assert(cancelled.push(new Uint8Array(1)));
  assertEquals(over, [false, false, true]);
});

/** A sink that keeps copies, as every sink must. */
function copying(): { sink: BodySink; seen: Uint8Array[]; over: Promise<unknown> } {
  const seen: Uint8Array[] = [];
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const sink: BodySink = {
    onChunk: (bytes) => void seen.push(bytes.slice()),
    onEnd: () => resolve("end"),
    onError: (error) => resolve(error),
  };
  return { sink, seen, over: promise };
}

Deno.test("OutboundBody sends the same bytes of a byte stream and of a default stream with reuse", async () => {
  const bytes = Uint8Array.from({ length: 200_000 }, (_, at) => at * 7);
  const pieces = () => [bytes.slice(0, 3), bytes.slice(3, 150_000), bytes.slice(150_000)];
  for (const type of ["bytes", undefined] as const) {
    const left = pieces();
    const source: UnderlyingDefaultSource<Uint8Array> = {
      pull(controller) {
        const piece = left.shift();
        if (piece === undefined) controller.close();
        else controller.enqueue(piece);
      },
    };
    const stream = type === "bytes"
      ? new Response(new Blob(pieces())).body!
      : new ReadableStream(source);
    const { sink, seen, over } = copying();
    const out = new OutboundBody(stream, {
      ...sink,
      onChunk: (piece) => {
        sink.onChunk(piece);
        queueMicrotask(() => out.addCredit(piece.length));
      },
    }, true);
    assertEquals(await over, "end");
    assertEquals(await new Blob(seen.map((piece) => piece.slice())).bytes(), bytes);
  }
});

Deno.test("OutboundBody reports a failed byte stream and cancels an idle one with reuse", async () => {
  const broken = new ReadableStream({
    type: "bytes",
    pull: () => Promise.reject(new Error("broke off")),
  });
  const { sink, over } = copying();
  new OutboundBody(broken, sink, true);
  assertMatch(String(await over), /broke off/);
  const { promise: cancelled, resolve } = Promise.withResolvers<unknown>();
  const idle = new ReadableStream({ type: "bytes", cancel: resolve });
  const out = new OutboundBody(idle, copying().sink, true);
  out.cancel(new Error("not wanted"));
  assertMatch(String(await cancelled), /not wanted/);
});
