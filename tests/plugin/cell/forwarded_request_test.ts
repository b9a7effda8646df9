import { assert, assertEquals } from "../../support/assert.ts";
import { CELL_CHUNK_BYTES } from "../../../lib/cell_limits.ts";
import {
  CONNECTION_HEADERS,
  forwardedBody,
  forwardedHeaders,
} from "../../../lib/plugin/cell/forwarded_request.ts";

Deno.test("forwardedHeaders() removes credentials and connection headers", () => {
  const headers = new Headers({
    accept: "text/html",
    authorization: "Bearer secret",
    cookie: "a=b",
  });
  headers.set("proxy-authorization", "Basic secret");
  for (const name of CONNECTION_HEADERS) headers.set(name, "x");
  assertEquals(forwardedHeaders(headers), ["accept", "text/html"]);
  assertEquals(forwardedHeaders(new Headers({ accept: "x", host: "y" })), [
    "accept",
    "x",
    "host",
    "y",
  ]);
  assertEquals(forwardedHeaders(new Headers()), []);
});

Deno.test("forwardedHeaders() keeps repeated headers", () => {
  const headers = new Headers([["set-cookie", "a=1"], ["set-cookie", "b=2"], ["te", "x"]]);
  assertEquals(forwardedHeaders(headers), ["set-cookie", "a=1", "set-cookie", "b=2"]);
});

Deno.test("forwardedBody() returns bytes for a short body, a stream for a long one and null for none", async () => {
  const post = (body: string | null, length?: number) =>
    forwardedBody(
      new Request("http://localhost/", {
        method: "POST",
        body,
        headers: length === undefined ? {} : { "content-length": String(length) },
      }),
    );
  assertEquals(await post(null), null);
  assertEquals(await post("abc", 3), new TextEncoder().encode("abc"));
  assertEquals(await post("", 0), new Uint8Array(0));
  assert(await post("abc") instanceof ReadableStream);
  assert(await post("abc", CELL_CHUNK_BYTES + 1) instanceof ReadableStream);
});
