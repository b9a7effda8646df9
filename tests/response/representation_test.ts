import { deepStrictEqual, equal, match, notEqual, throws } from "node:assert/strict";
import { sha256Hex } from "../../lib/base/hash.ts";
import {
  type Form,
  hasText,
  notModified,
  represent,
  respond,
  worldJson,
} from "../../lib/response/representation.ts";
import { Problem } from "../../lib/http/problem.ts";
import type { World } from "../../lib/world/store.ts";
import { bytesOf } from "../support/wire.ts";

const FORMS: readonly Form[] = ["raw", "json", "text"];

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

function ask(of: World, form: Form, headers: Record<string, string> = {}, method = "GET") {
  const request = new Request("http://machine/home/x", { method, headers });
  return respond(request, represent(of, form), form === "raw");
}

Deno.test("worldJson() holds the text of a text and the length of what is none", () => {
  deepStrictEqual(worldJson(world("é")), {
    stage_html: "é",
    version: 3,
    ext: "txt",
    type: "txt",
    updated_at: "2026-01-02T03:04:05.678Z",
  });
  deepStrictEqual(worldJson(world(new Uint8Array([0xff, 0x00]), { ext: "bin" })), {
    stage_html: "",
    version: 3,
    ext: "bin",
    type: "bin",
    updated_at: "2026-01-02T03:04:05.678Z",
    binary: true,
    len: 2,
  });
});

Deno.test("worldJson() keeps a byte order mark and every other character of a text", async () => {
  for (const text of ["\ufeffx", "\u0000", "a\r\nb", "\u2028", '"\\', "</script>", "\ufffd"]) {
    equal(worldJson(world(text)).stage_html, text);
    equal((await ask(world(text), "json").json()).stage_html, text);
  }
});

Deno.test("worldJson() shows the state of a plugin's source and of nothing else", () => {
  equal(worldJson(world("x", { name: "lib/x", state: "pending" })).state, "pending");
  equal("state" in worldJson(world("x", { name: "home/lib/x" })), false);
});

Deno.test("hasText() takes well-formed UTF-8 for text", () => {
  equal(hasText(world("")), true);
  equal(hasText(world("é😀")), true);
  for (
    const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc3]]
  ) {
    equal(hasText(world(new Uint8Array(bytes))), false, String(bytes));
  }
});

Deno.test("represent() gives each form of each version a tag of its own", () => {
  const worlds = [
    world("a"),
    world("b"),
    world("a", { version: 4 }),
  ];
  const tags = worlds.flatMap((of) => FORMS.map((form) => represent(of, form).etag));
  equal(new Set(tags).size, 9);
  for (const tag of tags) match(tag, /^"\d-[0-9a-f]{16}\.(raw|json|text)"$/);
  const pending = represent(world("a", { name: "lib/a", state: "pending" }), "json").etag;
  const active = represent(world("a", { name: "lib/a", state: "active" }), "json").etag;
  notEqual(pending, active);
});

Deno.test("represent() makes a form once and respond() sends it whole every time", async () => {
  const of = world("abc");
  equal(represent(of, "json"), represent(of, "json"));
  for (let time = 0; time < 3; time++) equal(await ask(of, "raw").text(), "abc");
});

Deno.test("represent() sandboxes what a browser would run, raw alone", () => {
  for (const ext of ["html", "htm", "xhtml", "svg", "xml", "rss", "atom", "mhtml"]) {
    const { headers } = represent(world("<a/>", { ext }), "raw");
    equal(headers["content-security-policy"], "sandbox allow-scripts", ext);
    equal(headers["x-content-type-options"], "nosniff", ext);
    equal(
      represent(world("<a/>", { ext }), "text").headers["content-type"],
      "text/plain; charset=utf-8",
    );
    equal(represent(world("<a/>", { ext }), "json").headers["content-type"], "application/json");
  }
  for (const ext of ["txt", "md", "js", "css", "json", "png", "bin", "nonsense"]) {
    equal(represent(world("x", { ext }), "raw").headers["content-security-policy"], undefined, ext);
    equal(represent(world("x", { ext }), "raw").headers["x-content-type-options"], "nosniff", ext);
  }
});

Deno.test("represent() varies what is negotiated and nothing else", () => {
  equal(represent(world("x"), "raw").headers.vary, undefined);
  equal(represent(world("x"), "json").headers.vary, "Accept");
  equal(represent(world("x"), "text").headers.vary, "Accept");
});

Deno.test("represent() tells the time in whole seconds, also where there is none", () => {
  const { headers } = represent(world("x"), "raw");
  equal(headers["last-modified"], "Fri, 02 Jan 2026 03:04:05 GMT");
  equal(
    represent(world("x", { updatedAt: "edited by hand" }), "raw").headers["last-modified"],
    "Thu, 01 Jan 1970 00:00:00 GMT",
  );
});

Deno.test("respond() sends parts of raw bytes with all headers, and of nothing else", async () => {
  const part = ask(world("0123456789"), "raw", { range: "bytes=3-5" });
  equal(part.status, 206);
  equal(await part.text(), "345");
  equal(part.headers.get("content-range"), "bytes 3-5/10");
  equal(part.headers.get("x-meta-author"), "codex");
  equal(ask(world("0123456789"), "json", { range: "bytes=3-5" }).status, 200);
  equal(ask(world("0123456789"), "raw", { range: "bytes=3-5" }, "HEAD").status, 200);
  throws(
    () => ask(world("0123456789"), "raw", { range: "bytes=10-" }),
    (error: unknown) =>
      error instanceof Problem && error.type === "range-not-satisfiable" &&
      error.headers["content-range"] === "bytes */10",
  );
});

Deno.test("respond() answers 304 without what concerns the content", async () => {
  for (const form of FORMS) {
    const { etag } = represent(world("x", { ext: "html" }), form);
    const unchanged = ask(world("x", { ext: "html" }), form, { "if-none-match": etag });
    equal(unchanged.status, 304);
    equal(await unchanged.text(), "");
    equal(unchanged.headers.get("content-type"), null);
    equal(unchanged.headers.get("etag"), etag);
    equal(unchanged.headers.get("x-meta-author"), "codex");
  }
});

Deno.test("notModified() keeps every header but the content's type", () => {
  const response = notModified({ "content-type": "text/html", etag: '"1"', vary: "Accept" });
  deepStrictEqual([...response.headers], [["etag", '"1"'], ["vary", "Accept"]]);
});
