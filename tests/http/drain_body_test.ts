import { assertEquals } from "../support/assert.ts";
import { drainBody } from "../../lib/http/drain_body.ts";
import { MAX_DRAINED_BODY_BYTES } from "../../lib/limits.ts";

function upload(length: number, headers: Record<string, string> = {}): Request {
  return new Request("https://h/x", {
    method: "PUT",
    body: new Uint8Array(length),
    headers: { "content-length": String(length), ...headers },
  });
}

Deno.test("drainBody() reads a short body to its end", async () => {
  const request = upload(MAX_DRAINED_BODY_BYTES);
  await drainBody(request);
  assertEquals(request.bodyUsed, true);
  await drainBody(request);
});

Deno.test("drainBody() does not read a long body, one of unknown length, or one over HTTP/1.1", async () => {
  const unknown = new Request("https://h/x", { method: "PUT", body: new ReadableStream() });
  for (const request of [upload(MAX_DRAINED_BODY_BYTES + 1), upload(1, { host: "h" }), unknown]) {
    await drainBody(request);
    assertEquals(request.bodyUsed, false);
  }
  await drainBody(new Request("https://h/x"));
});

Deno.test("drainBody() resolves if the client disconnects", async () => {
  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("gone")) });
  const request = new Request("https://h/x", {
    method: "PUT",
    body: broken,
    headers: { "content-length": "5" },
  });
  assertEquals(await drainBody(request), undefined);
  assertEquals(request.bodyUsed, true);
});
