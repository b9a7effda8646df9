import assert from "node:assert/strict";
import { bootstrapUrl, ENTRY_URL } from "../../../lib/plugin/transport/bootstrap.ts";

Deno.test("bootstrapUrl() returns one self-contained module as a data: URL", async () => {
  const text = await (await fetch(bootstrapUrl())).text();
  assert.doesNotMatch(text, /from "\.{1,2}\//);
  assert.doesNotMatch(text, /^\s*import /m);
  assert.doesNotMatch(text, /file:\/\/|\/lib\/plugin/);
  assert.match(text, /export const \{ start \}/);
  assert.equal(bootstrapUrl(), bootstrapUrl());
});

Deno.test("ENTRY_URL is shorter than 150 characters, because each Request of a plugin parses it", () => {
  assert.ok(ENTRY_URL.length < 150, `${ENTRY_URL.length} characters`);
});
