import { assertEquals, assertMatch, assertRejects, assertThrows } from "../../support/assert.ts";
import { parseSourcePath, readSource, readSourceTag } from "../../../plugins/semantic/source.ts";
import { sha256Hex } from "../../../plugins/kit/sha256.ts";
import { FakeServer } from "./fake_server.ts";

Deno.test("parseSourcePath() returns the path of a world or a mounted file", () => {
  for (const path of ["/home/x", "/etc/motd", "/mnt/docs/a.txt", "/lib/semantic"]) {
    assertEquals(parseSourcePath(`/shaped${path}`), path);
  }
});

Deno.test("parseSourcePath() refuses every other path", () => {
  for (const path of ["", "/", "/dev/gpu", "/proc/status", "/shaped/home/x", "/stream/home/x"]) {
    assertThrows(() => parseSourcePath(`/shaped${path}`), { status: 404 }, path);
  }
});

Deno.test("readSourceTag() uses the tag that the server passed, without a request", async () => {
  const server = new FakeServer();
  const tag = '"3-0123456789abcdef.raw"';
  assertEquals(await readSourceTag({ fetch: server.fetch, tag }, "/home/x"), tag);
  assertEquals(server.sent.length, 0);
});

Deno.test("readSourceTag() requests the tag of a world with HEAD", async () => {
  const server = new FakeServer();
  server.put("/home/x", "text");
  const tag = await readSourceTag({ fetch: server.fetch, tag: '"other"' }, "/home/x");
  assertMatch(tag ?? "", /^"1-[\da-f]{16}\.raw"$/);
  assertEquals(server.count("HEAD", "/home/x?raw"), 1);
});

Deno.test("readSourceTag() returns undefined for a mounted file and for an unknown tag", async () => {
  const server = new FakeServer();
  assertEquals(await readSourceTag(server, "/mnt/docs/x"), undefined);
  server.responses.set("HEAD /lib/x", () => new Response(null, { headers: { etag: '"1"' } }));
  assertEquals(await readSourceTag(server, "/lib/x"), undefined);
});

Deno.test("readSourceTag() throws the problem of a direct read", async () => {
  const server = new FakeServer();
  await assertRejects(readSourceTag(server, "/home/absent"), {
    status: 404,
    message: "Cannot read /home/absent: it does not exist",
  });
});

Deno.test("readSource() reads a world and its entity tag", async () => {
  const server = new FakeServer();
  server.put("/home/x", "text");
  const { text, tag, cut } = await readSource(server.fetch, "/home/x", 100);
  assertEquals([text, cut], ["text", undefined]);
  assertEquals(tag, await readSourceTag(server, "/home/x"));
});

Deno.test("readSource() names the bytes of a mounted file by their hash", async () => {
  const server = new FakeServer();
  server.put("/mnt/x", "text");
  assertEquals(await readSource(server.fetch, "/mnt/x", 100), {
    text: "text",
    tag: await sha256Hex("text"),
  });
});

Deno.test("readSource() cuts a long source and leaves out an incomplete character", async () => {
  const server = new FakeServer();
  server.put("/mnt/x", "ääää");
  assertEquals(await readSource(server.fetch, "/mnt/x", 3), {
    text: "ä",
    tag: `${await sha256Hex(new TextEncoder().encode("ää").slice(0, 3))}+`,
    cut: "3/8",
  });
});

Deno.test("readSource() does not cut a source that has exactly the limit", async () => {
  const server = new FakeServer();
  server.put("/mnt/x", "abc");
  assertEquals((await readSource(server.fetch, "/mnt/x", 3)).cut, undefined);
  assertEquals((await readSource(server.fetch, "/mnt/x", 2)).cut, "2/3");
});

Deno.test("readSource() reports an unknown length as *", async () => {
  const server = new FakeServer();
  server.responses.set("GET /mnt/x", () => new Response("abc"));
  assertEquals((await readSource(server.fetch, "/mnt/x", 2)).cut, "2/*");
});

Deno.test("readSource() refuses bytes that are not text, and an empty text", async () => {
  const server = new FakeServer();
  const rows: [body: Uint8Array<ArrayBuffer>, status: number][] = [
    [new Uint8Array([0x89, 0x50, 0xff]), 415],
    [new Uint8Array([0x61, 0]), 415],
    [new Uint8Array([0xc3]), 415],
    [new TextEncoder().encode(" \n"), 422],
    [new Uint8Array(), 422],
  ];
  for (const [body, status] of rows) {
    server.put("/mnt/x", body);
    await assertRejects(readSource(server.fetch, "/mnt/x", 100), { status }, String(body));
  }
});

Deno.test("readSource() throws a problem for an error response without problem details", async () => {
  const server = new FakeServer();
  const headers = { "www-authenticate": "Basic", "retry-after": "5", "x-other": "no" };
  server.responses.set("GET /mnt/x", () => new Response("no", { status: 401, headers }));
  await assertRejects(readSource(server.fetch, "/mnt/x", 100), {
    type: "about:blank",
    status: 401,
    message: "Cannot read /mnt/x: the mount answered 401",
    headers: { "www-authenticate": "Basic", "retry-after": "5" },
  });
  for (const status of [500, 204, 302]) {
    server.responses.set("GET /mnt/x", () => new Response(null, { status }));
    await assertRejects(readSource(server.fetch, "/mnt/x", 100), { status: 502 }, String(status));
  }
});
