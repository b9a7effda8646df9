import { deepStrictEqual, notStrictEqual, strictEqual } from "node:assert/strict";
import { fileHeaders, fileTag, fileVersion } from "../../../plugins/fstab/file_version.ts";
import { infoOf, MODIFIED } from "./memory_files.ts";

const INFO = infoOf("/srv/a.md", "text");

Deno.test("fileTag() changes with the file, its length and its times", () => {
  const tag = fileTag(INFO);
  strictEqual(tag, `"7-4-${MODIFIED.toString(36)}-${MODIFIED.toString(36)}"`);
  const changes = [{ id: "1:8" }, { size: 5 }, { modified: MODIFIED + 1 }, { changed: null }];
  for (const change of changes) notStrictEqual(fileTag({ ...INFO, ...change }), tag);
  strictEqual(fileTag({ ...INFO, id: null, modified: null, changed: null }), '"0-4-0-0"');
});

Deno.test("fileVersion() has nanoseconds, although the runtime knows milliseconds", () => {
  strictEqual(fileVersion({ ...INFO, modified: 1234.5 }), "mtime:1234000000");
  strictEqual(fileVersion({ ...INFO, modified: null }), "mtime:0");
});

Deno.test("fileHeaders() have the media type and the validators", () => {
  const headers = fileHeaders(INFO, "/srv/a.md");
  deepStrictEqual(
    [headers["content-type"], headers["last-modified"], headers.etag],
    ["text/markdown; charset=utf-8", "Sun, 31 May 2026 12:00:00 GMT", fileTag(INFO)],
  );
  strictEqual(fileHeaders({ ...INFO, modified: null }, "/srv/a")["last-modified"], undefined);
});
