import { assert, assertEquals } from "../../support/assert.ts";
import { redactSecrets } from "../../../plugins/gpu/redact_secrets.ts";

const KEY = "0123456789abcdefghij";

Deno.test("redactSecrets() removes the key and every part of it of 8 characters", () => {
  assertEquals(redactSecrets(`Incorrect key: ${KEY}.`, KEY), "Incorrect key: ***.");
  assertEquals(redactSecrets(`no: ${KEY.slice(0, 8)}`, KEY), "no: ***");
  assertEquals(redactSecrets(`no: x${KEY.slice(5, 15)}y`, KEY), "no: x***y");
  assertEquals(redactSecrets(`no: ${KEY.slice(0, 7)}`, KEY), "no: 0123456");
});

Deno.test("redactSecrets() removes a key that is shorter than 8 characters", () => {
  assertEquals(redactSecrets("key abc is wrong", "abc"), "key *** is wrong");
});

Deno.test("redactSecrets() removes what looks like a key of a known service", () => {
  assertEquals(redactSecrets("sk-other-0123 gsk_abcdef rk-1", undefined), "*** *** rk-1");
});

Deno.test("redactSecrets() returns one line of at most 300 characters", () => {
  assertEquals(redactSecrets("a\r\nb\u0000\u001b[31mc ", undefined), "a b [31mc");
  assertEquals(redactSecrets("y".repeat(5000), undefined), `${"y".repeat(300)}…`);
  const late = `${"y".repeat(299)}${KEY}`;
  assert(!redactSecrets(late, KEY).includes("0"), "the key is removed before the text is cut");
});
