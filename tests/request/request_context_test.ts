import { equal, throws } from "node:assert/strict";
import { hasQuery, queryNumber, queryValue } from "../../lib/request/request_context.ts";
import { Problem } from "../../lib/http/problem.ts";

function refuses(act: () => unknown): void {
  throws(act, (error: unknown) => error instanceof Problem && error.type === "bad-query");
}

Deno.test("queryValue() finds a parameter among others, decoded", () => {
  equal(queryValue("", "ext"), null);
  equal(queryValue("a=1&ext=md&b=2", "ext"), "md");
  equal(queryValue("ext", "ext"), "");
  equal(queryValue("ext=", "ext"), "");
  equal(queryValue("next=md&exte=x", "ext"), null);
  equal(queryValue("p=%2Fhome%2Fa+b%2B&x", "p"), "/home/a b+");
  equal(queryValue("p=a=b", "p"), "a=b");
  equal(queryValue("&&p=1&&", "p"), "1");
});

Deno.test("queryValue() takes the last of several, so a second one cannot hide behind the first", () => {
  equal(queryValue("ext=md&ext=html", "ext"), "html");
});

Deno.test("queryValue() refuses broken escapes in the parameter that is asked for alone", () => {
  for (const broken of ["%", "%4", "%zz", "%ff", "%C0%AF", "%ED%A0%80"]) {
    refuses(() => queryValue(`p=${broken}`, "p"));
    equal(queryValue(`p=${broken}&q=1`, "q"), "1");
  }
});

Deno.test("hasQuery() does not mind a value", () => {
  equal(hasQuery("raw", "raw"), true);
  equal(hasQuery("raw=", "raw"), true);
  equal(hasQuery("at=1&raw=0", "raw"), true);
  equal(hasQuery("", "raw"), false);
  equal(hasQuery("rawer", "raw"), false);
});

Deno.test("queryNumber() takes whole numbers within the bound and nothing else", () => {
  equal(queryNumber("", "n", 9), undefined);
  equal(queryNumber("n=0", "n", 9), 0);
  equal(queryNumber("n=9", "n", 9), 9);
  equal(queryNumber("n=007", "n", 9), 7);
  for (const text of ["10", "-1", "1.5", "1e0", "0x1", "", "%201", "１", "1,1", "9".repeat(16)]) {
    refuses(() => queryNumber(`n=${text}`, "n", 9));
  }
});

Deno.test("queryNumber() shows no more than a little of what it refuses", () => {
  throws(
    () => queryNumber(`n=${"x".repeat(5000)}`, "n", 9),
    (error: unknown) => error instanceof Problem && error.detail.length < 200,
  );
});
