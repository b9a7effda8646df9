import { assert, assertEquals } from "../support/assert.ts";
import {
  chooseExt,
  isActiveExt,
  isTextExt,
  isUtf8,
  isValidExt,
  keepTextExt,
  toMediaType,
} from "../../lib/world/media_type.ts";

const encoder = new TextEncoder();
const BINARY = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0xff]);

interface Hints {
  ext?: string;
  type?: string;
  name?: string;
  body?: string | Uint8Array;
  readonly existing?: string;
}

function choose({ ext, type, name = "home/x", body = "words", existing }: Hints): string {
  const chosen = chooseExt({
    queryExt: ext ?? null,
    contentType: type ?? null,
    name,
    body: typeof body === "string" ? encoder.encode(body) : body,
  });
  if ("fault" in chosen) return `fault: ${chosen.fault}`;
  return chosen.isExtGuess ? keepTextExt(existing, chosen.ext) : chosen.ext;
}

Deno.test("toMediaType() returns the type of an extension, with a charset for text", () => {
  const types: Record<string, string> = {
    txt: "text/plain; charset=utf-8",
    html: "text/html; charset=utf-8",
    md: "text/markdown; charset=utf-8",
    css: "text/css; charset=utf-8",
    csv: "text/csv; charset=utf-8",
    js: "text/javascript; charset=utf-8",
    mjs: "text/javascript; charset=utf-8",
    ts: "text/typescript; charset=utf-8",
    py: "text/x-python; charset=utf-8",
    sh: "text/x-shellscript; charset=utf-8",
    json: "application/json",
    ndjson: "application/x-ndjson",
    jsonl: "application/jsonl",
    yaml: "application/yaml",
    yml: "application/yaml",
    toml: "application/toml",
    xml: "application/xml",
    svg: "image/svg+xml",
    png: "image/png",
    jpg: "image/jpeg",
    wasm: "application/wasm",
    pdf: "application/pdf",
    bin: "application/octet-stream",
  };
  for (const [ext, type] of Object.entries(types)) assertEquals(toMediaType(ext), type);
});

Deno.test("toMediaType() returns application/octet-stream for an unknown or invalid extension", () => {
  for (const ext of ["", "nosuch", "constructor", "__proto__", "a/b.html", "html;x", "HTML"]) {
    assertEquals(toMediaType(ext), "application/octet-stream", ext);
    assertEquals(isActiveExt(ext), false);
    assertEquals(isTextExt(ext), false);
  }
});

Deno.test("isTextExt() is true for source code, markup and text data", () => {
  for (
    const ext of "txt md html css js ts py sh json jsonl ndjson yaml toml xml svg csv sql".split(
      " ",
    )
  ) {
    assertEquals(isTextExt(ext), true, ext);
  }
  for (const ext of "bin png jpg pdf zip wasm mp4 sqlite".split(" ")) {
    assertEquals(isTextExt(ext), false, ext);
  }
});

Deno.test("isActiveExt() is true for documents that can run scripts", () => {
  const active =
    "html htm shtml xhtml xht svg svgz xml xsl xslt rss atom rdf mathml mht mhtml eml xul";
  for (const ext of active.split(" ")) assertEquals(isActiveExt(ext), true, ext);
  for (const ext of "txt md json js ts css csv png pdf bin py wasm".split(" ")) {
    assertEquals(isActiveExt(ext), false, ext);
  }
});

Deno.test("isActiveExt() is true for each extension with an HTML or XML type", () => {
  const letters = "abcdefghijklmnopqrstuvwxyz";
  for (const a of letters) {
    for (const b of letters) {
      for (const c of letters) {
        const ext = a + b + c;
        const type = toMediaType(ext);
        if (/(?:[+/]xml|html)(?:;|$)/.test(type)) assert(isActiveExt(ext), `${ext} ${type}`);
      }
    }
  }
});

Deno.test("isValidExt() accepts 1 to 16 lower-case letters and digits", () => {
  for (const text of ["md", "7z", "a".repeat(16)]) assertEquals(isValidExt(text), true, text);
  for (const text of ["", "MD", ".md", "a.b", "é", "md\n", "a".repeat(17)]) {
    assertEquals(isValidExt(text), false);
  }
});

Deno.test("isUtf8() is true only for well-formed UTF-8", () => {
  for (const text of ["", "a", "é✓😀", "\ufeffa", "a\0b"]) {
    assertEquals(isUtf8(encoder.encode(text)), true);
  }
  for (const bytes of [[0xff], [0xc3], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) {
    assertEquals(isUtf8(new Uint8Array(bytes)), false);
  }
});

Deno.test("chooseExt() uses ?ext= first", () => {
  assertEquals(choose({ ext: "md", type: "text/html", name: "home/x.png", body: "<p>" }), "md");
  assertEquals(choose({ ext: "MD" }), "md");
  assertEquals(choose({ ext: "nosuch" }), "nosuch");
  assertEquals(choose({ ext: "a".repeat(16) }), "a".repeat(16));
});

Deno.test("chooseExt() returns a fault for an invalid ?ext=", () => {
  for (const ext of ["", ".md", "a/b", "a.b", "é", "a".repeat(17), "md\r\n", "m d", "%00"]) {
    assert(choose({ ext }).startsWith("fault: ext is"), ext);
  }
});

Deno.test("chooseExt() uses a known Content-Type and ignores its parameters", () => {
  const types: Record<string, string> = {
    "Text/HTML; charset=utf-8": "html",
    "text/markdown": "md",
    "text/javascript": "js",
    "application/javascript": "js",
    "application/typescript": "ts",
    "text/typescript": "ts",
    "video/mp2t": "m2t",
    "application/json": "json",
    "application/problem+json": "json",
    "application/x-ndjson": "ndjson",
    "application/yaml": "yaml",
    "text/xml": "xml",
    "image/svg+xml": "svg",
    "image/jpeg": "jpg",
    "audio/mpeg": "mp3",
    "text/x-python": "py",
    "application/pdf": "pdf",
  };
  for (const [type, ext] of Object.entries(types)) {
    assertEquals(choose({ type, name: "home/x.css", body: BINARY }), ext, type);
  }
});

Deno.test("chooseExt() does not take text/plain, which fetch sends for every string", () => {
  for (const type of ["text/plain", "text/plain;charset=UTF-8", "TEXT/PLAIN"]) {
    assertEquals(choose({ type, name: "home/x.css" }), "css");
    assertEquals(choose({ type, body: "<p>words" }), "html");
    assertEquals(choose({ type, body: "words" }), "txt");
    assertEquals(choose({ type, name: "lib/x" }), "ts");
  }
});

Deno.test("chooseExt() keeps the extension of other text if it only finds text", () => {
  for (const existing of ["md", "json", "csv", "ts", "svg"]) {
    assertEquals(choose({ existing }), existing);
    assertEquals(choose({ existing, body: "<p>words" }), existing);
    assertEquals(choose({ existing, type: "text/plain" }), existing);
    assertEquals(choose({ existing, body: BINARY }), "bin");
    assertEquals(choose({ existing, ext: "txt" }), "txt");
    assertEquals(choose({ existing, type: "text/html" }), "html");
    assertEquals(choose({ existing, name: "home/x.css" }), "css");
  }
  for (const existing of ["txt", "html", "png", "bin", "nosuch"]) {
    assertEquals(choose({ existing }), "txt", existing);
    assertEquals(choose({ existing, body: "<p>words" }), "html", existing);
  }
});

Deno.test("chooseExt() returns an extension with the type of the Content-Type", () => {
  for (
    const type of [
      "text/html",
      "text/markdown",
      "text/css",
      "text/csv",
      "text/javascript",
      "text/typescript",
      "application/json",
      "application/xhtml+xml",
      "image/svg+xml",
      "image/png",
      "image/webp",
      "application/wasm",
      "application/pdf",
      "video/mp2t",
      "video/mp4",
      "audio/mpeg",
    ]
  ) assertEquals(toMediaType(choose({ type })).split(";")[0], type);
});

Deno.test("chooseExt() ignores types that clients send by default", () => {
  for (
    const type of [
      "application/x-www-form-urlencoded",
      "application/octet-stream",
      "multipart/form-data; boundary=x",
      "application/x-nosuch",
      "nonsense",
      "",
      "__proto__",
      "constructor",
    ]
  ) {
    assertEquals(choose({ type, name: "home/x.md" }), "md", type);
    assertEquals(choose({ type, body: "<h1>hi</h1>" }), "html", type);
    assertEquals(choose({ type, body: BINARY }), "bin", type);
  }
});

Deno.test("chooseExt() uses a known suffix of the name", () => {
  assertEquals(choose({ name: "home/notes.md" }), "md");
  assertEquals(choose({ name: "home/README.MD" }), "md");
  assertEquals(choose({ name: "home/a.tar.gz", body: BINARY }), "gz");
  assertEquals(choose({ name: "home/a.b/c.ts" }), "ts");
});

Deno.test("chooseExt() ignores the suffix of hosts, versions, dot files and folders", () => {
  for (
    const name of [
      "home/example.com",
      "home/v1.0",
      "home/.md",
      "home/a.md/b",
      "home/x.",
      "home/x.nosuch",
    ]
  ) {
    assertEquals(choose({ name }), "txt", name);
  }
});

Deno.test("chooseExt() returns ts below lib/ for all bytes", () => {
  assertEquals(choose({ name: "lib/example" }), "ts");
  assertEquals(choose({ name: "lib/example", body: "<T>(x: T) => x" }), "ts");
  assertEquals(choose({ name: "lib/example", type: "text/plain;charset=UTF-8" }), "ts");
  assertEquals(choose({ name: "lib/example", type: "text/javascript" }), "js");
  assertEquals(choose({ name: "lib/example.js" }), "js");
  assertEquals(choose({ name: "library" }), "txt");
});

Deno.test("chooseExt() detects markup, text and other bytes", () => {
  for (
    const body of ["<h1>", " \r\n\t<p>", "\ufeff<!doctype html>", "<!-- x -->", "</p>", "<?xml ?>"]
  ) {
    assertEquals(choose({ body }), "html", body);
  }
  for (const body of ["", " ", "<", "<3 you", "< p>", "a <b>", "{}", "\ufeff", "1 < 2"]) {
    assertEquals(choose({ body }), "txt", body);
  }
  assertEquals(choose({ body: BINARY }), "bin");
  assertEquals(choose({ body: new Uint8Array([0x3c, 0x70, 0x3e, 0xff]) }), "bin");
});
