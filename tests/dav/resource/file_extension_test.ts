import { equal } from "node:assert/strict";
import { chooseDavExt, chooseMovedExt } from "../../../lib/dav/resource/file_extension.ts";

const TEXT = new TextEncoder().encode("words");
const BYTES = new Uint8Array([0xff, 0x00]);

Deno.test("chooseDavExt() uses the name, then the type, then the existing extension, then the bytes", () => {
  equal(chooseDavExt("home/a.md", "text/plain", TEXT, { ext: "html", len: 1 }), "md");
  equal(chooseDavExt("home/a", "image/png", TEXT, { ext: "html", len: 1 }), "png");
  equal(chooseDavExt("home/a", null, TEXT, { ext: "md", len: 1 }), "md");
  equal(chooseDavExt("home/a", "application/octet-stream", TEXT, { ext: "md", len: 1 }), "md");
  equal(chooseDavExt("home/a", null, TEXT, undefined), "txt");
  equal(chooseDavExt("home/a", null, BYTES, undefined), "bin");
  equal(chooseDavExt("home/a.unheardof", null, TEXT, undefined), "txt");
  equal(chooseDavExt("lib/p", null, TEXT, undefined), "ts");
});

Deno.test("chooseDavExt() ignores the extension of an empty world, and a text extension for other bytes", () => {
  equal(chooseDavExt("home/a", null, BYTES, { ext: "txt", len: 0 }), "bin");
  equal(chooseDavExt("home/a", null, BYTES, { ext: "md", len: 5 }), "bin");
  equal(chooseDavExt("home/a", null, TEXT, { ext: "png", len: 5 }), "png");
});

Deno.test("chooseMovedExt() keeps the extension unless the suffix is new", () => {
  equal(chooseMovedExt("home/a", "home/b", "md"), "md");
  equal(chooseMovedExt("home/a.txt", "home/b.txt", "html"), "html");
  equal(chooseMovedExt("home/~1.tmp", "home/doc.docx", "bin"), "docx");
  equal(chooseMovedExt("home/a.md", "home/a.unheardof", "md"), "md");
  equal(chooseMovedExt("home/a.md", "home/a", "md"), "md");
  equal(chooseMovedExt("home/p", "lib/p", "txt"), "ts");
});
