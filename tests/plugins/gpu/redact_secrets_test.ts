import { ok, strictEqual } from "node:assert/strict";
import { redactSecrets } from "../../../plugins/gpu/redact_secrets.ts";

const KEY = "0123456789abcdefghij";

Deno.test("redactSecrets() removes the key and every part of it of 8 characters", () => {
  strictEqual(redactSecrets(`Incorrect key: ${KEY}.`, KEY), "Incorrect key: ***.");
  strictEqual(redactSecrets(`no: ${KEY.slice(0, 8)}`, KEY), "no: ***");
  strictEqual(redactSecrets(`no: x${KEY.slice(5, 15)}y`, KEY), "no: x***y");
  strictEqual(redactSecrets(`no: ${KEY.slice(0, 7)}`, KEY), "no: 0123456");
});

Deno.test("redactSecrets() removes a key that is shorter than 8 characters", () => {
  strictEqual(redactSecrets("key abc is wrong", "abc"), "key *** is wrong");
});

Deno.test("redactSecrets() removes what looks like a key of a known service", () => {
  strictEqual(redactSecrets("sk-other-0123 gsk_abcdef rk-1", undefined), "*** *** rk-1");
});

Deno.test("redactSecrets() returns one line of at most 300 characters", () => {
  strictEqual(redactSecrets("a\r\nb\u0000\u001b[31mc ", undefined), "a b [31mc");
  strictEqual(redactSecrets("y".repeat(5000), undefined), `${"y".repeat(300)}…`);
  const late = `${"y".repeat(299)}${KEY}`;
  ok(!redactSecrets(late, KEY).includes("0"), "the key is removed before the text is cut");
});
