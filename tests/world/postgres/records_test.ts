/** The rows of the write path: conversion and checks of what the database returns. */

import { assertEquals, assertThrows } from "../../support/assert.ts";
import {
  readBytes,
  readNumber,
  readString,
  toWorldRow,
} from "../../../lib/world/postgres/records.ts";

const ROW = {
  ...{ id: 1, name: "home/a", version: 2, ext: "txt", headers: "[]", state: "", updated_at: "t" },
  ...{ len: 3, sha256: "s", event_id: 4, event_hmac: "h", event_at: "t", by: "T2" },
  ...{ content: null, body: new Uint8Array([1]), kept_from: 0, kept_versions: 1, kept_bytes: 5 },
};

Deno.test("toWorldRow() has either a content or a body", () => {
  const { content, body } = toWorldRow(ROW);
  assertEquals([content, body], [undefined, new Uint8Array([1])]);
  const long = toWorldRow({ ...ROW, body: null, content: 7 });
  assertEquals([long.content, long.body], [7, undefined]);
});

Deno.test("toWorldRow() returns null as the name of a deleted world", () => {
  assertEquals(toWorldRow({ ...ROW, name: null }).name, null);
});

Deno.test("the readers of columns refuse other types", () => {
  assertThrows(() => readNumber({ a: "1" }, "a"), TypeError);
  assertThrows(() => readString({ a: 1 }, "a"), TypeError);
  assertThrows(() => readBytes({ a: "x" }, "a"), TypeError);
  assertThrows(() => toWorldRow({ ...ROW, version: null }), TypeError);
});
