import { assertEquals, assertThrows } from "../support/assert.ts";
import { isFullPiece, openPieceReader } from "../../lib/base/piece_reader.ts";

/** A byte stream that fills each read. */
function endless(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      const view = controller.byobRequest?.view;
      controller.byobRequest?.respond(view?.byteLength ?? 0);
    },
  });
}

Deno.test("openPieceReader() reads longer pieces while the stream fills them", async () => {
  const reader = openPieceReader(endless(), 2048, 512);
  const lengths = new Set<number | undefined>();
  for (let i = 0; i < 60; i++) {
    const { value, asked } = await reader.read();
    assertEquals(value?.length, asked);
    assertEquals(value?.buffer.byteLength, 2048);
    lengths.add(asked);
  }
  assertEquals([...lengths], [512, 1024, 2048]);
  await reader.cancel("enough");
});

Deno.test("openPieceReader() reads short pieces of a stream that has them", async () => {
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    type: "bytes",
    start(controller) {
      for (let i = 0; i < 40; i++) controller.enqueue(Uint8Array.of(i));
      controller.close();
    },
  });
  const reader = openPieceReader(stream, 2048, 1);
  assertEquals((await reader.read()).asked, 1);
});

Deno.test("openPieceReader() reads a stream without bytes, and refuses a locked one", async () => {
  const stream = ReadableStream.from([Uint8Array.of(1, 2)]);
  const reader = openPieceReader(stream, 1);
  assertEquals((await reader.read()).value, Uint8Array.of(1, 2));
  assertThrows(() => openPieceReader(stream, 1), TypeError);
});

Deno.test("isFullPiece() allows for the framing of a chunk", () => {
  assertEquals(isFullPiece(496, 512), true);
  assertEquals(isFullPiece(495, 512), false);
});
