import { assertEquals, assertNotStrictEquals } from "../../support/assert.ts";
import { fileHeaders, fileTag, fileVersion } from "../../../plugins/fstab/file_version.ts";
import { infoOf, MODIFIED } from "./memory_files.ts";

const INFO = infoOf("/srv/a.md", "text");

Deno.test("fileTag() changes with the file, its length and its times", () => {
  const tag = fileTag(INFO);
  assertEquals(tag, `"7-4-${MODIFIED.toString(36)}-${MODIFIED.toString(36)}"`);
  const changes = [{ id: "1:8" }, { size: 5 }, { modified: MODIFIED + 1 }, { changed: null }];
  for (const change of changes) assertNotStrictEquals(fileTag({ ...INFO, ...change }), tag);
  assertEquals(fileTag({ ...INFO, id: null, modified: null, changed: null }), '"0-4-0-0"');
});

Deno.test("fileVersion() has nanoseconds, although the runtime knows milliseconds", () => {
  assertEquals(fileVersion({ ...INFO, modified: 1234.5 }), "mtime:1234000000");
  assertEquals(fileVersion({ ...INFO, modified: null }), "mtime:0");
});

Deno.test("fileHeaders() have the media type and the validators", () => {
  const headers = fileHeaders(INFO, "/srv/a.md");
  assertEquals(
    [headers["content-type"], headers["last-modified"], headers.etag],
    ["text/markdown; charset=utf-8", "Sun, 31 May 2026 12:00:00 GMT", fileTag(INFO)],
  );
  assertEquals(fileHeaders({ ...INFO, modified: null }, "/srv/a")["last-modified"], undefined);
});
