import { assertEquals, assertStrictEquals } from "../support/assert.ts";
import { assertLinear } from "../support/growth.ts";
import { findAccount, isSameAccount, NO_ACCOUNTS, parseAccounts } from "../../lib/auth/accounts.ts";
import { sha256Hex } from "../../lib/base/hash.ts";
import { MAX_USER_NAME_CHARS } from "../../lib/limits.ts";

function shadow(...rows: [user: string, password: string][]): string {
  return rows.map(([user, password]) => `${user}:${sha256Hex(password)}\n`).join("");
}

Deno.test("parseAccounts() returns users that are in both files", () => {
  const accounts = parseAccounts(
    "# people\nada:T1\n\nbob:T2\ncy:T3\nonly-passwd:T3\n",
    "# digests\n" + shadow(["ada", "a"], ["bob", "b"], ["cy", "c"], ["only-shadow", "s"]),
  );
  assertEquals(findAccount(accounts, "ada", "a")?.tier, "T1");
  assertEquals(findAccount(accounts, "bob", "b")?.tier, "T2");
  assertEquals(findAccount(accounts, "cy", "c")?.tier, "T3");
  assertEquals(findAccount(accounts, "only-passwd", "s")?.tier, undefined);
  assertEquals(findAccount(accounts, "only-shadow", "s")?.tier, undefined);
  assertEquals(accounts.size, 3);
});

Deno.test("parseAccounts() accepts CRLF, a byte order mark, upper-case digests and a missing final newline", () => {
  const accounts = parseAccounts(
    "\ufeffada:T2\r\n  bob:T1  \r\n",
    `ada:${sha256Hex("a").toUpperCase()}\r\nbob:${sha256Hex("b")}`,
  );
  assertEquals(findAccount(accounts, "ada", "a")?.tier, "T2");
  assertEquals(findAccount(accounts, "bob", "b")?.tier, "T1");
});

Deno.test("parseAccounts() ignores malformed lines of passwd", () => {
  const lines = [
    "ada",
    "ada:",
    ":T3",
    "ada:T4",
    "ada:T0",
    "ada:t3",
    "ada:T3:",
    "ada:T33",
    "ada:T3 # admin",
    "ada: T3",
    "ada :T3",
    "a da:T3",
    "ada:T1|T3",
    "ada:x:1000:1000::/home/ada:/bin/sh",
    "ada;T3",
    "#ada:T3",
    "ada\t:T3",
    "ad\u0000a:T3",
    "constructor",
    "__proto__:",
  ];
  for (const line of lines) {
    const accounts = parseAccounts(`${line}\n`, shadow(["ada", "a"], ["", "a"], ["a da", "a"]));
    assertEquals(accounts.size, 0, line);
  }
});

Deno.test("parseAccounts() ignores malformed lines of shadow", () => {
  const digest = sha256Hex("a");
  const lines = [
    "ada",
    "ada:",
    "ada:a",
    `ada:${digest.slice(1)}`,
    `ada:${digest}0`,
    `ada: ${digest}`,
    `ada:sha256:${digest}`,
    `ada:${digest.slice(1)}g`,
    `ada:${digest}:`,
    `:${digest}`,
    `#ada:${digest}`,
    `ada:${sha256Hex("")}`,
    `ada:${sha256Hex("").toUpperCase()}`,
  ];
  for (const line of lines) {
    assertEquals(parseAccounts("ada:T3\n", `${line}\n`).size, 0, line);
  }
});

Deno.test("parseAccounts() keeps the first of two lines for a user", () => {
  const raised = parseAccounts("ada:T1\nada:T3\n", shadow(["ada", "a"]));
  assertEquals(findAccount(raised, "ada", "a")?.tier, "T1");
  const second = parseAccounts("ada:T3\n", shadow(["ada", "first"], ["ada", "second"]));
  assertEquals(findAccount(second, "ada", "first")?.tier, "T3");
  assertEquals(findAccount(second, "ada", "second")?.tier, undefined);
  const spelled = parseAccounts("\u00e9ve:T1\ne\u0301ve:T3\n", shadow(["e\u0301ve", "e"]));
  assertEquals(findAccount(spelled, "e\u0301ve", "e")?.tier, "T1");
});

Deno.test("parseAccounts() continues after a malformed line", () => {
  const accounts = parseAccounts("ada:T9\nada:T2\n", `ada:nothing\n${shadow(["ada", "a"])}`);
  assertEquals(findAccount(accounts, "ada", "a")?.tier, "T2");
});

Deno.test("parseAccounts() accepts a name of 64 characters and ignores one of 65", () => {
  for (const [length, size] of [[MAX_USER_NAME_CHARS, 1], [MAX_USER_NAME_CHARS + 1, 0]] as const) {
    const user = "u".repeat(length);
    assertStrictEquals(parseAccounts(`${user}:T1\n`, shadow([user, "p"])).size, size);
  }
});

Deno.test("parseAccounts() accepts a name that only NFC makes short enough, and no endless one", () => {
  const user = "\u1e69".repeat(MAX_USER_NAME_CHARS);
  const accounts = parseAccounts(`${user.normalize("NFD")}:T1\n`, shadow([user, "p"]));
  assertStrictEquals(findAccount(accounts, user.normalize("NFD"), "p")?.tier, "T1");
  assertLinear((length) => {
    const endless = `a${"\u0301\u0323".repeat(length)}`;
    assertStrictEquals(parseAccounts(`${endless}:T1\n`, shadow([endless, "p"])).size, 0);
    assertStrictEquals(findAccount(accounts, endless, "p"), undefined);
  }, 200_000);
});

Deno.test("findAccount() finds no account for the names of Object.prototype", () => {
  for (const user of ["__proto__", "constructor", "toString", "hasOwnProperty", ""]) {
    assertEquals(findAccount(NO_ACCOUNTS, user, "p")?.tier, undefined, user);
  }
  const accounts = parseAccounts("__proto__:T3\n", shadow(["__proto__", "p"]));
  assertEquals(findAccount(accounts, "__proto__", "p")?.tier, "T3");
  assertEquals(findAccount(accounts, "constructor", "p")?.tier, undefined);
});

Deno.test("findAccount() rejects wrong passwords, those of other users and the empty one", () => {
  const accounts = parseAccounts("ada:T3\nbob:T2\n", shadow(["ada", "a"], ["bob", "b"]));
  for (
    const [user, password] of [["ada", "b"], ["ada", "A"], ["ada", ""], ["ada", "a "], ["eve", "a"]]
  ) {
    assertEquals(
      findAccount(accounts, user ?? "", password ?? "")?.tier,
      undefined,
      `${user}:${password}`,
    );
  }
  assertEquals(findAccount(accounts, "ada", sha256Hex("a"))?.tier, undefined);
  assertEquals(findAccount(accounts, "ADA", "a")?.tier, undefined);
});

Deno.test("findAccount() accepts no password for the placeholder of an unknown user", () => {
  const zeros = parseAccounts("ada:T3\n", `ada:${"0".repeat(64)}\n`);
  for (const password of ["", "\0", "0".repeat(64), "a"]) {
    assertEquals(findAccount(zeros, "ada", password)?.tier, undefined);
    assertEquals(findAccount(zeros, "nobody", password)?.tier, undefined);
  }
});

Deno.test("findAccount() compares the bytes of the password as sent", () => {
  const accounts = parseAccounts("ada:T2\n", shadow(["ada", "pässwörd 🔑"]));
  assertEquals(findAccount(accounts, "ada", "pässwörd 🔑")?.tier, "T2");
  assertEquals(findAccount(accounts, "ada", new TextEncoder().encode("pässwörd 🔑"))?.tier, "T2");
});

Deno.test("isSameAccount() compares tier and password", () => {
  const digest = sha256Hex("a");
  const accounts = parseAccounts("ada:T2\nbob:T3\n", `ada:${digest}\nbob:${digest}\n`);
  const ada = accounts.get("ada");
  const bob = accounts.get("bob");
  if (ada === undefined || bob === undefined) throw new Error("both accounts exist");
  assertEquals(isSameAccount(ada, { ...ada }), true);
  assertEquals(isSameAccount(bob, ada), false);
  assertEquals(isSameAccount(undefined, ada), false);
  const changed = parseAccounts("ada:T2\n", `ada:${sha256Hex("b")}\n`).get("ada");
  assertEquals(isSameAccount(changed, ada), false);
});
