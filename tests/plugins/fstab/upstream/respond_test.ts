import { assertEquals, assertMatch, assertRejects } from "../../../support/assert.ts";
import { HeldBody } from "../../../../plugins/fstab/upstream/held_body.ts";
import { readUpstream } from "../../../../plugins/fstab/upstream/respond.ts";
import type { Mount } from "../../../../plugins/kit/mount_table.ts";
import { mountRequest } from "../memory_files.ts";

const BASE = new URL("https://h.example/v1");
const BEARER = "bearer-of-the-mount";
const MOUNT: Mount = {
  name: "api",
  line: 1,
  mode: "ro",
  kind: "https",
  base: BASE,
  bearer: BEARER,
  timeoutMs: 20,
};

/** Sends a request to a mounted server that answers so. Afterwards nothing may be held. */
async function send(
  answer: Response | ((signal: AbortSignal | null | undefined) => Promise<Response>),
  init: RequestInit = {},
): Promise<{ status: number; headers: Headers; text: string }> {
  const original = globalThis.fetch;
  globalThis.fetch = (_input, { signal } = {}) =>
    answer instanceof Response ? Promise.resolve(answer) : answer(signal);
  try {
    const response = await readUpstream(mountRequest("/mnt/api/x", init, {}, MOUNT), BASE);
    const { status, headers } = response;
    return { status, headers, text: await response.text() };
  } finally {
    globalThis.fetch = original;
    assertEquals(HeldBody.total, 0);
  }
}

Deno.test("readUpstream() sends the content with the server's entity tag", async () => {
  const { status, headers, text } = await send(
    new Response("nine", { status: 201, headers: { "etag": 'W/"9"', "set-cookie": "a=b" } }),
  );
  assertEquals([status, text, headers.get("content-length")], [200, "nine", "4"]);
  assertEquals([headers.get("etag"), headers.get("x-mount-version")], ['W/"9"', 'etag:W/"9"']);
  assertEquals(headers.get("set-cookie"), null);
});

Deno.test("readUpstream() makes an entity tag of the content if the server sent none", async () => {
  const { headers } = await send(new Response("hello"));
  assertMatch(headers.get("etag") ?? "", /^"[0-9a-f]{16}\.5"$/);
  assertEquals(headers.get("x-mount-version"), "len=5;head=68656c6c6f");
  const again = { headers: { "if-none-match": headers.get("etag") ?? "" } };
  assertEquals((await send(new Response("hello"), again)).status, 304);
});

Deno.test("readUpstream() passes 304 and 204 on, and answers HEAD without content", async () => {
  const etag = { headers: { etag: '"9"' } };
  assertEquals((await send(new Response(null, { status: 304, ...etag }))).status, 304);
  assertEquals((await send(new Response(null, { status: 204 }))).status, 204);
  const head = await send(new Response("nine", etag), { method: "HEAD" });
  assertEquals([head.status, head.headers.get("content-length"), head.text], [200, "4", ""]);
});

Deno.test("readUpstream() throws the problem of a response that is not a success", async () => {
  for (const [status, becomes] of [[404, 404], [500, 502], [206, 502]]) {
    await assertRejects(send(new Response("no", { status: status ?? 0 })), { status: becomes });
  }
});

Deno.test("readUpstream() refuses a response that contains the mount's bearer", async () => {
  await assertRejects(send(new Response(`you sent ${BEARER}`)), { status: 502 });
  await assertRejects(send(new Response("x", { headers: { etag: `"${BEARER}"` } })), {
    status: 502,
  });
  await assertRejects(send(new Response(BEARER, { status: 404 })), { status: 502 });
});

Deno.test("readUpstream() throws gateway-timeout, or bad-gateway if the connection fails", async () => {
  const silent = (signal: AbortSignal | null | undefined) =>
    new Promise<Response>((_, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
  await assertRejects(send(silent), {
    status: 504,
    message: "Cannot read /mnt/api/x: its server sent no complete response within 0.02 s",
  });
  await assertRejects(send(() => Promise.reject(new TypeError("refused"))), { status: 502 });
});
