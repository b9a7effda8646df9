import { assertEquals, assertThrows } from "../support/assert.ts";
import { hasQuery, readQueryNumber, readQueryValue } from "../../lib/http/query.ts";
import { Problem } from "../../lib/http/problem.ts";

function assertRefused(act: () => unknown): void {
  assertThrows(act, (error: unknown) => error instanceof Problem && error.type === "bad-query");
}

Deno.test("readQueryValue() decodes one of several parameters", () => {
  assertEquals(readQueryValue("", "ext"), null);
  assertEquals(readQueryValue("a=1&ext=md&b=2", "ext"), "md");
  assertEquals(readQueryValue("ext", "ext"), "");
  assertEquals(readQueryValue("ext=", "ext"), "");
  assertEquals(readQueryValue("next=md&exte=x", "ext"), null);
  assertEquals(readQueryValue("p=%2Fhome%2Fa+b%2B&x", "p"), "/home/a b+");
  assertEquals(readQueryValue("p=a=b", "p"), "a=b");
  assertEquals(readQueryValue("&&p=1&&", "p"), "1");
});

Deno.test("readQueryValue() returns the last value of a repeated parameter", () => {
  assertEquals(readQueryValue("ext=md&ext=html", "ext"), "html");
});

Deno.test("readQueryValue() throws for malformed escapes in the requested parameter only", () => {
  for (const broken of ["%", "%4", "%zz", "%ff", "%C0%AF", "%ED%A0%80"]) {
    assertRefused(() => readQueryValue(`p=${broken}`, "p"));
    assertEquals(readQueryValue(`p=${broken}&q=1`, "q"), "1");
  }
});

Deno.test("hasQuery() accepts a parameter with and without a value", () => {
  assertEquals(hasQuery("raw", "raw"), true);
  assertEquals(hasQuery("raw=", "raw"), true);
  assertEquals(hasQuery("at=1&raw=0", "raw"), true);
  assertEquals(hasQuery("", "raw"), false);
  assertEquals(hasQuery("rawer", "raw"), false);
});

Deno.test("readQueryNumber() accepts whole numbers up to the maximum only", () => {
  assertEquals(readQueryNumber("", "n", 9), undefined);
  assertEquals(readQueryNumber("n=0", "n", 9), 0);
  assertEquals(readQueryNumber("n=9", "n", 9), 9);
  assertEquals(readQueryNumber("n=007", "n", 9), 7);
  for (const text of ["10", "-1", "1.5", "1e0", "0x1", "", "%201", "１", "1,1", "9".repeat(16)]) {
    assertRefused(() => readQueryNumber(`n=${text}`, "n", 9));
  }
});

Deno.test("readQueryNumber() quotes at most 40 characters of an invalid value", () => {
  assertThrows(
    () => readQueryNumber(`n=${"x".repeat(5000)}`, "n", 9),
    (error: unknown) => error instanceof Problem && error.detail.length < 200,
  );
});
