import { equal } from "node:assert/strict";
import { carriedExt, writtenExt } from "../../../lib/dav/resource/file_extension.ts";

const TEXT = new TextEncoder().encode("words");
const BYTES = new Uint8Array([0xff, 0x00]);

Deno.test("writtenExt() believes the name, then the type, then what was there, then the bytes", () => {
  equal(writtenExt("home/a.md", "text/plain", TEXT, { ext: "html", len: 1 }), "md");
  equal(writtenExt("home/a", "image/png", TEXT, { ext: "html", len: 1 }), "png");
  equal(writtenExt("home/a", null, TEXT, { ext: "md", len: 1 }), "md");
  equal(writtenExt("home/a", "application/octet-stream", TEXT, { ext: "md", len: 1 }), "md");
  equal(writtenExt("home/a", null, TEXT, undefined), "txt");
  equal(writtenExt("home/a", null, BYTES, undefined), "bin");
  equal(writtenExt("home/a.unheardof", null, TEXT, undefined), "txt");
  equal(writtenExt("lib/p", null, TEXT, undefined), "ts");
});

Deno.test("writtenExt() looks again where the place was empty, or text became bytes", () => {
  equal(writtenExt("home/a", null, BYTES, { ext: "txt", len: 0 }), "bin");
  equal(writtenExt("home/a", null, BYTES, { ext: "md", len: 5 }), "bin");
  equal(writtenExt("home/a", null, TEXT, { ext: "png", len: 5 }), "png");
});

Deno.test("carriedExt() keeps what was chosen, and follows a suffix that is new", () => {
  equal(carriedExt("home/a", "home/b", "md"), "md");
  equal(carriedExt("home/a.txt", "home/b.txt", "html"), "html");
  equal(carriedExt("home/~1.tmp", "home/doc.docx", "bin"), "docx");
  equal(carriedExt("home/a.md", "home/a.unheardof", "md"), "md");
  equal(carriedExt("home/a.md", "home/a", "md"), "md");
  equal(carriedExt("home/p", "lib/p", "txt"), "ts");
});
