/** Tests of patches as the writer resolves them. */
import { assertEquals, assertStrictEquals, assertThrows } from "../../support/assert.ts";
import { MAX_META_VALUE_BYTES } from "../../../lib/limits.ts";
import type { Meta } from "../../../lib/world/store.ts";
import { resolvePatch } from "../../../lib/world/change/resolve_patch.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

function resolve(text: string, sent: string, meta: Meta = [], before: Meta = []) {
  return resolvePatch(
    {
      kind: "patch",
      name: "home/x",
      by: "T2",
      edit: { format: "application/json", body: bytes(sent) },
      meta,
      state: "",
    },
    { version: 3, ext: "md", meta: before, body: bytes(text) },
    100,
  );
}

Deno.test("resolvePatch() returns the put that the edit makes, with the extension of the world", () => {
  assertEquals(resolve("a", '{"append":"b"}'), {
    kind: "put",
    name: "home/x",
    by: "T2",
    body: bytes("ab"),
    ext: "md",
    meta: [],
    state: "",
    eventFields: { op: "patch" },
  });
});

Deno.test("resolvePatch() returns undefined if neither bytes nor metadata change", () => {
  const meta = [["x-meta-a", "1"]] as const;
  assertStrictEquals(resolve("a", '{"append":""}', [], meta), undefined);
  assertStrictEquals(resolve("a", '{"append":""}', meta, meta), undefined);
  assertStrictEquals(resolve("a", '{"append":""}', [["x-meta-b", ""]], meta), undefined);
  assertEquals(resolve("a", '{"append":""}', [["x-meta-a", ""]], meta)?.meta, []);
});

Deno.test("resolvePatch() throws what the edit found and the current version", () => {
  assertThrows(() => resolve("a", '{"line":2,"replace":""}'), {
    code: "conflict",
    message: "there is no line 2: the world has 1 lines; version 3 is current, nothing was changed",
  });
  assertThrows(() => resolve("a", "{}"), { code: "malformed" });
  assertThrows(() => resolve("a", `{"append":"${"b".repeat(100)}"}`), { code: "too-large" });
  const value = "x".repeat(MAX_META_VALUE_BYTES - 10);
  const pairs = (letter: string) =>
    Array.from({ length: 4 }, (_, i) => [`x-meta-${letter}${i}`, value] as const);
  assertEquals(resolve("a", '{"append":"b"}', pairs("a"))?.meta.length, 4);
  assertEquals(resolve("a", '{"append":"b"}', pairs("a"), pairs("a"))?.meta.length, 4);
  assertThrows(
    () => resolve("a", '{"append":"b"}', [...pairs("a"), ["x-meta-c", value]], pairs("b")),
    { code: "conflict" },
  );
});
