import { assertEquals, assertRejects } from "../../support/assert.ts";
import { Problem } from "../../../plugins/kit/problem.ts";
import {
  findKnownTag,
  respondNotModified,
  respondWithoutShape,
  respondWithShape,
  respondWithSource,
} from "../../../plugins/semantic/respond.ts";
import { FakeServer } from "./fake_server.ts";
import { HASH, MODEL, shapeOf } from "./fixtures.ts";
import { shapeRequest } from "./shape_request.ts";

const server = new FakeServer();
server.put("/home/x", "The source.");

Deno.test("respondWithShape() sends the text with its status", async () => {
  const shape = await shapeOf("text");
  for (const status of ["hit", "generated", "shared"] as const) {
    const response = respondWithShape(shapeRequest(server), shape, status);
    assertEquals(await response.text(), "text");
    assertEquals(response.headers.get("x-semantic-cache"), status);
    assertEquals(response.headers.get("etag"), shape.etag);
  }
});

Deno.test("respondWithShape() answers HEAD without a body", async () => {
  const shape = await shapeOf("text");
  const response = respondWithShape(shapeRequest(server, { method: "HEAD" }), shape, "hit");
  assertEquals([response.body, response.headers.get("etag")], [null, shape.etag]);
});

Deno.test("respondWithShape() answers 304 if If-None-Match names the shape", async () => {
  const shape = await shapeOf("text");
  for (const tag of [shape.etag, `W/${shape.etag}`, `"x", ${shape.etag}`, "*"]) {
    const headers = { "if-none-match": tag };
    assertEquals(
      respondWithShape(shapeRequest(server, { headers }), shape, "hit").status,
      304,
      tag,
    );
  }
  const headers = { "if-none-match": '"other"' };
  const response = respondWithShape(shapeRequest(server, { headers }), shape, "hit");
  assertEquals([response.status, await response.text()], [200, "text"]);
});

Deno.test("respondWithShape() streams a shape, also with If-None-Match", async () => {
  const shape = await shapeOf("<p>x</p>", "text/html");
  const options = {
    accept: "text/event-stream, text/html",
    headers: { "if-none-match": shape.etag },
  };
  const response = respondWithShape(shapeRequest(server, options), shape, "hit");
  assertEquals(response.headers.get("content-type"), "text/event-stream");
  assertEquals((await response.text()).startsWith("data: <p>x</p>\n\nevent: done\n"), true);
});

Deno.test("findKnownTag() finds a tag of the same key", () => {
  const own = '"0123456789abcdef-fedcba9876543210"';
  const rows: [ifNoneMatch: string, expected: string | undefined][] = [
    [own, own],
    [`W/${own}`, own],
    [`"x", ${own}`, own],
    ['"0000000000000000-fedcba9876543210"', undefined],
    ["*", undefined],
    ["nonsense", undefined],
    ["x".repeat(10_000), undefined],
  ];
  for (const [ifNoneMatch, expected] of rows) {
    const { request } = shapeRequest(server, { headers: { "if-none-match": ifNoneMatch } });
    assertEquals(findKnownTag(request, HASH), expected, ifNoneMatch.slice(0, 99));
  }
  assertEquals(findKnownTag(shapeRequest(server).request, HASH), undefined);
});

Deno.test("respondNotModified() answers 304 with the tag of the client", () => {
  const response = respondNotModified(shapeRequest(server), MODEL, '"1"');
  assertEquals(
    [response.status, response.headers.get("etag"), response.headers.get("x-semantic-cache")],
    [304, '"1"', "hit"],
  );
});

Deno.test("respondWithoutShape() sends the headers that are known", () => {
  for (const accept of ["text/csv", "text/event-stream, text/csv"]) {
    const { headers } = respondWithoutShape(shapeRequest(server, { accept }), MODEL);
    const isStream = accept.startsWith("text/event-stream");
    assertEquals(
      ["content-type", "x-semantic-cache", "x-semantic-shape"].map((name) => headers.get(name)),
      [isStream ? "text/event-stream" : "text/csv; charset=utf-8", "miss", "text/csv"],
    );
  }
});

Deno.test("respondWithSource() sends the source if text/plain is preferred", async () => {
  const problem = new Problem("unavailable", "Cannot shape: no model", { "retry-after": "7" });
  const response = await respondWithSource(shapeRequest(server), problem, undefined);
  assertEquals(await response.text(), "The source.");
  assertEquals(
    ["x-semantic-cache", "retry-after", "cache-control", "x-semantic-gpu"]
      .map((name) => response.headers.get(name)),
    ["fallback-raw", "7", "no-store", "none; local"],
  );
  const known = { text: "known", tag: "t", cut: "5/9" };
  const again = await respondWithSource(shapeRequest(server), problem, known);
  assertEquals([await again.text(), again.headers.get("x-semantic-cut")], ["known", "5/9"]);
});

Deno.test("respondWithSource() streams the source", async () => {
  const problem = new Problem("unavailable", "Cannot shape: no model");
  const accept = "text/event-stream, text/plain";
  const response = await respondWithSource(shapeRequest(server, { accept }), problem, undefined);
  assertEquals(
    await response.text(),
    'data: The source.\n\nevent: done\ndata: {"cache":"fallback-raw"}\n\n',
  );
  assertEquals(response.headers.get("x-semantic-cache"), "fallback-raw");
});

Deno.test("respondWithSource() throws the problem if another media type is preferred", async () => {
  const problem = new Problem("unavailable", "Cannot shape: no model");
  for (const accept of ["text/html", "*/*"]) {
    await assertRejects(
      respondWithSource(shapeRequest(server, { accept }), problem, undefined),
      problem,
    );
  }
});
