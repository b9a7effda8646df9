import { equal, throws } from "node:assert/strict";
import { hasQuery, readQueryNumber, readQueryValue } from "../../lib/http/query.ts";
import { Problem } from "../../lib/http/problem.ts";

function refuses(act: () => unknown): void {
  throws(act, (error: unknown) => error instanceof Problem && error.type === "bad-query");
}

Deno.test("readQueryValue() decodes one of several parameters", () => {
  equal(readQueryValue("", "ext"), null);
  equal(readQueryValue("a=1&ext=md&b=2", "ext"), "md");
  equal(readQueryValue("ext", "ext"), "");
  equal(readQueryValue("ext=", "ext"), "");
  equal(readQueryValue("next=md&exte=x", "ext"), null);
  equal(readQueryValue("p=%2Fhome%2Fa+b%2B&x", "p"), "/home/a b+");
  equal(readQueryValue("p=a=b", "p"), "a=b");
  equal(readQueryValue("&&p=1&&", "p"), "1");
});

Deno.test("readQueryValue() returns the last value of a repeated parameter", () => {
  equal(readQueryValue("ext=md&ext=html", "ext"), "html");
});

Deno.test("readQueryValue() throws for malformed escapes in the requested parameter only", () => {
  for (const broken of ["%", "%4", "%zz", "%ff", "%C0%AF", "%ED%A0%80"]) {
    refuses(() => readQueryValue(`p=${broken}`, "p"));
    equal(readQueryValue(`p=${broken}&q=1`, "q"), "1");
  }
});

Deno.test("hasQuery() accepts a parameter with and without a value", () => {
  equal(hasQuery("raw", "raw"), true);
  equal(hasQuery("raw=", "raw"), true);
  equal(hasQuery("at=1&raw=0", "raw"), true);
  equal(hasQuery("", "raw"), false);
  equal(hasQuery("rawer", "raw"), false);
});

Deno.test("readQueryNumber() accepts whole numbers up to the maximum only", () => {
  equal(readQueryNumber("", "n", 9), undefined);
  equal(readQueryNumber("n=0", "n", 9), 0);
  equal(readQueryNumber("n=9", "n", 9), 9);
  equal(readQueryNumber("n=007", "n", 9), 7);
  for (const text of ["10", "-1", "1.5", "1e0", "0x1", "", "%201", "１", "1,1", "9".repeat(16)]) {
    refuses(() => readQueryNumber(`n=${text}`, "n", 9));
  }
});

Deno.test("readQueryNumber() quotes at most 40 characters of an invalid value", () => {
  throws(
    () => readQueryNumber(`n=${"x".repeat(5000)}`, "n", 9),
    (error: unknown) => error instanceof Problem && error.detail.length < 200,
  );
});
