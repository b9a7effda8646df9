import { assertEquals, assertThrows } from "../../support/assert.ts";
import { StoreError } from "../../../lib/world/store.ts";
import type { AppendJob, PutJob } from "../../../lib/world/change/write_job.ts";
import {
  assertContent,
  contentErrorOf,
  hasContentRule,
} from "../../../lib/world/change/content_rules.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const BASE = { by: "T3", meta: [], ext: "txt", state: "", eventFields: {} };

/** A world of which only the content is read. */
function worldWith(text: string) {
  return { body: () => encode(text) };
}

function isInvalid(error: unknown): boolean {
  return error instanceof StoreError && error.code === "invalid" && error.world === "etc/revoked";
}

Deno.test("contentErrorOf() checks the content after a put and after an append", () => {
  const put = (name: string, text: string): PutJob => ({
    ...BASE,
    kind: "put",
    name,
    body: encode(text),
  });
  const append = (text: string): AppendJob => ({
    ...BASE,
    kind: "append",
    name: "etc/revoked",
    body: encode(text),
  });
  const before = worldWith("name:a");
  assertEquals(isInvalid(contentErrorOf(put("etc/revoked", "x"), before)), true);
  assertEquals(contentErrorOf(put("etc/revoked", "name:b"), before), undefined);
  assertEquals(contentErrorOf(put("etc/other", "x"), before), undefined);
  assertEquals(contentErrorOf(append("\nname:b"), before), undefined);
  assertEquals(contentErrorOf(append("name:b\n"), worldWith("name:a\r\n")), undefined);
  assertEquals(contentErrorOf(append("name:b\n"), worldWith("")), undefined);
  assertEquals(contentErrorOf(append(""), before), undefined);
  assertEquals(isInvalid(contentErrorOf(append("/x"), before)), true);
  // Valid lists in which the last line would revoke something else than before, or nothing.
  for (const text of ["bc", "1764293412345-9f3ac04be1d27a55\n"]) {
    assertEquals(isInvalid(contentErrorOf(append(text), before)), true, text);
  }
  assertEquals(isInvalid(contentErrorOf(append("name:b\n"), worldWith("# old"))), true);
});

Deno.test("assertContent() throws for a world with a rule only", () => {
  assertContent("etc/revoked", encode("name:a\n"));
  assertContent("home/x", encode("x"));
  assertThrows(() => assertContent("etc/revoked", encode("x")), isInvalid);
});

Deno.test("hasContentRule() is true for the worlds whose content must have a form", () => {
  assertEquals(hasContentRule("etc/revoked"), true);
  assertEquals(hasContentRule("etc/revoked/x"), false);
});
