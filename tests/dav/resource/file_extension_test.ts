import { assertEquals } from "../../support/assert.ts";
import { chooseDavExt, chooseMovedExt } from "../../../lib/dav/resource/file_extension.ts";

const TEXT = new TextEncoder().encode("words");
const BYTES = new Uint8Array([0xff, 0x00]);

Deno.test("chooseDavExt() uses the name, then the type, then the existing extension, then the bytes", () => {
  assertEquals(chooseDavExt("home/a.md", "text/plain", TEXT, { ext: "html", len: 1 }), "md");
  assertEquals(chooseDavExt("home/a", "image/png", TEXT, { ext: "html", len: 1 }), "png");
  assertEquals(chooseDavExt("home/a", null, TEXT, { ext: "md", len: 1 }), "md");
  assertEquals(
    chooseDavExt("home/a", "application/octet-stream", TEXT, { ext: "md", len: 1 }),
    "md",
  );
  assertEquals(chooseDavExt("home/a", null, TEXT, undefined), "txt");
  assertEquals(chooseDavExt("home/a", null, BYTES, undefined), "bin");
  assertEquals(chooseDavExt("home/a.unheardof", null, TEXT, undefined), "txt");
  assertEquals(chooseDavExt("lib/p", null, TEXT, undefined), "ts");
});

Deno.test("chooseDavExt() ignores the extension of an empty world, and a text extension for other bytes", () => {
  assertEquals(chooseDavExt("home/a", null, BYTES, { ext: "txt", len: 0 }), "bin");
  assertEquals(chooseDavExt("home/a", null, BYTES, { ext: "md", len: 5 }), "bin");
  assertEquals(chooseDavExt("home/a", null, TEXT, { ext: "png", len: 5 }), "png");
});

Deno.test("chooseMovedExt() keeps the extension unless the suffix is new", () => {
  assertEquals(chooseMovedExt("home/a", "home/b", "md"), "md");
  assertEquals(chooseMovedExt("home/a.txt", "home/b.txt", "html"), "html");
  assertEquals(chooseMovedExt("home/~1.tmp", "home/doc.docx", "bin"), "docx");
  assertEquals(chooseMovedExt("home/a.md", "home/a.unheardof", "md"), "md");
  assertEquals(chooseMovedExt("home/a.md", "home/a", "md"), "md");
  assertEquals(chooseMovedExt("home/p", "lib/p", "txt"), "ts");
});
