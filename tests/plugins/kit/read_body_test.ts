import { assertEquals, assertRejects } from "../../support/assert.ts";
import { joinPieces, readBody, readPieces } from "../../../plugins/kit/read_body.ts";

class TooLong extends Error {}
const tooLong = (): Error => new TooLong("too long");

/** A body in pieces that notes whether it was cancelled. */
function bodyOf(
  ...pieces: string[]
): { body: ReadableStream<Uint8Array<ArrayBuffer>>; gone: boolean } {
  const encoder = new TextEncoder();
  const source = {
    gone: false,
    body: new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        const piece = pieces.shift();
        if (piece === undefined) controller.close();
        else controller.enqueue(encoder.encode(piece));
      },
      cancel() {
        source.gone = true;
      },
    }, { highWaterMark: 0 }),
  };
  return source;
}

const NO_HEADERS = new Headers();

Deno.test("readBody() returns a body of exactly the limit", async () => {
  const { body } = bodyOf("ab", "cd");
  const bytes = await readBody({ body, headers: NO_HEADERS }, { maxBytes: 4, tooLong });
  assertEquals(new TextDecoder().decode(bytes), "abcd");
});

Deno.test("readBody() stops and cancels a body that is longer than the limit", async () => {
  const source = bodyOf("ab", "cde", "f");
  const read = readBody({ body: source.body, headers: NO_HEADERS }, { maxBytes: 4, tooLong });
  await assertRejects(read, TooLong);
  assertEquals(source.gone, true);
});

Deno.test("readBody() refuses by Content-Length before it reads", async () => {
  const source = bodyOf("ab");
  const headers = new Headers({ "content-length": "5" });
  let pieces = 0;
  const onPiece = (): void => void pieces++;
  await assertRejects(
    readBody({ body: source.body, headers }, { maxBytes: 4, tooLong, onPiece }),
    TooLong,
  );
  assertEquals([pieces, source.gone], [0, true]);
});

Deno.test("readBody() returns no bytes for a message without a body", async () => {
  const bytes = await readBody({ body: null, headers: NO_HEADERS }, { maxBytes: 0, tooLong });
  assertEquals(bytes.length, 0);
});

Deno.test("readPieces() calls onPiece before it stores each piece, and stops if that throws", async () => {
  const source = bodyOf("ab", "c", "d");
  const lengths: number[] = [];
  const onPiece = (bytes: number): void => {
    lengths.push(bytes);
    if (lengths.length === 2) throw new RangeError("enough");
  };
  const read = readPieces({ body: source.body, headers: NO_HEADERS }, {
    maxBytes: 9,
    tooLong,
    onPiece,
  });
  await assertRejects(read, RangeError);
  assertEquals([lengths, source.gone], [[2, 1], true]);
});

Deno.test("joinPieces() joins pieces in order", () => {
  const pieces = [new Uint8Array([1, 2]), new Uint8Array(), new Uint8Array([3])];
  assertEquals(joinPieces(pieces), new Uint8Array([1, 2, 3]));
});
