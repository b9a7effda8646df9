/** Tests of the search of bytes. */
import { assertEquals } from "../../support/assert.ts";
import { findBytes } from "../../../lib/world/edit/find_bytes.ts";
import { createRandom } from "../../support/random.ts";

const encoder = new TextEncoder();

Deno.test("findBytes() finds what a simple search finds", () => {
  for (let seed = 1; seed <= 500; seed++) {
    const random = createRandom(seed);
    const text = Array.from({ length: 60 }, () => "abé"[Math.floor(random() * 3)]).join("");
    const at = Math.floor(random() * 50);
    const part = text.slice(at, at + 1 + Math.floor(random() * 6));
    const [where, what] = [encoder.encode(text), encoder.encode(part)];
    const expected = [...where.keys()].filter((i) =>
      what.every((byte, j) => where[i + j] === byte)
    );
    assertEquals(findBytes(where, what, 1000), expected, `seed ${seed}`);
    assertEquals(findBytes(where, what, 1), expected.slice(0, 1), `seed ${seed}`);
  }
});
