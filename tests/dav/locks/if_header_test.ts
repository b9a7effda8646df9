import { assertEquals } from "../../support/assert.ts";
import { assertLinear } from "../../support/growth.ts";
import { evaluateIf, parseIf, submittedTokens } from "../../../lib/dav/locks/if_header.ts";
import { MAX_IF_CHARS, MAX_IF_CONDITIONS } from "../../../lib/dav_limits.ts";

function lists(header: string) {
  const parsed = parseIf(header);
  if ("fault" in parsed) throw new Error(parsed.fault);
  return parsed;
}

/** Evaluates a header; `current` has tokens and etags, for named resources after their URL. */
function evaluate(header: string, ...state: string[]): boolean {
  const has = (tag: string | undefined, value: string) =>
    state.includes(tag === undefined ? value : `${tag} ${value}`);
  return evaluateIf(lists(header), { hasToken: has, hasEtag: has });
}

Deno.test("parseIf() reads untagged lists, Not and entity tags", () => {
  assertEquals(lists('(<urn:a> ["e1"]) (Not <DAV:no-lock> [W/"e2"])'), [
    {
      conditions: [
        { not: false, kind: "token", value: "urn:a" },
        { not: false, kind: "etag", value: '"e1"' },
      ],
    },
    {
      conditions: [
        { not: true, kind: "token", value: "DAV:no-lock" },
        { not: false, kind: "etag", value: 'W/"e2"' },
      ],
    },
  ]);
});

Deno.test("parseIf() assigns to each list the URL before it", () => {
  assertEquals(
    lists('<http://h/a> (<urn:a>) (["x"])\t<http://h/b>(<urn:b>)').map((l) => l.tag),
    [
      "http://h/a",
      "http://h/a",
      "http://h/b",
    ],
  );
});

for (
  const header of [
    "",
    " ",
    "()",
    "(",
    ")",
    "(<urn:a>",
    "<urn:a>",
    "(<urn:a>))",
    "((<urn:a>))",
    "(Not)",
    "(Not Not <urn:a>)",
    "Not (<urn:a>)",
    '"etag"',
    '["etag"]',
    "(<urn:a>) <http://h/b> (<urn:b>)",
    "<http://h/a> <http://h/b> (<urn:b>)",
    "<http://h/a> (<urn:a>) <http://h/b>",
    "(urn:a)",
    "(<urn:a>) junk",
    '(["a" ])',
    "(<>)",
    "(<a b>)",
  ]
) {
  Deno.test(`parseIf() refuses ${JSON.stringify(header)}`, () => {
    assertEquals("fault" in parseIf(header), true);
  });
}

Deno.test("parseIf() limits length and number of conditions", () => {
  const one = "<a>";
  assertEquals("fault" in parseIf(`(${one.repeat(MAX_IF_CONDITIONS)})`), false);
  assertEquals("fault" in parseIf(`(${one.repeat(MAX_IF_CONDITIONS + 1)})`), true);
  assertEquals("fault" in parseIf(`(<${"a".repeat(MAX_IF_CHARS)}>)`), true);
});

Deno.test("parseIf() takes linear time for long invalid headers", () => {
  for (const piece of ["(", "<a", "Not ", " ", '["', "(<a>) "]) {
    const pieces = (length: number) => piece.repeat(Math.floor(length / piece.length));
    assertLinear((length) => parseIf(pieces(length)), MAX_IF_CHARS, piece);
  }
});

Deno.test("evaluateIf() is true if all conditions of one list are true", () => {
  assertEquals(evaluate("(<a> <b>)", "a"), false);
  assertEquals(evaluate("(<a> <b>)", "a", "b"), true);
  assertEquals(evaluate("(<a>) (<b>)", "b"), true);
  assertEquals(evaluate('(<a> ["e"])', "a", '"e"'), true);
  assertEquals(evaluate('(<a> ["e"])', "a", '"f"'), false);
});

Deno.test("evaluateIf() negates a condition with Not", () => {
  assertEquals(evaluate("(Not <a>)"), true);
  assertEquals(evaluate("(Not <a>)", "a"), false);
  assertEquals(evaluate('(<a> Not ["e"])', "a"), true);
  assertEquals(evaluate("(<corrupt>) (Not <DAV:no-lock>)", "a"), true);
});

Deno.test("evaluateIf() uses the resource of the URL of a list", () => {
  assertEquals(evaluate("<http://h/x> (<a>)", "a"), false);
  assertEquals(evaluate("<http://h/x> (<a>)", "http://h/x a"), true);
});

Deno.test("submittedTokens() returns all tokens without Not in all lists", () => {
  assertEquals(
    [...submittedTokens(lists('(<a> ["e"]) (Not <b> <c>)'))],
    ["a", "c"],
  );
});
