import { assertEquals, assertRejects } from "../../../support/assert.ts";
import { HeldBody, readHeldBody } from "../../../../plugins/fstab/upstream/held_body.ts";

const MAX = 5 * 1024 * 1024;

Deno.test("readHeldBody() reads a content of at most 5 MiB and counts it", async () => {
  const body = await readHeldBody(new Response(new Uint8Array(MAX)), "/mnt/api/x");
  assertEquals([body.length, HeldBody.total], [MAX, MAX]);
  body.release();
  body.release();
  assertEquals(HeldBody.total, 0);
});

Deno.test("readHeldBody() throws body-too-large and holds nothing", async () => {
  const stream = () =>
    new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
    });
  const declared = { headers: { "content-length": `${MAX + 1}` } };
  for (const response of [new Response(stream()), new Response(stream(), declared)]) {
    await assertRejects(readHeldBody(response, "/mnt/api/x"), { status: 413 });
    assertEquals(HeldBody.total, 0);
  }
});

Deno.test("readHeldBody() throws unavailable while 128 MiB are held", async () => {
  const held = Array.from({ length: 25 }, () => new HeldBody());
  for (const body of held) body.count(MAX);
  const body = await readHeldBody(new Response(new Uint8Array(3 * 1024 * 1024)), "/mnt/api/x");
  await assertRejects(readHeldBody(new Response("x"), "/mnt/api/x"), {
    status: 503,
    headers: { "retry-after": "1" },
  });
  for (const one of [body, ...held]) one.release();
  assertEquals(HeldBody.total, 0);
});

Deno.test("readHeldBody() refuses an encoding that the runtime does not decode", async () => {
  const response = new Response("x", { headers: { "content-encoding": "compress" } });
  await assertRejects(readHeldBody(response, "/mnt/api/x"), { status: 502 });
});

Deno.test("HeldBody.stream() gives back each piece as it is read", async () => {
  const body = new HeldBody();
  const pieces = ["ab", "c"].map((text) => new TextEncoder().encode(text));
  body.count(3);
  body.fill([...pieces]);
  assertEquals([new TextDecoder().decode(body.bytes()), body.start()], ["abc", pieces[0]]);
  const reader = body.stream().getReader();
  assertEquals((await reader.read()).value, pieces[0]);
  assertEquals(HeldBody.total, 1);
  assertEquals((await reader.read()).value, pieces[1]);
  assertEquals((await reader.read()).done, true);
  assertEquals(HeldBody.total, 0);
});

Deno.test("HeldBody.stream() releases everything if its reader leaves", async () => {
  const body = new HeldBody();
  body.count(3);
  body.fill([new Uint8Array(3)]);
  await body.stream().cancel();
  assertEquals(HeldBody.total, 0);
});
