import { assertEquals } from "../support/assert.ts";
import { readPieces } from "../../lib/http/body_pieces.ts";

/** A byte stream of pieces of one byte that are there at once. */
function bytes(count: number): ReadableStream<Uint8Array> {
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      if (count-- > 0) controller.enqueue(Uint8Array.of(7));
      else controller.close();
      controller.byobRequest?.respond(0);
    },
  });
}

Deno.test("readPieces() reads a byte stream through one buffer", async () => {
  const pieces = readPieces(bytes(3));
  const lengths = [];
  for (;;) {
    const { done, value } = await pieces.read();
    if (done) break;
    lengths.push([value?.length, value?.buffer.byteLength]);
  }
  assertEquals(lengths, [[1, 65536], [1, 65536], [1, 65536]]);
});

Deno.test("readPieces() reports whether a piece had to be waited for", async () => {
  const there = readPieces(bytes(2), true);
  assertEquals((await there.read()).hasWaited, false);
  assertEquals((await there.read()).asked, 512);
  const late = readPieces(
    new ReadableStream({
      type: "bytes",
      async pull(controller) {
        // Two turns of the event loop. A timer could be over before the first one begins.
        for (let turn = 0; turn < 2; turn++) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        controller.enqueue(Uint8Array.of(1));
        controller.byobRequest?.respond(0);
      },
    }),
    true,
  );
  assertEquals((await late.read()).hasWaited, true);
});

Deno.test("readPieces() reads a stream without bytes", async () => {
  const pieces = readPieces(ReadableStream.from([Uint8Array.of(1), Uint8Array.of(2, 3)]));
  assertEquals((await pieces.read()).value, Uint8Array.of(1));
  assertEquals((await pieces.read()).value, Uint8Array.of(2, 3));
  assertEquals((await pieces.read()).done, true);
});

Deno.test("readPieces() lets other work run while pieces are there", async () => {
  const pieces = readPieces(bytes(Infinity));
  let hasRun = false;
  setImmediate(() => hasRun = true);
  while (!hasRun) assertEquals((await pieces.read()).done, false);
});
