import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import {
  evaluateConditions,
  isNotModified,
  parsePrecondition,
} from "../../lib/http/conditional.ts";
import { formatEtag } from "../../lib/http/etag.ts";
import { formatHttpDate } from "../../lib/http/http_date.ts";
import { Problem } from "../../lib/http/problem.ts";

const SHORT = "2c26b46b68ffc68f";
const NOW = formatEtag(3, SHORT, "raw");
const JSON_NOW = formatEtag(3, SHORT, "json");
const OLD = formatEtag(2, SHORT, "raw");
const CHANGED = Date.UTC(2026, 5, 1, 12, 0, 0) + 500;
const SAME = formatHttpDate(CHANGED);
const BEFORE = formatHttpDate(CHANGED - 1000);
const AFTER = formatHttpDate(CHANGED + 1000);

function read(headers: Record<string, string>): string {
  return evaluateConditions(new Headers(headers), NOW, CHANGED);
}

function assertRefused(headers: Record<string, string>, type: string): Problem {
  let caught: unknown;
  assertThrows(() => read(headers), (error) => {
    caught = error;
    return true;
  });
  assert(caught instanceof Problem);
  assertEquals(caught.type, type);
  return caught;
}

Deno.test("evaluateConditions() returns send without conditional headers", () => {
  assertEquals(read({}), "send");
  assertEquals(read({ range: "bytes=0-1", "if-range": OLD }), "send");
});

Deno.test("evaluateConditions() step 1: If-Match is true for this tag, its short form and *", () => {
  for (const match of [NOW, `"x", ${NOW}`, '"3"', "*"]) {
    assertEquals(read({ "if-match": match }), "send");
  }
});

Deno.test("evaluateConditions() step 1: If-Match with other tags throws 412", () => {
  for (const match of [OLD, JSON_NOW, '"2"', '"x"', ""]) {
    const problem = assertRefused({ "if-match": match }, "precondition-failed");
    assertEquals(problem.status, 412);
    assertEquals(problem.headers["etag"], NOW);
  }
});

Deno.test("evaluateConditions() step 1: If-Match is never true for a weak tag", () => {
  assertRefused({ "if-match": `W/${NOW}` }, "precondition-failed");
  assertRefused({ "if-match": 'W/"3"' }, "precondition-failed");
});

Deno.test("evaluateConditions() step 1: a malformed If-Match throws 400", () => {
  assert(assertRefused({ "if-match": "3" }, "bad-header").detail.includes("If-Match"));
});

Deno.test("evaluateConditions() step 2: If-Unmodified-Since throws 412 after a change", () => {
  assertEquals(read({ "if-unmodified-since": SAME }), "send");
  assertEquals(read({ "if-unmodified-since": AFTER }), "send");
  assertRefused({ "if-unmodified-since": BEFORE }, "precondition-failed");
});

Deno.test("evaluateConditions() step 2: If-Unmodified-Since is ignored with If-Match or without a valid date", () => {
  assertEquals(read({ "if-match": NOW, "if-unmodified-since": BEFORE }), "send");
  assertEquals(read({ "if-unmodified-since": "yesterday" }), "send");
});

Deno.test("evaluateConditions() step 3: If-None-Match returns 304 by weak comparison", () => {
  for (const tags of [NOW, `W/${NOW}`, `"x", ${NOW}`, '"3"', "*"]) {
    assertEquals(read({ "if-none-match": tags }), "not-modified", tags);
  }
  for (const tags of [OLD, JSON_NOW, '"2"', '"x"', ""]) {
    assertEquals(read({ "if-none-match": tags }), "send", tags);
  }
});

Deno.test("evaluateConditions() step 3: a malformed If-None-Match returns send", () => {
  assertEquals(read({ "if-none-match": "3" }), "send");
});

Deno.test("evaluateConditions() evaluates step 3 after step 1", () => {
  assertRefused({ "if-match": OLD, "if-none-match": NOW }, "precondition-failed");
  assertEquals(read({ "if-match": NOW, "if-none-match": NOW }), "not-modified");
});

Deno.test("evaluateConditions() step 4: If-Modified-Since returns 304 from the same second on", () => {
  assertEquals(read({ "if-modified-since": SAME }), "not-modified");
  assertEquals(read({ "if-modified-since": AFTER }), "not-modified");
  assertEquals(read({ "if-modified-since": BEFORE }), "send");
});

Deno.test("evaluateConditions() step 4: If-Modified-Since is ignored with If-None-Match or without a valid date", () => {
  assertEquals(read({ "if-none-match": OLD, "if-modified-since": AFTER }), "send");
  assertEquals(read({ "if-none-match": "broken", "if-modified-since": AFTER }), "send");
  assertEquals(read({ "if-modified-since": "0" }), "send");
});

Deno.test("evaluateConditions() ignores dates if the resource has no modification time", () => {
  for (const header of ["if-modified-since", "if-unmodified-since"]) {
    assertEquals(evaluateConditions(new Headers({ [header]: BEFORE }), NOW, undefined), "send");
    assertEquals(evaluateConditions(new Headers({ [header]: AFTER }), NOW, undefined), "send");
  }
});

Deno.test("isNotModified() accepts the header values as they are", () => {
  assertEquals(isNotModified({ ifNoneMatch: null, ifModifiedSince: null }, NOW, CHANGED), false);
  assertEquals(isNotModified({ ifNoneMatch: NOW, ifModifiedSince: BEFORE }, NOW, CHANGED), true);
  assertEquals(isNotModified({ ifNoneMatch: null, ifModifiedSince: SAME }, NOW, CHANGED), true);
});

Deno.test("parsePrecondition() returns undefined without headers", () => {
  assertEquals(parsePrecondition(new Headers()), undefined);
  assertEquals(parsePrecondition(new Headers({ "if-modified-since": SAME })), undefined);
});

Deno.test("parsePrecondition() parses If-Match for strong comparison", () => {
  assertEquals(parsePrecondition(new Headers({ "if-match": `${NOW}, "4", W/"5", "x"` })), {
    match: [{ version: 3, sha256: SHORT }, { version: 4 }],
  });
  assertEquals(parsePrecondition(new Headers({ "if-match": JSON_NOW })), {
    match: [{ version: 3, sha256: SHORT }],
  });
  assertEquals(parsePrecondition(new Headers({ "if-match": "*" })), { match: "*" });
});

Deno.test("parsePrecondition() of If-Match with foreign tags matches no version", () => {
  assertEquals(parsePrecondition(new Headers({ "if-match": '"abc"' })), { match: [] });
  assertEquals(parsePrecondition(new Headers({ "if-match": "" })), { match: [] });
});

Deno.test("parsePrecondition() parses If-None-Match for weak comparison", () => {
  assertEquals(parsePrecondition(new Headers({ "if-none-match": "*" })), { noneMatch: "*" });
  assertEquals(parsePrecondition(new Headers({ "if-none-match": 'W/"3"' })), {
    noneMatch: [{ version: 3 }],
  });
});

Deno.test("parsePrecondition() throws for malformed tags", () => {
  for (const header of ["if-match", "if-none-match"]) {
    assertThrows(
      () => parsePrecondition(new Headers({ [header]: "3" })),
      (error) =>
        error instanceof Problem && error.type === "bad-header" && /If-/.test(error.detail),
    );
  }
});

Deno.test("parsePrecondition() includes the whole second of If-Unmodified-Since", () => {
  const demands = parsePrecondition(new Headers({ "if-unmodified-since": SAME }));
  assert(demands?.unmodifiedSince !== undefined);
  assert(CHANGED <= demands.unmodifiedSince);
  assert(CHANGED + 500 > demands.unmodifiedSince);
});

Deno.test("parsePrecondition() ignores If-Unmodified-Since with If-Match or without a valid date", () => {
  assertEquals(parsePrecondition(new Headers({ "if-match": "*", "if-unmodified-since": SAME })), {
    match: "*",
  });
  assertEquals(parsePrecondition(new Headers({ "if-unmodified-since": "soon" })), undefined);
});

Deno.test("parsePrecondition() returns If-None-Match and If-Unmodified-Since together", () => {
  const headers = new Headers({ "if-none-match": '"3"', "if-unmodified-since": SAME });
  assertEquals(Object.keys(parsePrecondition(headers) ?? {}).sort(), [
    "noneMatch",
    "unmodifiedSince",
  ]);
});
