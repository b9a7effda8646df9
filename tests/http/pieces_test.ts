import { assert, assertEquals } from "../support/assert.ts";
import { splitIntoPieces, streamPart, streamPieces } from "../../lib/http/pieces.ts";
import { STREAM_PIECE_BYTES } from "../../lib/limits.ts";

Deno.test("splitIntoPieces() makes pieces that do not refer to the whole, at the limit and beyond", () => {
  const short = new Uint8Array(STREAM_PIECE_BYTES);
  assertEquals(splitIntoPieces(short)[0], short);
  const long = new Uint8Array(STREAM_PIECE_BYTES + 1).fill(7);
  const pieces = splitIntoPieces(long);
  assertEquals(pieces.map(({ length }) => length), [STREAM_PIECE_BYTES, 1]);
  for (const piece of pieces) assert(piece.buffer !== long.buffer, "it refers to the whole");
});

Deno.test("streamPieces() passes a piece only when it is asked for", async () => {
  const pieces = splitIntoPieces(new Uint8Array(3 * STREAM_PIECE_BYTES));
  const reader = streamPieces(pieces).getReader();
  assertEquals((await reader.read()).value, pieces[0]);
  assertEquals((await reader.read()).value, pieces[1]);
  await reader.cancel();
  assertEquals((await new Response(streamPieces([])).bytes()).length, 0);
});

Deno.test("streamPart() copies one piece at a time, at the limit and beyond", async () => {
  for (const length of [0, 1, STREAM_PIECE_BYTES, STREAM_PIECE_BYTES + 1]) {
    const part = new Uint8Array(length + 2).fill(7).subarray(1, length + 1);
    assertEquals(await new Response(streamPart(part)).bytes(), new Uint8Array(length).fill(7));
  }
  const reader = streamPart(new Uint8Array(3 * STREAM_PIECE_BYTES)).getReader();
  const { value } = await reader.read();
  assertEquals(value?.buffer.byteLength, STREAM_PIECE_BYTES);
  await reader.cancel();
});
