import { assert, assertEquals, assertStrictEquals, assertThrows } from "../../support/assert.ts";
import { MAX_CELL_FRAME_BYTES, MAX_CELL_HEAD_BYTES } from "../../../lib/cell_limits.ts";
import {
  type Frame,
  FrameReader,
  FrameWriter,
  ProtocolError,
  readCount,
  readText,
  SIDE,
  splitHead,
  VERB,
} from "../../../lib/plugin/wire/frames.ts";
import { createRandom } from "../../support/random.ts";

function readAll(bytes: Uint8Array<ArrayBuffer>, sizes: () => number): Frame[] {
  const frames: Frame[] = [];
  const reader = new FrameReader();
  for (let at = 0; at < bytes.length;) {
    const piece = bytes.slice(at, at + sizes());
    at += piece.length;
    reader.push(piece, (frame) => frames.push({ ...frame, payload: frame.payload.slice() }));
    piece.fill(0xff);
  }
  return frames;
}

Deno.test("FrameReader returns the frames that FrameWriter wrote for pieces of any size", () => {
  const seed = Number(Deno.env.get("SEED") ?? Date.now() % 1e9);
  console.log(`seed ${seed}`);
  const next = createRandom(seed);
  for (let round = 0; round < 50; round++) {
    const writer = new FrameWriter();
    const expected: [number, number, number, string][] = [];
    for (let i = 0; i < 1 + next() * 20; i++) {
      const verb = 1 + Math.floor(next() * 200);
      const id = Math.floor(next() * 2 ** 32);
      const side = next() < 0.5 ? SIDE.HOST : SIDE.CELL;
      const text = "ü€😀x".repeat(Math.floor(next() ** 4 * 5000));
      writer.writeText(verb, side, id, text);
      expected.push([verb, side, id, text]);
    }
    const most = 1 + Math.floor(next() ** 3 * 5000);
    const frames = readAll(writer.take(), () => 1 + Math.floor(next() * most));
    assertEquals(
      frames.map((frame) => [frame.verb, frame.side, frame.id, readText(frame, Infinity)]),
      expected,
    );
  }
});

Deno.test("FrameReader, splitHead(), readCount() and readText() throw only a ProtocolError for random bytes", () => {
  const seed = Number(Deno.env.get("SEED") ?? Date.now() % 1e9);
  console.log(`seed ${seed}`);
  const next = createRandom(seed);
  for (let round = 0; round < 2000; round++) {
    const noise = new Uint8Array(4 + next() * 200).map(() => next() * 256);
    // Often a valid length, so that payloads are read too.
    if (next() < 0.7) noise.set([noise.length - 4, 0, 0, 0]);
    try {
      new FrameReader().push(noise, (frame) => {
        for (const read of [splitHead, readCount, (f: Frame) => readText(f, 10)]) {
          try {
            read(frame);
          } catch (error) {
            assert(error instanceof ProtocolError, String(error));
          }
        }
      });
    } catch (error) {
      assert(error instanceof ProtocolError, String(error));
    }
  }
});

Deno.test("FrameReader accepts the longest frame and refuses a longer or shorter one by its length", () => {
  const at = (size: number) => {
    const bytes = new Uint8Array(10);
    new DataView(bytes.buffer).setUint32(0, size, true);
    return bytes;
  };
  new FrameReader().push(at(MAX_CELL_FRAME_BYTES), () => {});
  assertThrows(
    () => new FrameReader().push(at(MAX_CELL_FRAME_BYTES + 1), () => {}),
    ProtocolError,
  );
  assertThrows(() => new FrameReader().push(at(5), () => {}), ProtocolError);
});

Deno.test("splitHead() refuses a head that is longer than its frame or than MAX_CELL_HEAD_BYTES", () => {
  for (const length of [11, MAX_CELL_HEAD_BYTES + 1, 0xffff_ffff]) {
    const payload = new Uint8Array(14);
    new DataView(payload.buffer).setUint32(0, length, true);
    assertThrows(
      () => splitHead({ verb: VERB.REQUEST, side: 0, id: 1, payload }),
      ProtocolError,
    );
  }
});

Deno.test("splitHead() returns the parsed head and the body", () => {
  const writer = new FrameWriter();
  writer.writeHead(VERB.REQUEST, SIDE.HOST, 1, "[1]", new Uint8Array([1, 2, 3]));
  let found: { head: unknown; body: Uint8Array } | undefined;
  new FrameReader().push(writer.take(), (frame) => found = splitHead(frame));
  assertEquals(found, { head: [1], body: new Uint8Array([1, 2, 3]) });
});

Deno.test("readCount() refuses a payload that is not four bytes long", () => {
  assertThrows(
    () => readCount({ verb: VERB.CREDIT, side: 0, id: 1, payload: new Uint8Array(3) }),
    ProtocolError,
  );
});

Deno.test("FrameWriter.take() returns bytes that later frames do not change", () => {
  const writer = new FrameWriter();
  writer.writeText(VERB.LOG, SIDE.CELL, 0, "first");
  const first = writer.take();
  const copy = first.slice();
  writer.writeText(VERB.LOG, SIDE.CELL, 0, "other");
  assertEquals(first, copy);
  assertStrictEquals(writer.take().length, copy.length);
});

Deno.test("readText() escapes line breaks, control characters and bidirectional marks", () => {
  const sent = "a\nb\r\u001b[2J\u0085\u2028\u202e\u2066\u007f\tc \u00e9";
  const writer = new FrameWriter();
  writer.writeText(VERB.LOG, SIDE.CELL, 0, sent);
  let shown = "";
  new FrameReader().push(writer.take(), (frame) => shown = readText(frame, 1000));
  const escapes = "a\\nb\\u000d\\u001b[2J\\u0085\\u2028\\u202e\\u2066\\u007f";
  assertEquals(shown, `${escapes}\tc \u00e9`);
});
