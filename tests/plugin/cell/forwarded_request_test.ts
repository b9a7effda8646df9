import { deepStrictEqual as equal, ok } from "node:assert/strict";
import { CELL_CHUNK_BYTES } from "../../../lib/limits.ts";
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
  equal(forwardedHeaders(headers), ["accept", "text/html", "cookie", "a=b"]);
  equal(forwardedHeaders(new Headers({ accept: "x", host: "y" })), ["accept", "x", "host", "y"]);
  equal(forwardedHeaders(new Headers()), []);
});

Deno.test("forwardedHeaders() keeps repeated headers", () => {
  const headers = new Headers([["set-cookie", "a=1"], ["set-cookie", "b=2"], ["te", "x"]]);
  equal(forwardedHeaders(headers), ["set-cookie", "a=1", "set-cookie", "b=2"]);
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
  equal(await post(null), null);
  equal(await post("abc", 3), new TextEncoder().encode("abc"));
  equal(await post("", 0), new Uint8Array(0));
  ok(await post("abc") instanceof ReadableStream);
  ok(await post("abc", CELL_CHUNK_BYTES + 1) instanceof ReadableStream);
});
