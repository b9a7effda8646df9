import { assert, assertEquals, assertMatch, assertNotEquals } from "../../support/assert.ts";
import { createShape, shapeHeaders, toWholeHeaders } from "../../../plugins/semantic/shape.ts";
import { formatOf, HASH, MODEL, shapeOf } from "./fixtures.ts";

Deno.test("createShape() makes the entity tag of the key and the text", async () => {
  const { etag } = await shapeOf("text");
  assertMatch(etag, /^"0123456789abcdef-[\da-f]{16}"$/);
  assertEquals((await shapeOf("text")).etag, etag);
  assertNotEquals((await shapeOf("other")).etag, etag);
});

Deno.test("createShape() builds the responses of a stored shape", async () => {
  const shape = await shapeOf("text", "text/html");
  assertEquals(await shape.hit.clone().text(), "text");
  assertEquals(await shape.hit.clone().text(), "text");
  assertEquals(shape.hit.headers.get("content-type"), "text/html; charset=utf-8");
  assertEquals(shape.hit.headers.get("x-semantic-cache"), "hit");
  assertEquals(shape.notModified.status, 304);
  assertEquals(shape.notModified.headers.get("content-type"), null);
  assertEquals(shape.notModified.headers.get("etag"), shape.etag);
});

Deno.test("shapeHeaders() forbid scripts and loading in every format", () => {
  for (const type of ["text/plain", "text/html", "image/svg+xml"]) {
    const policy = shapeHeaders(formatOf(type), MODEL, undefined)["content-security-policy"] ?? "";
    assertMatch(policy, /default-src 'none'/);
    assertMatch(policy, /; sandbox$/);
    assert(!policy.includes("script-src") && !policy.includes("allow-scripts"), policy);
  }
});

Deno.test("shapeHeaders() restrict use by other sites for what a browser renders", () => {
  const of = (type: string) => shapeHeaders(formatOf(type), MODEL, undefined)["referrer-policy"];
  assertEquals(of("text/html"), "no-referrer");
  assertEquals(of("application/json"), undefined);
});

Deno.test("shapeHeaders() name the model and the cut", () => {
  const headers = shapeHeaders(formatOf("text/plain"), MODEL, "1/2");
  assertEquals(
    [headers["x-semantic-gpu"], headers["x-semantic-cut"], headers["x-semantic-shape"]],
    ["fake/m1; local", "1/2", "text/plain"],
  );
  const remote = shapeHeaders(formatOf("text/plain"), { ...MODEL, isLocal: false }, undefined);
  assertEquals(
    [remote["x-semantic-gpu"], remote["x-semantic-cut"]],
    ["fake/m1; remote", undefined],
  );
});

Deno.test("toWholeHeaders() add Content-Type, ETag and X-Semantic-Cache", () => {
  assertEquals(toWholeHeaders({ a: "b" }, formatOf("text/csv"), '"1"', "shared"), {
    "a": "b",
    "content-type": "text/csv; charset=utf-8",
    "etag": '"1"',
    "x-semantic-cache": "shared",
  });
});

Deno.test("createShape() freezes the shape", async () => {
  assert(Object.isFrozen(await createShape(HASH, "", formatOf("text/plain"), {})));
});
