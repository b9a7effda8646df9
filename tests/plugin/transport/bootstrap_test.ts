import { assert, assertMatch, assertNotMatch, assertStrictEquals } from "../../support/assert.ts";
import { bootstrapUrl, ENTRY_URL } from "../../../lib/plugin/transport/bootstrap.ts";

Deno.test("bootstrapUrl() returns one self-contained module as a data: URL", async () => {
  const text = await (await fetch(bootstrapUrl())).text();
  assertNotMatch(text, /from "\.{1,2}\//);
  assertNotMatch(text, /^\s*import /m);
  assertNotMatch(text, /file:\/\/|\/lib\/plugin/);
  assertMatch(text, /export const \{ start \}/);
  assertStrictEquals(bootstrapUrl(), bootstrapUrl());
});

Deno.test("ENTRY_URL is shorter than 150 characters, because each Request of a plugin parses it", () => {
  assert(ENTRY_URL.length < 150, `${ENTRY_URL.length} characters`);
});
