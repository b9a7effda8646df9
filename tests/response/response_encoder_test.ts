import { assert, assertEquals, assertStrictEquals } from "../support/assert.ts";
import { COMPRESSED_PER_SECOND_BYTES } from "../../lib/limits.ts";
import { ResponseEncoder } from "../../lib/response/response_encoder.ts";

const TEXT = "a line of text that repeats\n".repeat(200);
const HASH = "0123456789abcdef".repeat(4);

function textResponse(text: string, headers: Record<string, string> = {}): Response {
  return new Response(text, {
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "content-length": String(new TextEncoder().encode(text).length),
      ...headers,
    },
  });
}

function ask(acceptEncoding?: string, resource = "/home/x?raw", more: Record<string, string> = {}) {
  const headers = new Headers(more);
  if (acceptEncoding !== undefined) headers.set("accept-encoding", acceptEncoding);
  return { headers, resource };
}

async function gunzip(response: Response): Promise<string> {
  assert(response.body !== null);
  return await new Response(response.body.pipeThrough(new DecompressionStream("gzip"))).text();
}

Deno.test("encode() compresses text, with a tag of its own, its length, and Vary", async () => {
  const encoder = new ResponseEncoder();
  const headers = { etag: '"3-2c26b46b68ffc68f.raw"', "accept-ranges": "bytes", vary: "Accept" };
  const response = await encoder.encode(ask("gzip"), textResponse(TEXT, headers));
  assertEquals(response.headers.get("content-encoding"), "gzip");
  assertEquals(response.headers.get("etag"), '"3-2c26b46b68ffc68f.raw-gzip"');
  assertEquals(response.headers.get("vary"), "Accept, Accept-Encoding");
  assertEquals(response.headers.get("accept-ranges"), null);
  const length = Number(response.headers.get("content-length"));
  const bytes = await response.clone().bytes();
  assertEquals(bytes.length, length);
  assert(length < TEXT.length / 10);
  assertEquals(await gunzip(response), TEXT);
  assertEquals(encoder.compressedBytes, TEXT.length);
});

Deno.test("encode() leaves what must stay as it is, and says when it could differ", async () => {
  const encoder = new ResponseEncoder();
  const rows: [string, Response, string | undefined, string | null][] = [
    ["without Accept-Encoding", textResponse(TEXT), undefined, "Accept-Encoding"],
    ["refused", textResponse(TEXT), "gzip;q=0", "Accept-Encoding"],
    ["short", textResponse("short"), "gzip", null],
    [
      "without a length",
      new Response(TEXT, { headers: { "content-type": "text/plain" } }),
      "gzip",
      null,
    ],
    ["an image", textResponse(TEXT, { "content-type": "image/png" }), "gzip", null],
    ["events", textResponse(TEXT, { "content-type": "text/event-stream" }), "gzip", null],
    ["encoded", textResponse(TEXT, { "content-encoding": "br" }), "gzip", null],
    [
      "a part",
      new Response(TEXT, { status: 206, headers: textResponse(TEXT).headers }),
      "gzip",
      null,
    ],
    [
      "an error",
      new Response(TEXT, { status: 404, headers: textResponse(TEXT).headers }),
      "gzip",
      null,
    ],
  ];
  for (const [what, response, accept, vary] of rows) {
    const sent = await encoder.encode(ask(accept), response);
    assertStrictEquals(sent, response, what);
    assertEquals(sent.headers.get("vary"), vary, what);
    assertEquals(await sent.text(), await Promise.resolve(what === "short" ? "short" : TEXT), what);
  }
  assertEquals(encoder.compressedBytes, 0);
});

Deno.test("encode() sends what was compressed at build time, of exactly that content", async () => {
  const stored = { br: new Uint8Array([1, 2, 3]), gzip: new Uint8Array([4, 5]) };
  const encoder = new ResponseEncoder(new Map([[HASH, stored]]));
  const etag = `"0-${HASH.slice(0, 16)}.raw"`;
  const rows = [["gzip, br", "br", [1, 2, 3]], ["gzip", "gzip", [4, 5]]] as const;
  for (const [accept, coding, bytes] of rows) {
    const response = encoder.encode(ask(accept), textResponse(TEXT, { etag }));
    assert(response instanceof Response, "no time passes");
    assertEquals(response.headers.get("content-encoding"), coding);
    assertEquals(response.headers.get("etag"), `"0-${HASH.slice(0, 16)}.raw-${coding}"`);
    assertEquals([...await response.bytes()], [...bytes]);
  }
  // Another representation of the same world has other bytes.
  const json = textResponse(TEXT, { etag: `"0-${HASH.slice(0, 16)}.json"` });
  assertEquals(await gunzip(await encoder.encode(ask("br, gzip"), json)), TEXT);
  const changed = textResponse(TEXT, { etag: `"1-${"f".repeat(16)}.raw"` });
  assertEquals((await encoder.encode(ask("br"), changed)).headers.get("content-encoding"), null);
});

Deno.test("encode() compresses content once, also for requests at the same time", async () => {
  const encoder = new ResponseEncoder();
  const send = (resource = "/home/x?raw", version = 1) =>
    encoder.encode(
      ask("gzip", resource),
      textResponse(TEXT, { etag: `"${version}-2c26b46b68ffc68f.raw"` }),
    );
  const together = await Promise.all([send(), send(), send()]);
  for (const response of together) assertEquals(await gunzip(response), TEXT);
  assertEquals(encoder.compressedBytes, TEXT.length);
  const cached = send();
  assert(cached instanceof Response, "no time passes");
  assertEquals(await gunzip(cached), TEXT);
  // Tags are unique per resource only (RFC 9110 §8.8.3).
  await send("/home/y?raw");
  assertEquals(encoder.compressedBytes, 2 * TEXT.length);
  await send("/home/x?raw", 2);
  assertEquals(encoder.compressedBytes, 3 * TEXT.length);
});

Deno.test("encode() without a tag keeps nothing", async () => {
  const encoder = new ResponseEncoder();
  for (const text of [TEXT, TEXT.toUpperCase()]) {
    assertEquals(await gunzip(await encoder.encode(ask("gzip"), textResponse(text))), text);
  }
});

Deno.test("encode() skips what exceeds the bytes per second, and continues a second later", async () => {
  let now = 0;
  const encoder = new ResponseEncoder(new Map(), () => now);
  const large = "x".repeat(COMPRESSED_PER_SECOND_BYTES);
  const first = await encoder.encode(ask("gzip"), textResponse(large));
  assertEquals(first.headers.get("content-encoding"), "gzip");
  const second = textResponse(TEXT);
  assertStrictEquals(encoder.encode(ask("gzip"), second), second);
  assertEquals([second.headers.get("vary"), encoder.skipped], ["Accept-Encoding", 1]);
  now += 1000;
  const third = await encoder.encode(ask("gzip"), textResponse(TEXT));
  assertEquals(third.headers.get("content-encoding"), "gzip");
});

Deno.test("encode() gives a 304 the tag that the client has", () => {
  const encoder = new ResponseEncoder();
  const etag = '"3-2c26b46b68ffc68f.raw"';
  const sent = '"3-2c26b46b68ffc68f.raw-gzip"';
  const notModified = () => new Response(null, { status: 304, headers: { etag } });
  for (const [ifNoneMatch, expected] of [[sent, sent], [etag, etag], ["*", etag], ['"3"', etag]]) {
    const request = ask("gzip", "/", { "if-none-match": ifNoneMatch ?? "" });
    const response = encoder.encode(request, notModified());
    assert(response instanceof Response);
    assertEquals(response.headers.get("etag"), expected ?? "");
  }
});
