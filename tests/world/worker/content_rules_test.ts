import { assertEquals, assertThrows } from "../../support/assert.ts";
import type { WorldFile } from "../../../lib/world/file/world_file.ts";
import { StoreError } from "../../../lib/world/store.ts";
import type { WriteJob } from "../../../lib/world/store/worker_messages.ts";
import {
  assertContent,
  assertMovedContent,
  contentErrorOf,
} from "../../../lib/world/worker/content_rules.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const BASE = { id: 1, by: "T3", meta: [], ext: "txt", state: "", eventFields: {} };

/** A file of which only the content is read. */
function fileWith(text: string, onClose = () => {}): WorldFile {
  const part = { body: () => encode(text), close: onClose };
  // The functions use these two members only.
  return part as unknown as WorldFile;
}

function isInvalid(error: unknown): boolean {
  return error instanceof StoreError && error.code === "invalid" && error.world === "etc/revoked";
}

Deno.test("contentErrorOf() checks the content after a put and after an append", () => {
  const put = (name: string, text: string): WriteJob => ({
    ...BASE,
    kind: "put",
    name,
    body: encode(text),
  });
  const append = (text: string): WriteJob => ({
    ...BASE,
    kind: "append",
    name: "etc/revoked",
    body: encode(text),
  });
  const before = fileWith("name:a");
  assertEquals(isInvalid(contentErrorOf(put("etc/revoked", "x"), before)), true);
  assertEquals(contentErrorOf(put("etc/revoked", "name:b"), before), undefined);
  assertEquals(contentErrorOf(put("etc/other", "x"), before), undefined);
  assertEquals(contentErrorOf(append("\nname:b"), before), undefined);
  assertEquals(contentErrorOf(append("name:b\n"), fileWith("name:a\r\n")), undefined);
  assertEquals(contentErrorOf(append("name:b\n"), fileWith("")), undefined);
  assertEquals(contentErrorOf(append(""), before), undefined);
  assertEquals(isInvalid(contentErrorOf(append("/x"), before)), true);
  // Valid lists in which the last line would revoke something else than before, or nothing.
  for (const text of ["bc", "1764293412345-9f3ac04be1d27a55\n"]) {
    assertEquals(isInvalid(contentErrorOf(append(text), before)), true, text);
  }
  assertEquals(isInvalid(contentErrorOf(append("name:b\n"), fileWith("# old"))), true);
  const transition: WriteJob = { ...BASE, kind: "transition", name: "etc/revoked", to: "" };
  assertEquals(contentErrorOf(transition, fileWith("x")), undefined);
});

Deno.test("assertContent() throws for a world with a rule only", () => {
  assertContent("etc/revoked", encode("name:a\n"));
  assertContent("home/x", encode("x"));
  assertThrows(() => assertContent("etc/revoked", encode("x")), isInvalid);
});

Deno.test("assertMovedContent() opens and closes the file that is moved to a world with a rule", () => {
  let closed = 0;
  const open = (text: string) => () => fileWith(text, () => void closed++);
  assertMovedContent("etc/revoked", open("name:a"));
  assertThrows(() => assertMovedContent("etc/revoked", open("x")), isInvalid);
  assertEquals(closed, 2);
  assertMovedContent("home/x", () => {
    throw new Error("opened");
  });
});
