import { assert, assertEquals, assertThrows } from "../../support/assert.ts";
import {
  canSendHeaders,
  flattenHeaders,
  formatRequestHead,
  formatResponseHead,
  MAX_HEADERS,
  parseRequestHead,
  parseResponseHead,
  unflattenHeaders,
} from "../../../lib/plugin/wire/message_heads.ts";
import { ProtocolError } from "../../../lib/plugin/wire/frames.ts";

Deno.test("parseRequestHead() returns the head that formatRequestHead() formatted", () => {
  for (const [isStreamed, hasBody] of [[false, false], [false, true], [true, true]] as const) {
    const head = {
      method: "PROPFIND",
      url: "http://localhost/a?b",
      headers: ["x", "y", "x", "ü"],
      isStreamed,
      hasBody,
      note: ["T1", "cap:/home"] as const,
    };
    const noted = { ...head, note: ["T1", "cap:/home", '"1-0.raw"'] as const };
    assertEquals(parseRequestHead(JSON.parse(formatRequestHead(noted))), noted);
    assertEquals(parseRequestHead(JSON.parse(formatRequestHead(head))), head);
  }
});

Deno.test("parseRequestHead() refuses an invalid value in each field", () => {
  const good = ["GET", "/x", ["a", "b"], 0, ["caller", 1]];
  parseRequestHead(good);
  const bad: [number, unknown][] = [
    [0, "GE T"],
    [0, ""],
    [0, 7],
    [0, "X".repeat(33)],
    [1, ""],
    [1, "/a b"],
    [1, "/a\\r\\nb".replace("\\r\\n", "\r\n")],
    [1, "/" + "x".repeat(17_000)],
    [2, ["a"]],
    [2, ["a", 1]],
    [2, ["a b", "c"]],
    [2, ["a", "b\nc"]],
    [2, ["a", "€"]],
    [2, Array(600).fill("a")],
    [2, { length: 2 }],
    [3, 2],
    [3, 4],
    [3, "1"],
    [4, null],
    [4, ["caller"]],
    [4, [1, 1]],
    [4, ["caller", {}]],
  ];
  for (const [field, value] of bad) {
    const head = good.with(field, value as never);
    assertThrows(() => parseRequestHead(head), ProtocolError, JSON.stringify([field, value]));
  }
  for (const value of [null, {}, [], "x", [...good, 1]]) {
    assertThrows(() => parseRequestHead(value), ProtocolError);
  }
});

Deno.test("parseResponseHead() refuses an invalid value in each field", () => {
  const good = [200, "OK", [], 0];
  assertEquals(
    parseResponseHead(JSON.parse(formatResponseHead(parseResponseHead(good)))),
    parseResponseHead(good),
  );
  const bad: [number, unknown][] = [
    [0, 101],
    [0, 199],
    [0, 600],
    [0, 200.5],
    [0, "200"],
    [1, 1],
    [1, "a\r\nb"],
    [1, "x".repeat(300)],
    [2, ["set-cookie"]],
    [3, 2],
  ];
  for (const [field, value] of bad) {
    assertThrows(() => parseResponseHead(good.with(field, value as never)), ProtocolError);
  }
});

Deno.test("flattenHeaders() and unflattenHeaders() keep each Set-Cookie separate", () => {
  const headers = new Headers([["set-cookie", "a=1"], ["x", "1"], ["set-cookie", "b=2"]]);
  assertEquals(unflattenHeaders(flattenHeaders(headers)).getSetCookie(), ["a=1", "b=2"]);
});

Deno.test("canSendHeaders() accepts field values of RFC 9110 section 5.5 only, and at most MAX_HEADERS", () => {
  for (const good of ["", "a b", "a\tb", "\u00e9", "~"]) {
    assert(canSendHeaders(["x", good]), good);
  }
  for (const bad of ["\0", "\u0001", "\r", "\n", "\u001f", "\u007f", "\u0100"]) {
    assert(!canSendHeaders(["x", "y", "x", `a${bad}b`]), JSON.stringify(bad));
  }
  assert(canSendHeaders(Array(2 * MAX_HEADERS).fill("x")));
  assert(!canSendHeaders(Array(2 * MAX_HEADERS + 2).fill("x")));
});

Deno.test("parseResponseHead() accepts a file reference and refuses an invalid one", () => {
  const file = { path: "/a b", offset: 3, length: -1, fingerprint: "1:2 3" };
  const head = { status: 206, statusText: "", headers: ["x", "y"], isStreamed: false, file };
  assertEquals(parseResponseHead(JSON.parse(formatResponseHead(head))), head);
  const bad = [
    [],
    ["/a", 0, -1],
    ["/a", 0, -1, "", 1],
    [1, 0, -1, ""],
    ["/a", -1, -1, ""],
    ["/a", 0.5, -1, ""],
    ["/a", 0, -2, ""],
    ["/a", 0, 2 ** 53, ""],
    ["/a", 0, "1", ""],
    ["/a", 0, -1, null],
    ["/a".repeat(4096), 0, -1, ""],
    ["/a", 0, -1, "x".repeat(257)],
  ];
  for (const file of bad) {
    assertThrows(
      () => parseResponseHead([200, "", [], file]),
      ProtocolError,
      JSON.stringify(file).slice(0, 80),
    );
  }
});
