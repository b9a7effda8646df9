import { deepStrictEqual as equal } from "node:assert/strict";
import { drainUnread } from "../../lib/http/drain_body.ts";
import { UNREAD_BODY_BYTES } from "../../lib/limits.ts";

function upload(length: number, headers: Record<string, string> = {}): Request {
  return new Request("https://h/x", {
    method: "PUT",
    body: new Uint8Array(length),
    headers: { "content-length": String(length), ...headers },
  });
}

Deno.test("drainUnread() reads a short body to its end", async () => {
  const request = upload(UNREAD_BODY_BYTES);
  await drainUnread(request);
  equal(request.bodyUsed, true);
  await drainUnread(request);
});

Deno.test("drainUnread() leaves alone what is long, of unknown length, or not of HTTP/2", async () => {
  const unknown = new Request("https://h/x", { method: "PUT", body: new ReadableStream() });
  for (const request of [upload(UNREAD_BODY_BYTES + 1), upload(1, { host: "h" }), unknown]) {
    await drainUnread(request);
    equal(request.bodyUsed, false);
  }
  await drainUnread(new Request("https://h/x"));
});

Deno.test("drainUnread() does not mind a sender that breaks off", async () => {
  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("gone")) });
  await drainUnread(
    new Request("https://h/x", {
      method: "PUT",
      body: broken,
      headers: { "content-length": "5" },
    }),
  );
});
