import { assertEquals, assertThrows } from "../support/assert.ts";
import type { Caller } from "../../lib/auth/caller.ts";
import { hasCredentialOf } from "../../lib/auth/caller.ts";
import { readCaller, writeCaller } from "../../lib/auth/caller_record.ts";

const SCOPE = {
  prefixes: ["/home", "/home/a"],
  mode: "rw",
  exp: 9,
  id: "i",
  names: ["~i", "x"],
  root: "/home|9|rw",
} as const;

Deno.test("readCaller() returns a caller with the same credential", () => {
  const callers: Caller[] = [
    { tier: "T1", by: "T1" },
    { tier: "T3", by: "T3", authenticated: true },
    { tier: "T2", by: "user:ada", authenticated: true },
    { tier: "T2", by: "cap:/home/a#~i/x", scope: SCOPE, authenticated: true },
    { tier: "T2", by: "cap:/home", scope: { prefixes: ["/home"], mode: "r", exp: 1, root: "r" } },
  ];
  for (const [at, caller] of callers.entries()) {
    const read = readCaller(writeCaller(caller));
    for (const [other, holder] of callers.entries()) {
      assertEquals(hasCredentialOf(read, holder), other === at, `${at} ${other}`);
      assertEquals(hasCredentialOf(holder, read), other === at, `${at} ${other}`);
    }
    assertEquals([read.tier, read.by], [caller.tier, caller.by]);
  }
});

Deno.test("readCaller() returns the mark of an account", () => {
  const caller: Caller = { tier: "T2", by: "user:ada", authenticated: true };
  assertEquals(readCaller(writeCaller(caller, "mark")).account, "mark");
  assertEquals(readCaller(writeCaller(caller)), { tier: "T2", by: "user:ada" });
});

Deno.test("readCaller() refuses a text of another form", () => {
  const broken = [
    "[]",
    "null",
    "{}",
    '{"tier":"T9","by":"x"}',
    '{"tier":"T2","by":1}',
    '{"tier":"T2","by":"x","account":1}',
    '{"tier":"T2","by":"x","scope":[]}',
    ...Object.keys(SCOPE).map((key) => {
      return JSON.stringify({ tier: "T2", by: "x", scope: { ...SCOPE, [key]: [1] } });
    }),
  ];
  for (const text of broken) assertThrows(() => readCaller(text), TypeError, text);
});
