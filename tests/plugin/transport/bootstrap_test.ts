import assert from "node:assert/strict";
import { bootstrapUrl, ENTRY_URL } from "../../../lib/plugin/transport/bootstrap.ts";

Deno.test("bootstrapUrl() is one module of data that imports nothing of ours", async () => {
  const text = await (await fetch(bootstrapUrl())).text();
  assert.doesNotMatch(text, /from "\.{1,2}\//);
  assert.doesNotMatch(text, /^\s*import /m);
  assert.doesNotMatch(text, /file:\/\/|\/lib\/plugin/);
  assert.match(text, /export const \{ start \}/);
  assert.equal(bootstrapUrl(), bootstrapUrl());
});

Deno.test("ENTRY_URL stays short, since it is parsed with every Request of a plugin", () => {
  assert.ok(ENTRY_URL.length < 150, `${ENTRY_URL.length} characters`);
});
