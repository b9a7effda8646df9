import { assertEquals, assertThrows } from "../../support/assert.ts";
import { conditionalResponse } from "../../../plugins/fstab/conditional_response.ts";

const HEADERS = { "etag": '"1"', "content-type": "text/plain", "content-length": "4", "vary": "x" };

function evaluate(headers: Record<string, string>): Response | undefined {
  return conditionalResponse(new Request("http://m/", { headers }), HEADERS, undefined, "/mnt/x");
}

Deno.test("conditionalResponse() is a 304 without the headers that describe the content", () => {
  const response = evaluate({ "if-none-match": '"1"' });
  assertEquals(response?.status, 304);
  assertEquals([...response.headers], [["etag", '"1"'], ["vary", "x"]]);
});

Deno.test("conditionalResponse() is undefined if the content must be sent", () => {
  assertEquals(evaluate({}), undefined);
  assertEquals(evaluate({ "if-none-match": '"2"' }), undefined);
});

Deno.test("conditionalResponse() throws precondition-failed with the current entity tag", () => {
  assertThrows(() => evaluate({ "if-match": '"2"' }), { status: 412, headers: { etag: '"1"' } });
});
