import { assertEquals, assertStrictEquals } from "../../support/assert.ts";
import { toMediaType } from "../../../lib/world/media_type.ts";
import { mediaTypeOf } from "../../../plugins/kit/media_types.ts";

Deno.test("mediaTypeOf() and the core agree on common extensions", () => {
  for (const extension of ["txt", "md", "html", "ts", "json", "ndjson", "png", "pdf", "mp4"]) {
    assertStrictEquals(mediaTypeOf(`/a/b.${extension}`), toMediaType(extension), extension);
  }
});

Deno.test("mediaTypeOf() uses the last extension in any letter case", () => {
  assertEquals(mediaTypeOf("/a.b/archive.tar.GZ"), "application/gzip");
});

Deno.test("mediaTypeOf() returns application/octet-stream for unknown and hidden names", () => {
  for (const path of ["/a/b", "/a/.png", "/a/b.unknown", "/a.png/b", ""]) {
    assertEquals(mediaTypeOf(path), "application/octet-stream", path);
  }
});
