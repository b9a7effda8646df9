import { assertEquals, assertStrictEquals } from "../support/assert.ts";
import { checkPassword, NO_ACCOUNTS, parseAccounts } from "../../lib/auth/accounts.ts";
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
  assertEquals(checkPassword(accounts, "ada", "a"), "T1");
  assertEquals(checkPassword(accounts, "bob", "b"), "T2");
  assertEquals(checkPassword(accounts, "cy", "c"), "T3");
  assertEquals(checkPassword(accounts, "only-passwd", "s"), undefined);
  assertEquals(checkPassword(accounts, "only-shadow", "s"), undefined);
  assertEquals(accounts.size, 3);
});

Deno.test("parseAccounts() accepts CRLF, a byte order mark, upper-case digests and a missing final newline", () => {
  const accounts = parseAccounts(
    "\ufeffada:T2\r\n  bob:T1  \r\n",
    `ada:${sha256Hex("a").toUpperCase()}\r\nbob:${sha256Hex("b")}`,
  );
  assertEquals(checkPassword(accounts, "ada", "a"), "T2");
  assertEquals(checkPassword(accounts, "bob", "b"), "T1");
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
  assertEquals(checkPassword(raised, "ada", "a"), "T1");
  const second = parseAccounts("ada:T3\n", shadow(["ada", "first"], ["ada", "second"]));
  assertEquals(checkPassword(second, "ada", "first"), "T3");
  assertEquals(checkPassword(second, "ada", "second"), undefined);
  const spelled = parseAccounts("\u00e9ve:T1\ne\u0301ve:T3\n", shadow(["e\u0301ve", "e"]));
  assertEquals(checkPassword(spelled, "e\u0301ve", "e"), "T1");
});

Deno.test("parseAccounts() continues after a malformed line", () => {
  const accounts = parseAccounts("ada:T9\nada:T2\n", `ada:nothing\n${shadow(["ada", "a"])}`);
  assertEquals(checkPassword(accounts, "ada", "a"), "T2");
});

Deno.test("parseAccounts() accepts a name of 64 characters and ignores one of 65", () => {
  for (const [length, size] of [[MAX_USER_NAME_CHARS, 1], [MAX_USER_NAME_CHARS + 1, 0]] as const) {
    const user = "u".repeat(length);
    assertStrictEquals(parseAccounts(`${user}:T1\n`, shadow([user, "p"])).size, size);
  }
});

Deno.test("checkPassword() finds no account for the names of Object.prototype", () => {
  for (const user of ["__proto__", "constructor", "toString", "hasOwnProperty", ""]) {
    assertEquals(checkPassword(NO_ACCOUNTS, user, "p"), undefined, user);
  }
  const accounts = parseAccounts("__proto__:T3\n", shadow(["__proto__", "p"]));
  assertEquals(checkPassword(accounts, "__proto__", "p"), "T3");
  assertEquals(checkPassword(accounts, "constructor", "p"), undefined);
});

Deno.test("checkPassword() rejects wrong passwords, those of other users and the empty one", () => {
  const accounts = parseAccounts("ada:T3\nbob:T2\n", shadow(["ada", "a"], ["bob", "b"]));
  for (
    const [user, password] of [["ada", "b"], ["ada", "A"], ["ada", ""], ["ada", "a "], ["eve", "a"]]
  ) {
    assertEquals(
      checkPassword(accounts, user ?? "", password ?? ""),
      undefined,
      `${user}:${password}`,
    );
  }
  assertEquals(checkPassword(accounts, "ada", sha256Hex("a")), undefined);
  assertEquals(checkPassword(accounts, "ADA", "a"), undefined);
});

Deno.test("checkPassword() accepts no password for the placeholder of an unknown user", () => {
  const zeros = parseAccounts("ada:T3\n", `ada:${"0".repeat(64)}\n`);
  for (const password of ["", "\0", "0".repeat(64), "a"]) {
    assertEquals(checkPassword(zeros, "ada", password), undefined);
    assertEquals(checkPassword(zeros, "nobody", password), undefined);
  }
});

Deno.test("checkPassword() compares the bytes of the password as sent", () => {
  const accounts = parseAccounts("ada:T2\n", shadow(["ada", "pässwörd 🔑"]));
  assertEquals(checkPassword(accounts, "ada", "pässwörd 🔑"), "T2");
  assertEquals(checkPassword(accounts, "ada", new TextEncoder().encode("pässwörd 🔑")), "T2");
});
