/** One table of conditional headers, evaluated by the core and by the kit of the plugins. */

import {
  assertEquals,
  assertMatch,
  assertNotThrows,
  assertStrictEquals,
  assertThrows,
} from "../../support/assert.ts";
import { evaluateConditions } from "../../../lib/http/conditional.ts";
import { assertWritable, evaluateRead } from "../../../plugins/kit/conditional.ts";

const ETAG = '"abc"';
const DATE = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT";
const MODIFIED = Date.parse(DATE) + 250;

type Outcome = "send" | "not-modified" | 412 | 400;

const READS: readonly (readonly [headers: Record<string, string>, outcome: Outcome])[] = [
  [{}, "send"],
  [{ "if-match": ETAG }, "send"],
  [{ "if-match": "*" }, "send"],
  [{ "if-match": '"x", "abc"' }, "send"],
  [{ "if-match": '"x"' }, 412],
  [{ "if-match": `W/${ETAG}` }, 412],
  [{ "if-match": "abc" }, 400],
  [{ "if-unmodified-since": DATE }, "send"],
  [{ "if-unmodified-since": BEFORE }, 412],
  [{ "if-unmodified-since": "yesterday" }, "send"],
  [{ "if-match": ETAG, "if-unmodified-since": BEFORE }, "send"],
  [{ "if-none-match": ETAG }, "not-modified"],
  [{ "if-none-match": `W/${ETAG}` }, "not-modified"],
  [{ "if-none-match": "*" }, "not-modified"],
  [{ "if-none-match": '"x"' }, "send"],
  [{ "if-none-match": "abc" }, "send"],
  [{ "if-modified-since": DATE }, "not-modified"],
  [{ "if-modified-since": BEFORE }, "send"],
  [{ "if-modified-since": "yesterday" }, "send"],
  [{ "if-none-match": '"x"', "if-modified-since": DATE }, "send"],
  [{ "if-match": ETAG, "if-none-match": ETAG }, "not-modified"],
  [{ "if-match": '"x"', "if-none-match": ETAG }, 412],
];

function outcomeOf(evaluate: () => Outcome): Outcome {
  try {
    return evaluate();
  } catch (error) {
    const status = error instanceof Error ? Reflect.get(error, "status") : undefined;
    if (status === 412 || status === 400) return status;
    throw error;
  }
}

for (const [sent, outcome] of READS) {
  Deno.test(`evaluateRead() and the core answer ${outcome} to ${JSON.stringify(sent)}`, () => {
    const headers = new Headers(sent);
    const current = { etag: ETAG, modified: MODIFIED };
    assertStrictEquals(outcomeOf(() => evaluateRead(headers, current, "Cannot GET /x")), outcome);
    assertStrictEquals(outcomeOf(() => evaluateConditions(headers, ETAG, MODIFIED)), outcome);
  });
}

Deno.test("evaluateRead() ignores dates if the time of the last change is unknown", () => {
  for (const name of ["if-modified-since", "if-unmodified-since"]) {
    const headers = new Headers({ [name]: BEFORE });
    assertEquals(evaluateRead(headers, { etag: ETAG }, "Cannot GET /x"), "send");
  }
});

Deno.test("assertWritable() compares what is stored with If-Match and If-None-Match", () => {
  const stored = { etag: ETAG, modified: MODIFIED };
  const rows: readonly (readonly [Record<string, string>, typeof stored | undefined, number])[] = [
    [{}, undefined, 200],
    [{ "if-match": ETAG }, stored, 200],
    [{ "if-match": "*" }, stored, 200],
    [{ "if-match": "*" }, undefined, 412],
    [{ "if-match": ETAG }, undefined, 412],
    [{ "if-match": '"x"' }, stored, 412],
    [{ "if-match": "abc" }, stored, 400],
    [{ "if-none-match": "*" }, undefined, 200],
    [{ "if-none-match": "*" }, stored, 412],
    [{ "if-none-match": ETAG }, stored, 412],
    [{ "if-none-match": ETAG }, undefined, 200],
    [{ "if-none-match": "abc" }, stored, 400],
    [{ "if-unmodified-since": BEFORE }, stored, 412],
    [{ "if-unmodified-since": BEFORE }, undefined, 200],
    [{ "if-unmodified-since": DATE }, stored, 200],
  ];
  for (const [sent, current, status] of rows) {
    const write = () => assertWritable(new Headers(sent), current, "Cannot PUT /x");
    const row = JSON.stringify([sent, current]);
    if (status === 200) assertNotThrows(write, row);
    else assertThrows(write, { status }, row);
  }
});

Deno.test("assertWritable() throws with the current entity tag in detail and header", () => {
  const write = () =>
    assertWritable(new Headers({ "if-match": '"x"' }), { etag: ETAG }, "Cannot PUT /x");
  assertThrows(write, {
    message: 'Cannot PUT /x: If-Match names other versions; the current entity tag is "abc"',
    headers: { etag: ETAG },
  });
  assertThrows(
    () => assertWritable(new Headers({ "if-match": "*" }), undefined, "Cannot PUT /x"),
    (error: Error) => {
      assertMatch(error.message, /nothing is stored$/);
      return true;
    },
  );
});
