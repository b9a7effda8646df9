import {
  assert,
  assertEquals,
  assertNotStrictEquals,
  assertStrictEquals,
} from "../../support/assert.ts";
import { GrowingBodies, MIN_GROWING_BYTES } from "../../../lib/world/store/growing_bodies.ts";
import { createRandom } from "../../support/random.ts";

const LONG = new Uint8Array(MIN_GROWING_BYTES).fill(97);
const encoder = new TextEncoder();

function endOf(body: Uint8Array, length: number): string {
  return new TextDecoder().decode(body.subarray(-length));
}

Deno.test("GrowingBodies.append() copies a long content once and then uses the space at its end", () => {
  const bodies = new GrowingBodies();
  const first = bodies.append(LONG, encoder.encode("one"));
  const second = bodies.append(first, encoder.encode("two"));
  assertNotStrictEquals(first.buffer, LONG.buffer);
  assertStrictEquals(second.buffer, first.buffer);
  assertEquals([first.length, second.length], [LONG.length + 3, LONG.length + 6]);
  assertEquals([endOf(LONG, 3), endOf(first, 4), endOf(second, 7)], ["aaa", "aone", "aonetwo"]);
  assert(second.buffer.byteLength <= second.length * 1.25 + 1, "the space is a quarter at most");
});

Deno.test("GrowingBodies.append() never changes a content that was returned before", () => {
  const bodies = new GrowingBodies();
  const first = bodies.append(LONG, encoder.encode("one"));
  // A copy of the world gets the same content, and both are appended to.
  const [here, there] = ["here", "there"].map((text) => bodies.append(first, encoder.encode(text)));
  assert(here !== undefined && there !== undefined);
  assertEquals([endOf(first, 3), endOf(here, 4), endOf(there, 5)], ["one", "here", "there"]);
  assertNotStrictEquals(here.buffer, there.buffer);
});

Deno.test("GrowingBodies.append() does not write behind a part of another buffer", () => {
  const whole = new Uint8Array(2 * MIN_GROWING_BYTES).fill(98);
  const part = whole.subarray(0, MIN_GROWING_BYTES);
  const joined = new GrowingBodies().append(part, encoder.encode("x"));
  assertEquals([endOf(joined, 2), whole[MIN_GROWING_BYTES]], ["bx", 98]);
});

Deno.test("GrowingBodies.append() does not share the buffer of a short content", () => {
  const bodies = new GrowingBodies();
  const joined = bodies.append(encoder.encode("a"), encoder.encode("b"));
  assertEquals([endOf(joined, 2), joined.buffer.byteLength], ["ab", 2]);
});

Deno.test("GrowingBodies.append() returns the joined bytes for random contents and appends", () => {
  const random = createRandom(5);
  const bodies = new GrowingBodies();
  const known: { body: Uint8Array<ArrayBuffer>; copy: Uint8Array }[] = [{ body: LONG, copy: LONG }];
  for (let i = 0; i < 60; i++) {
    const from = known[Math.floor(random() * known.length)];
    assert(from !== undefined);
    const added = new Uint8Array(Math.floor(random() * 9_000)).fill(Math.floor(random() * 256));
    const copy = new Uint8Array(from.copy.length + added.length);
    copy.set(from.copy);
    copy.set(added, from.copy.length);
    known.push({ body: bodies.append(from.body, added), copy });
  }
  for (const { body, copy } of known) assert(body.every((byte, at) => byte === copy[at]));
});
