import {
  assertEquals,
  assertMatch,
  assertNotStrictEquals,
  assertStrictEquals,
  assertThrows,
} from "../support/assert.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import {
  getRepresentation,
  hasUtf8Body,
  notModifiedResponse,
  type RepresentationKind,
  respondRepresentation,
  toWorldJson,
} from "../../lib/response/representation.ts";
import { Problem } from "../../lib/http/problem.ts";
import type { World } from "../../lib/world/store.ts";
import { bytesOf } from "../support/wire.ts";

const FORMS: readonly RepresentationKind[] = ["raw", "json", "text"];

function world(body: string | Uint8Array, more: Partial<World> = {}): World {
  const bytes = new Uint8Array(bytesOf(body));
  return {
    name: "home/x",
    version: 3,
    ext: "txt",
    meta: [["x-meta-author", "codex"]],
    state: "",
    updatedAt: "2026-01-02T03:04:05.678Z",
    body: bytes,
    sha256: sha256Hex(bytes),
    layer: "upper",
    ...more,
  };
}

function ask(
  of: World,
  form: RepresentationKind,
  headers: Record<string, string> = {},
  method = "GET",
) {
  const request = new Request("http://machine/home/x", { method, headers });
  return respondRepresentation(request, getRepresentation(of, form), form === "raw");
}

Deno.test("toWorldJson() contains the text of UTF-8 bytes, otherwise their length", () => {
  assertEquals(toWorldJson(world("é")), {
    stage_html: "é",
    version: 3,
    ext: "txt",
    type: "txt",
    updated_at: "2026-01-02T03:04:05.678Z",
  });
  assertEquals(toWorldJson(world(new Uint8Array([0xff, 0x00]), { ext: "bin" })), {
    stage_html: "",
    version: 3,
    ext: "bin",
    type: "bin",
    updated_at: "2026-01-02T03:04:05.678Z",
    binary: true,
    len: 2,
  });
});

Deno.test("toWorldJson() keeps a byte order mark and every other character of a text", async () => {
  for (const text of ["\ufeffx", "\u0000", "a\r\nb", "\u2028", '"\\', "</script>", "\ufffd"]) {
    assertStrictEquals(toWorldJson(world(text)).stage_html, text);
    assertStrictEquals((await ask(world(text), "json").json()).stage_html, text);
  }
});

Deno.test("toWorldJson() contains the state of a plugin source only", () => {
  assertEquals(toWorldJson(world("x", { name: "lib/x", state: "pending" })).state, "pending");
  assertEquals("state" in toWorldJson(world("x", { name: "home/lib/x" })), false);
});

Deno.test("hasUtf8Body() returns true for well-formed UTF-8", () => {
  assertEquals(hasUtf8Body(world("")), true);
  assertEquals(hasUtf8Body(world("é😀")), true);
  for (
    const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc3]]
  ) {
    assertEquals(hasUtf8Body(world(new Uint8Array(bytes))), false, String(bytes));
  }
});

Deno.test("getRepresentation() gives each kind of each version its own tag", () => {
  const worlds = [
    world("a"),
    world("b"),
    world("a", { version: 4 }),
  ];
  const tags = worlds.flatMap((of) => FORMS.map((form) => getRepresentation(of, form).etag));
  assertEquals(new Set(tags).size, 9);
  for (const tag of tags) assertMatch(tag, /^"\d-[0-9a-f]{16}\.(raw|json|text)"$/);
  const pending = getRepresentation(world("a", { name: "lib/a", state: "pending" }), "json").etag;
  const active = getRepresentation(world("a", { name: "lib/a", state: "active" }), "json").etag;
  assertNotStrictEquals(pending, active);
});

Deno.test("getRepresentation() creates a kind once, and respondRepresentation() sends it repeatedly", async () => {
  const of = world("abc");
  assertStrictEquals(getRepresentation(of, "json"), getRepresentation(of, "json"));
  for (let time = 0; time < 3; time++) assertEquals(await ask(of, "raw").text(), "abc");
});

Deno.test("getRepresentation() sandboxes active content of kind raw only", () => {
  for (const ext of ["html", "htm", "xhtml", "svg", "xml", "rss", "atom", "mhtml"]) {
    const { headers } = getRepresentation(world("<a/>", { ext }), "raw");
    assertEquals(headers["content-security-policy"], "sandbox allow-scripts", ext);
    assertEquals(headers["x-content-type-options"], "nosniff", ext);
    assertEquals(
      getRepresentation(world("<a/>", { ext }), "text").headers["content-type"],
      "text/plain; charset=utf-8",
    );
    assertEquals(
      getRepresentation(world("<a/>", { ext }), "json").headers["content-type"],
      "application/json",
    );
  }
  for (const ext of ["txt", "md", "js", "css", "json", "png", "bin", "nonsense"]) {
    assertEquals(
      getRepresentation(world("x", { ext }), "raw").headers["content-security-policy"],
      undefined,
      ext,
    );
    assertEquals(
      getRepresentation(world("x", { ext }), "raw").headers["x-content-type-options"],
      "nosniff",
      ext,
    );
  }
});

Deno.test("getRepresentation() varies negotiated kinds only", () => {
  assertEquals(getRepresentation(world("x"), "raw").headers.vary, undefined);
  assertEquals(getRepresentation(world("x"), "json").headers.vary, "Accept");
  assertEquals(getRepresentation(world("x"), "text").headers.vary, "Accept");
});

Deno.test("getRepresentation() has Last-Modified in whole seconds, also for an invalid time", () => {
  const { headers } = getRepresentation(world("x"), "raw");
  assertEquals(headers["last-modified"], "Fri, 02 Jan 2026 03:04:05 GMT");
  assertEquals(
    getRepresentation(world("x", { updatedAt: "edited by hand" }), "raw").headers["last-modified"],
    "Thu, 01 Jan 1970 00:00:00 GMT",
  );
});

Deno.test("respondRepresentation() sends ranges of kind raw with all headers, and of no other kind", async () => {
  const part = ask(world("0123456789"), "raw", { range: "bytes=3-5" });
  assertEquals(part.status, 206);
  assertEquals(await part.text(), "345");
  assertEquals(part.headers.get("content-range"), "bytes 3-5/10");
  assertEquals(part.headers.get("x-meta-author"), "codex");
  assertEquals(ask(world("0123456789"), "json", { range: "bytes=3-5" }).status, 200);
  assertEquals(ask(world("0123456789"), "raw", { range: "bytes=3-5" }, "HEAD").status, 200);
  assertThrows(
    () => ask(world("0123456789"), "raw", { range: "bytes=10-" }),
    (error: unknown) =>
      error instanceof Problem && error.type === "range-not-satisfiable" &&
      error.headers["content-range"] === "bytes */10",
  );
});

Deno.test("respondRepresentation() answers 304 without content headers", async () => {
  for (const form of FORMS) {
    const { etag } = getRepresentation(world("x", { ext: "html" }), form);
    const unchanged = ask(world("x", { ext: "html" }), form, { "if-none-match": etag });
    assertEquals(unchanged.status, 304);
    assertEquals(await unchanged.text(), "");
    assertEquals(unchanged.headers.get("content-type"), null);
    assertStrictEquals(unchanged.headers.get("etag"), etag);
    assertEquals(unchanged.headers.get("x-meta-author"), "codex");
  }
});

Deno.test("notModifiedResponse() keeps every header except those of the content", () => {
  const response = notModifiedResponse({
    "content-type": "text/html",
    etag: '"1"',
    vary: "Accept",
  });
  assertEquals([...response.headers], [["etag", '"1"'], ["vary", "Accept"]]);
});
