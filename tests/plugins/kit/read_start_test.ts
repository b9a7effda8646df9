import { assertEquals } from "../../support/assert.ts";
import { readStart } from "../../../plugins/kit/read_start.ts";

async function startOf(
  pieces: readonly string[],
  maxBytes: number,
): Promise<[string, boolean, boolean]> {
  let gone = false;
  const encoder = new TextEncoder();
  const rest = [...pieces];
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const piece = rest.shift();
      if (piece === undefined) controller.close();
      else controller.enqueue(encoder.encode(piece));
    },
    cancel() {
      gone = true;
    },
  }, { highWaterMark: 0 });
  const { bytes, whole } = await readStart({ body }, maxBytes);
  return [new TextDecoder().decode(bytes), whole, gone];
}

Deno.test("readStart() returns a short body as a whole", async () => {
  assertEquals(await startOf(["ab", "cd"], 4), ["abcd", true, false]);
  assertEquals(await startOf([], 4), ["", true, false]);
});

Deno.test("readStart() cuts a long body at the limit and cancels the rest", async () => {
  assertEquals(await startOf(["ab", "cde", "f"], 4), ["abcd", false, true]);
  assertEquals(await startOf(["abcd", "e"], 4), ["abcd", false, true]);
});

Deno.test("readStart() returns no bytes for a message without a body", async () => {
  assertEquals(await readStart({ body: null }, 4), { bytes: new Uint8Array(), whole: true });
});
