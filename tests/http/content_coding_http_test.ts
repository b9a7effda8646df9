/** Content codings over HTTP: what a client that accepts one gets, keeps and sends back. */

import { assert, assertEquals } from "../support/assert.ts";
import { withServer } from "../support/test_server.ts";

const TEXT = "a line of text that repeats\n".repeat(200);

/** Sends a request without the decoding of `fetch`. */
async function ask(port: number, path: string, headers: Record<string, string>, method = "GET") {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  try {
    const lines = Object.entries({ host: "127.0.0.1", connection: "close", ...headers });
    const head = [
      `${method} ${path} HTTP/1.1`,
      ...lines.map(([name, value]) => `${name}: ${value}`),
    ];
    await connection.write(new TextEncoder().encode(`${head.join("\r\n")}\r\n\r\n`));
    const bytes = await new Response(connection.readable).bytes();
    const text = new TextDecoder("latin1").decode(bytes);
    const end = text.indexOf("\r\n\r\n");
    const [status = "", ...fields] = text.slice(0, end).split("\r\n");
    return {
      status: Number(status.split(" ")[1]),
      headers: new Headers(fields.map((line) => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon), line.slice(colon + 1).trim()];
      })),
      body: bytes.slice(end + 4),
    };
  } catch (error) {
    connection.close();
    throw error;
  }
}

async function gunzip(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(stream).text();
}

Deno.test("text is sent with a coding that the client accepts, with a tag that works everywhere", () =>
  withServer({}, async (server) => {
    const { port } = server;
    await server.approve("PUT", "/home/x.txt", TEXT);
    const plain = await ask(port, "/home/x.txt?raw", {});
    assertEquals(plain.headers.get("content-encoding"), null);
    assertEquals(plain.headers.get("vary"), "Accept-Encoding");
    const path = "/home/x.txt?raw";
    const coded = await ask(port, path, { "accept-encoding": "gzip" });
    assertEquals([coded.status, coded.headers.get("content-encoding")], [200, "gzip"]);
    assertEquals(await gunzip(coded.body), TEXT);
    assertEquals(Number(coded.headers.get("content-length")), coded.body.length);
    const tag = coded.headers.get("etag") ?? "";
    assertEquals(tag, plain.headers.get("etag")?.replace(/"$/, '-gzip"'));

    // HEAD has the headers of GET (RFC 9110 §9.3.2).
    const head = await ask(port, path, { "accept-encoding": "gzip" }, "HEAD");
    for (const name of ["etag", "content-length", "content-encoding", "vary"]) {
      assertEquals(head.headers.get(name), coded.headers.get(name), name);
    }
    assertEquals(head.body.length, 0);
    const unchanged = await ask(port, path, { "accept-encoding": "gzip", "if-none-match": tag });
    assertEquals([unchanged.status, unchanged.headers.get("etag")], [304, tag]);

    // A range is one of the content without a coding.
    const part = await ask(port, path, { "accept-encoding": "gzip", range: "bytes=2-5" });
    assertEquals([part.status, new TextDecoder().decode(part.body)], [206, TEXT.slice(2, 6)]);
    const mixed = await ask(port, path, {
      "accept-encoding": "gzip",
      range: "bytes=2-5",
      "if-range": tag,
    });
    assertEquals([mixed.status, mixed.headers.get("content-encoding")], [200, "gzip"]);

    // A client that read the encoded form can change exactly that version.
    const headers = { authorization: `Bearer ${server.approveToken}`, "if-match": tag };
    const url = `http://127.0.0.1:${port}/home/x.txt`;
    const first = await fetch(url, { method: "PUT", body: "new", headers });
    assertEquals([first.status, await first.json()], [200, { version: 2, ext: "txt" }]);
    const second = await fetch(url, { method: "PUT", body: "again", headers });
    assertEquals(second.status, 412);
    await second.body?.cancel();
  }));

Deno.test("listings, logs and searches are encoded too, and answers about credentials never", () =>
  withServer({}, async (server) => {
    const { port } = server;
    for (let i = 0; i < 60; i++) await server.approve("PUT", `/home/notes/entry-${i}`, `text ${i}`);
    for (
      const path of [
        "/home/notes/",
        "/home/notes/?deep&limit=50",
        "/proc/worlds",
        "/proc/log/home/notes/",
        "/proc/search/home/?q=text",
        "/proc/metrics",
      ]
    ) {
      const found = await ask(port, path, {
        accept: "application/json",
        "accept-encoding": "gzip",
      });
      assertEquals([found.status, found.headers.get("content-encoding")], [200, "gzip"], path);
      const text = await gunzip(found.body);
      assert(text.length >= 1024, path);
    }
    const events = new AbortController();
    const stream = await fetch(`http://127.0.0.1:${port}/stream/home/notes/`, {
      headers: { "accept-encoding": "gzip" },
      signal: events.signal,
    });
    assertEquals(stream.headers.get("content-encoding"), null);
    events.abort();
    await stream.body?.cancel().catch(() => {}); // it was aborted
    const whoami = await ask(port, "/auth/whoami", { "accept-encoding": "gzip" });
    assertEquals(whoami.headers.get("content-encoding"), null);
    assertEquals(whoami.headers.get("vary"), null);
  }));
